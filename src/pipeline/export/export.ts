import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { RequestError } from "../../core/errors.ts";
import { named, quoted } from "../../mapping/sql-text.ts";
import { guarded, sha256 } from "../../store/raw/durable.ts";
import { type DatasetBench, type FoundDataset, findDataset, openDataset } from "../dataset-reader.ts";
import { exportsFolder } from "../dataset.ts";
import { writeArrow } from "./arrow.ts";

/** The forms that a table comes in. */
export const exportFormats = {
  parquet: { extension: "parquet", mediaType: "application/vnd.apache.parquet" },
  arrow: { extension: "arrow", mediaType: "application/vnd.apache.arrow.file" },
  csv: { extension: "csv", mediaType: "text/csv; charset=utf-8; header=present" },
  ndjson: { extension: "ndjson", mediaType: "application/x-ndjson" },
} as const;
export type ExportFormat = keyof typeof exportFormats;

export interface ExportRequest {
  readonly home: string;
  readonly table: string;
  /** `parquet` unless given. */
  readonly format?: string | undefined;
  /** All of them, in the table's order, unless given. */
  readonly columns?: readonly string[] | undefined;
  /** The version that was built last unless given. */
  readonly version?: string | undefined;
}

/** What is to be exported: a function of the version and of what was asked for alone, and so are its bytes. */
export interface ExportPlan {
  readonly dataset: FoundDataset;
  readonly table: string;
  readonly format: ExportFormat;
  readonly columns: readonly ExportColumn[];
  readonly isWhole: boolean;
  /** Stands for the bytes; another version, format or list of columns has another one. */
  readonly tag: string;
  readonly fileName: string;
  readonly mediaType: string;
}

interface ExportColumn {
  readonly name: string;
  readonly type: string;
}

/** DuckDB writes what it reads; what it sorts or keeps beyond this spills. */
const LIMITS = { memoryMib: 512 };
/** Files of exports that are kept for the next reader. */
const KEPT_FILES = 20;

/** Settles what an export is of. Throws `REQUEST_INVALID` naming what there is instead of what was asked for. */
export async function planExport({ home, table, format = "parquet", columns, version }: ExportRequest): Promise<ExportPlan> {
  if (!isFormat(format))
    throw new RequestError(
      "REQUEST_INVALID",
      `there is no format "${format}": give one of ${Object.keys(exportFormats).join(", ")}`,
    );
  const dataset = await findDataset(home, version);
  const { tables, version: found } = dataset.manifest;
  if (!tables.some(({ name }) => name === table))
    throw new RequestError(
      "REQUEST_INVALID",
      `dataset ${found} has no table "${table}": give one of ${tables.map(({ name }) => name).join(", ")}`,
    );
  const all = await withDataset(dataset, bench => columnsOf(bench, table));
  const chosen = columns === undefined ? all : chosenOf(all, columns, table);
  const { extension, mediaType } = exportFormats[format];
  const tag = `${found}.${table}.${format}.${sha256(JSON.stringify(chosen.map(({ name }) => name))).slice(0, 12)}`;
  const isWhole = chosen.map(({ name }) => name).join() === all.map(({ name }) => name).join();
  return { dataset, table, format, columns: chosen, isWhole, tag, fileName: `${table}-${found}.${extension}`, mediaType };
}

const isFormat = (text: string): text is ExportFormat => Object.hasOwn(exportFormats, text);

async function withDataset<T>(dataset: FoundDataset, work: (bench: DatasetBench) => Promise<T>): Promise<T> {
  const bench = await openDataset(dataset, LIMITS);
  try {
    return await work(bench);
  } finally {
    await bench.close();
  }
}

async function columnsOf(bench: DatasetBench, table: string): Promise<readonly ExportColumn[]> {
  const rows = await bench.rows(`DESCRIBE SELECT * FROM ${named(table)}`);
  return rows.map(row => ({ name: row["column_name"]!, type: row["column_type"]! }));
}

