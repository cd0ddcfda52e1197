import type { EntityName } from "../core/canonical.ts";
import { ConfigError, RequestError } from "../core/errors.ts";
import { type Clock, systemClock } from "../core/ports.ts";
import { named, quoted } from "../mapping/sql-text.ts";
import type { DayWindow } from "../source/collection.ts";
import { type DatasetManifest, DatasetStore, FORMAT, readDataset } from "./dataset.ts";
import { compareCustomer, compareRecords, Comparison, type DatasetCustomer, type Difference } from "./parity-compare.ts";
import { leftOutOf } from "./left-out.ts";
import { askPage, askRecords, type LivePage, type LiveQuery, textOf } from "./parity-live.ts";
import { recordLists, unowned } from "./parity-questions.ts";
import { type OnProgress, stopIfAborted } from "./progress.ts";
import { canonicalTextSql, isOwned, planOf } from "./tables.ts";
import { openBench, type Row, type Workbench } from "../mapping/bench.ts";

export interface ParityOptions {
  /** Where state is kept; its current dataset is compared. */
  readonly home?: string;
  /** The folder of the dataset to compare, instead of the current one. */
  readonly dataset?: string;
  readonly live: LiveQuery;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  readonly clock?: Clock;
  /** Customers in one query; 10 unless given. */
  readonly pageSize?: number;
}

export interface ParityResult {
  readonly version: string;
  readonly isEqual: boolean;
  /** Customers that dataset and graph have together. */
  readonly customers: number;
  /** Values compared, and how many of them are equal. */
  readonly fields: number;
  readonly equal: number;
  /** What the graph has and the dataset does without on purpose: rows that failed a check, customers that an inner join did not keep. Not compared. */
  readonly leftOut: { readonly customers: number; readonly records: number };
  /** The first 20. */
  readonly differences: readonly Difference[];
}

interface Check {
  readonly bench: Workbench;
  readonly comparison: Comparison;
  readonly seen: Set<string>;
}

const MAX_PAGES = 1_000_000;
/** Records that belong to nobody, in one query: fewer than the aliases that a graph allows. */
const RECORDS_AT_ONCE = 50;

/**
 * Asks the live graph for every customer with all its records and compares value by value with the dataset, in both directions; then for every record
 * of the dataset that belongs to nobody, by its id. Money counts as the
 * same when it is the same number. Throws `CONFIG_INVALID` without home and dataset, `STORE_UNAVAILABLE` without a dataset, `REQUEST_INVALID` when the graph does not answer and for a dataset of an earlier release.
 */
export async function verifyParity(options: ParityOptions): Promise<ParityResult> {
  const path = options.dataset ?? (await currentDataset(options.home));
  const manifest = await readDataset(path);
  if (manifest.format !== FORMAT)
    throw new RequestError(
      "REQUEST_INVALID",
      `the dataset in ${path} was built by an earlier release, which kept less: build again`,
    );
  const bench = await openBench(null);
  try {
    for (const entity of ["Customer", ...recordLists.map(list => list.entity), ...unowned] as const)
      await bench.run(textTableSql(entity, path));
    const comparison = new Comparison(await leftOutOf(bench, path, manifest));
    const check: Check = { bench, comparison, seen: new Set() };
    await comparePages(options, check, windowOf(manifest));
    await compareUnseen(check);
    for (const entity of unowned) await compareUnowned(options, check, entity);
    const { fields, equal, differences } = comparison;
    const { customers, records } = comparison.leftOut;
    const compared = { customers: check.seen.size, fields, equal, leftOut: { customers, records }, differences };
    return { version: manifest.version, isEqual: fields === equal, ...compared };
  } finally {
    bench.close();
  }
}

function currentDataset(home: string | undefined): Promise<string> {
  if (home === undefined) throw new ConfigError("CONFIG_INVALID", "parity needs a home or a dataset");
  return new DatasetStore(home).currentPath();
}

/** The days that the dataset covers. */
function windowOf({ inputs }: DatasetManifest): DayWindow | undefined {
  const windows = inputs.flatMap(({ entity, window }) => (entity === "UsageDay" && window !== null ? [window] : []));
  if (windows.length === 0) return undefined;
  const from = windows.map(window => window.from).toSorted()[0]!;
  return {
    from,
    to: windows
      .map(window => window.to)
      .toSorted()
      .at(-1)!,
  };
}

