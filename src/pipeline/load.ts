import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { ContractError } from "../core/errors.ts";
import { named, quoted } from "../mapping/sql-text.ts";
import { type Column, DECIMAL_TYPE, type TablePlan } from "./tables.ts";
import type { Workbench } from "./workbench.ts";

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
  await refuseMisfits(bench, plan);
  const name = `${plan.name}.parquet`;
  const columns = plan.columns.map(column => `${castSql(column)} AS ${named(column.name)}`);
  const sorted = `SELECT ${columns.join(", ")} FROM ${plan.name} ORDER BY ${plan.order.map(each => `${plan.name}.${named(each)}`).join(", ")}`;
  await bench.run(`COPY (${sorted}) TO ${quoted(`${folder}/${name}`)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)`);
  const [row] = await bench.rows(`SELECT count(*) AS rows FROM ${plan.name}`);
  return { name: plan.name, rows: Number(row?.["rows"]), files: [await durableFile(folder, name)] };
}

const castSql = ({ name, type }: Column): string => (isText(type) ? named(name) : `CAST(${named(name)} AS ${type})`);
const isText = (type: string): boolean => type.startsWith("VARCHAR");

/** Whether a text is lost or changed by its column's type. A cast to a decimal rounds without a word, so its digits are looked at. */
const misfitSql = ({ name, type }: Column): string => {
  const fails = `${named(name)} IS NOT NULL AND TRY_CAST(${named(name)} AS ${type}) IS NULL`;
  return type === DECIMAL_TYPE ? `(${fails} OR regexp_matches(${named(name)}, '\\.\\d{10}\\d*[1-9]'))` : `(${fails})`;
};

async function refuseMisfits(bench: Workbench, { name, columns }: TablePlan): Promise<void> {
  for (const column of columns.filter(({ type }) => !isText(type))) {
    const [row] = await bench.rows(`
      SELECT count(*) AS misfits, min(${named(columns[0]!.name)}) AS example FROM ${name} WHERE ${misfitSql(column)}`);
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