function chosenOf(all: readonly ExportColumn[], wanted: readonly string[], table: string): readonly ExportColumn[] {
  const chosen = wanted.map(name => all.find(column => column.name === name));
  const unknown = wanted.find((_name, index) => chosen[index] === undefined);
  const names = all.map(({ name }) => name).join(", ");
  if (unknown !== undefined || wanted.length === 0)
    throw new RequestError("REQUEST_INVALID", `${table} has no column "${unknown ?? ""}"; it has ${names}`);
  if (new Set(wanted).size < wanted.length) throw new RequestError("REQUEST_INVALID", "a column is named twice: name each once");
  return chosen.filter(column => column !== undefined);
}

const underway = new Map<string, Promise<void>>();

/**
 * The file of an export; made unless it is there: the table's own where nothing is left out of a Parquet file. Its bytes are the same every time. The
 * next reader may find it, or it is made again. Throws `STORE_UNAVAILABLE`.
 */
export async function exportedFile(plan: ExportPlan): Promise<string> {
  const { dataset, table, format, isWhole, tag } = plan;
  const own = dataset.manifest.tables.find(({ name }) => name === table)?.files ?? [];
  if (format === "parquet" && isWhole && own.length === 1) return `${dataset.path}/${own[0]!.name}`;
  const folder = exportsFolder(dataset.root);
  const path = `${folder}/${tag}.${exportFormats[format].extension}`;
  const making = underway.get(path) ?? makeOnce(plan, path, folder);
  underway.set(path, making);
  await making.finally(() => underway.delete(path));
  return path;
}

async function makeOnce(plan: ExportPlan, path: string, folder: string): Promise<void> {
  if (existsSync(path)) return;
  await guarded(folder, () => mkdir(folder, { recursive: true }));
  await dropOldest(folder);
  await writeExport(plan, path);
}

/** Writes an export to a path; it appears there whole. Throws `STORE_UNAVAILABLE`. */
export async function writeExport(plan: ExportPlan, path: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.partial`;
  try {
    await withDataset(plan.dataset, bench => writeRows(bench, plan, temporary));
    await guarded(path, () => rename(temporary, path));
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeRows(bench: DatasetBench, { table, format, columns }: ExportPlan, path: string): Promise<void> {
  const select = (expression: (column: ExportColumn) => string) =>
    `SELECT ${columns.map(column => `${expression(column)} AS ${named(column.name)}`).join(", ")} FROM ${named(table)}`;
  const plain = select(({ name }) => named(name));
  if (format === "arrow") return guarded(path, () => writeArrow(bench.connection, plain, path));
  const copies = {
    parquet: `COPY (${plain}) TO ${quoted(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)`,
    csv: `COPY (${select(csvText)}) TO ${quoted(path)} (FORMAT csv, HEADER)`,
    ndjson: `COPY (${select(exactText)}) TO ${quoted(path)} (FORMAT json)`,
  };
  return bench.run(copies[format]);
}

/** Instants with their zone, decimals without zeros that say nothing; as text, since a reader of JSON makes doubles of numbers. */
function exactText({ name, type }: ExportColumn): string {
  const column = named(name);
  if (type.startsWith("TIMESTAMP")) return `strftime(${column}, '%Y-%m-%dT%H:%M:%S.%gZ')`;
  if (!type.startsWith("DECIMAL") && type !== "BIGINT" && type !== "HUGEINT") return column;
  return type.startsWith("DECIMAL") && !type.endsWith(",0)")
    ? `regexp_replace(${column}::VARCHAR, '\\.?0+$', '')`
    : `${column}::VARCHAR`;
}

const csvText = (column: ExportColumn): string =>
  column.type.endsWith("[]") ? `to_json(${named(column.name)})::VARCHAR` : exactText(column);

/** Makes room for one more file: those that were read longest ago go. Who reads one has it open, and reads on. */
async function dropOldest(folder: string): Promise<void> {
  await guarded(folder, async () => {
    const names = (await readdir(folder)).filter(name => !name.endsWith(".partial"));
    const files = await Promise.all(names.map(async name => ({ name, usedAtMs: (await stat(`${folder}/${name}`)).atimeMs })));
    const oldest = files.toSorted((a, b) => b.usedAtMs - a.usedAtMs).slice(KEPT_FILES - 1);
    for (const { name } of oldest) await rm(`${folder}/${name}`, { force: true });
  });
}
