import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { ContractError } from "../core/errors.ts";
import { named, quoted } from "../mapping/sql-text.ts";
import { type Column, DECIMAL_TYPE, type TablePlan } from "./tables.ts";
import type { Workbench } from "../mapping/bench.ts";

/** A file of a dataset's table. */
export interface TableFile {
  /** Its name in the dataset's folder. */
  readonly name: string;
  readonly sizeBytes: number;
  /** SHA-256, hexadecimal. */
  readonly sha256: string;
}

/** A table of a dataset. */
export interface TableReport {
  readonly name: string;
  readonly rows: number;
  readonly files: readonly TableFile[];
}

/** Writes a staged table of texts as one Parquet file with its proper types, in its total order. Throws `UPSTREAM_CONTRACT` for a value that its type cannot hold exactly. */
export async function load(bench: Workbench, plan: TablePlan, folder: string): Promise<TableReport> {
  const typed = `${plan.name}_typed`;
  await bench.run(`CREATE TABLE ${typed} AS ${typedSql(plan)}`);
  await refuseMisfits(bench, plan, typed);
  const name = `${plan.name}.parquet`;
  const columns = plan.columns.map(column => named(column.name)).join(", ");
  const sorted = `SELECT ${columns} FROM ${typed} ORDER BY ${plan.order.map(named).join(", ")}`;
  await bench.run(`COPY (${sorted}) TO ${quoted(`${folder}/${name}`)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)`);
  const [row] = await bench.rows(`SELECT count(*) AS rows FROM ${typed}`);
  await bench.run(`DROP TABLE ${typed}`);
  return { name: plan.name, rows: Number(row?.["rows"]), files: [await durableFile(folder, name)] };
}

const isText = ({ type }: Column): boolean => type.startsWith("VARCHAR");
const misfitColumn = ({ name }: Column): string => named(`${name} misfit`);
const typedColumn = ({ name }: Column): string => named(`${name} typed`);

/** The staged rows with typed values, and for each of these whether it says less than its text did. Every text is cast once: a cast to a wide decimal is slow. */
function typedSql({ name, columns }: TablePlan): string {
  const cast = columns.filter(column => !isText(column));
  const typed = cast.map(column => `TRY_CAST(${named(column.name)} AS ${column.type}) AS ${typedColumn(column)}`);
  const selected = columns.map(column =>
    isText(column)
      ? named(column.name)
      : `${typedColumn(column)} AS ${named(column.name)}, ${misfitSql(column)} AS ${misfitColumn(column)}`,
  );
  return `SELECT ${selected.join(", ")} FROM (SELECT ${["*", ...typed].join(", ")} FROM ${name})`;
}

/** A cast to a decimal rounds without a word, so its digits are looked at. */
const misfitSql = (column: Column): string => {
  const text = named(column.name);
  const fails = `(${text} IS NOT NULL AND ${typedColumn(column)} IS NULL)`;
  return column.type === DECIMAL_TYPE ? `(${fails} OR regexp_matches(${text}, '\\.\\d{10}\\d*[1-9]'))` : fails;
};

async function refuseMisfits(bench: Workbench, { name, columns }: TablePlan, typed: string): Promise<void> {
  for (const column of columns.filter(each => !isText(each))) {
    const [row] = await bench.rows(`
      SELECT count(*) AS misfits, min(${named(columns[0]!.name)}) AS example FROM ${typed} WHERE ${misfitColumn(column)}`);
    const misfits = Number(row?.["misfits"]);
    if (misfits === 0) continue;
    throw new ContractError(
      "UPSTREAM_CONTRACT",
      `${name}.${column.name}: ${misfits} values do not fit ${column.type}, among them that of ${row?.["example"] ?? "one row"}`,
      { details: { table: name, column: column.name, misfits } },
    );
  }
}

async function durableFile(folder: string, name: string): Promise<TableFile> {
  const path = `${folder}/${name}`;
  const file = await open(path, "r");
  await file.sync().finally(() => file.close());
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return { name, sizeBytes: (await stat(path)).size, sha256: hash.digest("hex") };
}