/** A dataset's table as canonical text, its columns named by canonical field. */
function textTableSql(entity: EntityName, path: string): string {
  const plan = planOf(entity);
  const owner = entity === "Customer" ? "id" : isOwned(entity) ? "customer_id" : "NULL";
  const fields = plan.columns.flatMap(column =>
    column.field === undefined ? [] : [`${canonicalTextSql(column)} AS ${named(column.field)}`],
  );
  const file = quoted(`${path}/${plan.name}.parquet`);
  return `CREATE TABLE ${plan.name} AS SELECT ${owner} AS customer_id, id, ${fields.join(", ")} FROM read_parquet(${file})`;
}

async function comparePages(
  { live, signal, onProgress, clock = systemClock, pageSize = 10 }: ParityOptions,
  check: Check,
  window: DayWindow | undefined,
): Promise<void> {
  let after: string | null = null;
  for (let pages = 1; pages <= MAX_PAGES; pages++) {
    stopIfAborted(signal, "the comparison");
    const page: LivePage = await askPage(live, { first: pageSize, after, ...window }, clock);
    await comparePage(check, page);
    onProgress?.({ stage: "parity", pages, records: check.seen.size });
    if (page.next === null || page.next === after) return;
    after = page.next;
  }
}

async function comparePage({ bench, comparison, seen }: Check, page: LivePage): Promise<void> {
  const ids = page.nodes.map(node => textOf(node["id"]) ?? "");
  const customers = await datasetCustomers(bench, ids);
  for (const [index, id] of ids.entries()) {
    const dataset = customers.get(id);
    if (!dataset && comparison.leftOut.takesCustomer(id)) continue;
    seen.add(id);
    if (dataset) compareCustomer(comparison, page, index, dataset);
    else comparison.absent(id, "dataset");
  }
}

async function datasetCustomers(bench: Workbench, ids: readonly string[]): Promise<ReadonlyMap<string, DatasetCustomer>> {
  if (ids.length === 0) return new Map();
  const rowsOf = (entity: EntityName) =>
    bench.rows(`SELECT * FROM ${planOf(entity).name} WHERE customer_id IN (${ids.map(quoted).join(", ")}) ORDER BY id`);
  const rows = await rowsOf("Customer");
  const lists: [string, Map<string, Row[]>][] = [];
  for (const list of recordLists)
    lists.push([list.name, Map.groupBy(await rowsOf(list.entity), row => String(row["customer_id"]))]);
  const listsOf = (id: string) => new Map(lists.map(([name, byCustomer]) => [name, byCustomer.get(id) ?? []]));
  return new Map(rows.map(row => [String(row["id"]), { row, lists: listsOf(String(row["id"])) }]));
}

/** Customers of the dataset that the graph never named. */
async function compareUnseen({ bench, comparison, seen }: Check): Promise<void> {
  for (const { id } of await bench.rows(`SELECT id FROM ${planOf("Customer").name} ORDER BY id`)) {
    if (id !== null && id !== undefined && !seen.has(id)) {
      seen.add(id);
      comparison.absent(id, "live");
    }
  }
}

/** Records that belong to nobody hang on no customer: the graph is asked for each by its id. */
async function compareUnowned(
  { live, signal, onProgress, clock = systemClock }: ParityOptions,
  { bench, comparison }: Check,
  entity: EntityName,
): Promise<void> {
  const rows = await bench.rows(`SELECT * FROM ${planOf(entity).name} ORDER BY id`);
  for (let start = 0, pages = 1; start < rows.length; start += RECORDS_AT_ONCE, pages++) {
    stopIfAborted(signal, "the comparison");
    const some = rows.slice(start, start + RECORDS_AT_ONCE);
    const ids = some.map(({ id }) => id ?? "");
    compareRecords(comparison, await askRecords(live, entity, ids, clock), some, entity);
    onProgress?.({ stage: "parity", pages, records: start + some.length });
  }
}
