import type { Workbench } from "../mapping/bench.ts";
import { quoted } from "../mapping/sql-text.ts";
import type { DatasetManifest } from "./dataset.ts";
import { tableNames } from "./tables.ts";

/** What a dataset does without on purpose, though the live graph has it: rows that failed a check, and customers that an inner join did not keep. */
export class LeftOut {
  customers = 0;
  records = 0;
  readonly #records: ReadonlySet<string>;
  readonly #customers: ReadonlySet<string>;
  #joinedOut: number;
  #days: number;

  constructor(known: { records: ReadonlySet<string>; customers: ReadonlySet<string>; joinedOut: number; days: number }) {
    this.#records = known.records;
    this.#customers = known.customers;
    this.#joinedOut = known.joinedOut;
    this.#days = known.days;
  }

  /** Whether a customer that the dataset lacks was left out; counts it. The customers that a join left out are known by number only. */
  takesCustomer(id: string): boolean {
    const isTaken = this.#customers.has(id) || this.#joinedOut-- > 0;
    if (isTaken) this.customers++;
    return isTaken;
  }

  /** Whether a record that the dataset lacks was left out; counts it. The graph's days of use have no id: of them no more than failed. */
  takesRecord(id: string | null, isDay: boolean): boolean {
    const isTaken = isDay ? this.#days-- > 0 : id !== null && this.#records.has(id);
    if (isTaken) this.records++;
    return isTaken;
  }
}

/** Reads what the dataset in a folder left out. */
export async function leftOutOf(bench: Workbench, path: string, { join, checks }: DatasetManifest): Promise<LeftOut> {
  const file = (table: string) => `read_parquet(${quoted(`${path}/${table}.parquet`)})`;
  const failed = `SELECT source || '.' || collection || ':' || key AS id FROM ${file("quarantine")} WHERE reason = 'CHECK'`;
  const records = await bench.rows(failed);
  const customers = await bench.rows(`
    SELECT DISTINCT customer_id AS id FROM ${file("identities")} WHERE id IN (${failed})
      AND customer_id NOT IN (SELECT id FROM ${file(tableNames.Customer)})`);
  const days = checks
    .filter(({ table, severity }) => table === tableNames.UsageDay && severity === "quarantine")
    .reduce((total, check) => total + check.failed, 0);
  const ids = (rows: typeof records) => new Set(rows.flatMap(({ id }) => id ?? []));
  return new LeftOut({ records: ids(records), customers: ids(customers), joinedOut: join.leftOut, days });
}
