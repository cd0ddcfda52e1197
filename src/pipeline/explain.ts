import { RequestError } from "../core/errors.ts";
import { customerIdOf } from "../core/ids.ts";
import { pointerTo, textAt } from "../core/json-pointer.ts";
import { named, quoted } from "../mapping/sql-text.ts";
import type { Catalog } from "../source/catalog.ts";
import { mappingOf } from "../upstream/decode.ts";
import { examinerOf } from "../upstream/drift/examine.ts";
import { knownShape } from "../upstream/drift/learned-fields.ts";
import { type DatasetBench, type FoundDataset, findDataset, openDataset } from "./dataset-reader.ts";
import type { ColumnLineage, ColumnSource } from "./lineage.ts";
import { type RawPlace, type RawRecord, rawRecords, type RawParts } from "./raw-evidence.ts";
import { featuresPlan } from "./features/plan.ts";
import { canonicalTextSql, DECIMAL_TYPE, tableNames } from "./tables.ts";

export interface ExplainOptions extends RawParts {
  readonly catalog: Catalog;
  /** The version that was built last unless given. */
  readonly version?: string;
}

/** A value that a rule has read, in the bytes of its response. */
export interface InputBytes {
  readonly path: string;
  /** JSON pointer in the response's body. */
  readonly pointer: string;
  /** The very text there; null when there is none. */
  readonly text: string | null;
}

/** What one record says of a column. */
export interface Say {
  /** `<source>.<collection>:<key>`. */
  readonly record: string;
  /** How it was read; null when the record's collection has no say in this column. */
  readonly by: ColumnSource | null;
  /** Read anew from the kept bytes, as canonical text. */
  readonly value: string | null;
  readonly issue: string | null;
  /** `outranked`: another record goes before; `empty`: it has no value; `silent`: its collection has no say. */
  readonly outcome: "won" | "outranked" | "empty" | "silent";
  readonly inputs: readonly InputBytes[];
  readonly raw: RawPlace;
  /** The record's text, its beginning if it is long. */
  readonly excerpt: string;
}

/** The chain from a cell down to the bytes. */
export interface CellExplanation {
  readonly version: string;
  readonly table: string;
  readonly column: string;
  /** Of the row. */
  readonly id: string;
  /** What was asked for, where it is another id: a record of the customer, or an id that it had before a merge. */
  readonly askedFor: string | null;
  readonly value: string | null;
  readonly lineage: ColumnLineage;
  /** The one that won first, then by rank. */
  readonly says: readonly Say[];
  /** Whether reading the kept bytes anew gives the stored value; null for a column that the build makes. */
  readonly isReproduced: boolean | null;
}

const EXCERPT_LENGTH = 400;

/** Explains one cell. Throws `REQUEST_INVALID` saying what there is instead of what was asked for, and `STORE_UNAVAILABLE`. */
export async function explainCell(
  options: ExplainOptions,
  { column, id }: { readonly column: string; readonly id: string },
): Promise<CellExplanation> {
  const dataset = await findDataset(options.home, options.version);
  const lineage = findColumn(dataset, column);
  const bench = await openDataset(dataset);
  try {
    const row = await findRow(bench, lineage, id);
    const records = await recordsOf(options, dataset, row.members);
    const says = rankedSays(options.catalog, lineage, records);
    const { version } = dataset.manifest;
    const winner = says.find(({ outcome }) => outcome === "won");
    const isReproduced = lineage.field === null ? null : sameValue(lineage, winner?.value ?? null, row.value);
    const askedFor = row.id === id ? null : id;
    return {
      version,
      table: lineage.table,
      column: lineage.column,
      id: row.id,
      askedFor,
      value: row.value,
      lineage,
      says,
      isReproduced,
    };
  } finally {
    await bench.close();
  }
}

/** A canonical decimal may end in zeros that a column does not keep. */
const sameValue = ({ type }: ColumnLineage, read: string | null, stored: string | null): boolean =>
  type === DECIMAL_TYPE && read?.includes(".") ? read.replace(/\.?0+$/, "") === stored : read === stored;

function findColumn({ manifest: { lineage, version } }: FoundDataset, text: string): ColumnLineage {
  const [table, column, ...more] = text.split(".");
  const ofTable = lineage.filter(each => each.table === table);
  const names = (of: readonly string[]) => [...new Set(of)].join(", ");
  if (ofTable.length === 0)
    throw new RequestError(
      "REQUEST_INVALID",
      `dataset ${version} has no lineage of a table "${table}": give <table>.<column>, the table being one of ${names(lineage.map(each => each.table))}`,
    );
  const found = ofTable.find(each => each.column === column);
  if (found && more.length === 0) return found;
  throw new RequestError(
    "REQUEST_INVALID",
    `${table} has no column "${text.slice(table!.length + 1)}"; it has ${names(ofTable.map(each => each.column))}`,
  );
}

/** A record of a row: what `identities` or the row itself says of it. */
interface Member {
  readonly source: string;
  readonly collection: string;
  readonly key: string;
  readonly raw: string;
}

interface FoundRow {
  readonly id: string;
  readonly value: string | null;
  readonly members: readonly Member[];
}

/** Tables with one row for each customer, and the column that names it. */
const customerColumns: Readonly<Record<string, string>> = { [tableNames.Customer]: "id", [featuresPlan.name]: "customer_id" };

async function findRow(bench: DatasetBench, { table, column, type, field }: ColumnLineage, asked: string): Promise<FoundRow> {
  const customerColumn = customerColumns[table];
  const isCustomer = customerColumn !== undefined;
  const id = isCustomer ? await customerOf(bench, asked) : asked;
  const [row] =
    id === null
      ? []
      : await bench.rows(
          `SELECT ${canonicalTextSql({ name: column, type })} AS value FROM ${named(table)} WHERE ${customerColumn ?? "id"} = ${quoted(id)}`,
        );
  if (row === undefined || id === null) throw await noSuchRow(bench, table, asked);
  // A feature is made of many records: its lineage names their fields.
  if (table === featuresPlan.name && field === null) return { id, value: row["value"] ?? null, members: [] };
  const where = isCustomer ? `customer_id = ${quoted(id)}` : `id = ${quoted(id)}`;
  const keyColumn = `substr(id, length(source || '.' || collection || ':') + 1) AS key`;
  const members = await bench.rows(
    `SELECT source, collection, ${keyColumn}, raw FROM ${isCustomer ? "identities" : named(table)} WHERE ${where} ORDER BY id`,
  );
  return { id, value: row["value"] ?? null, members: members.map(each => each as unknown as Member) };
}

/** The customer that an id, an id from before a merge, or a record means. A customer's id is made from that of one of its records, so every one that it ever had tells it. */
async function customerOf(bench: DatasetBench, asked: string): Promise<string | null> {
  const rows = await bench.rows(`
    SELECT DISTINCT customer_id FROM identities
    WHERE customer_id = ${quoted(asked)} OR id = ${quoted(asked)} OR 'cst_' || left(sha256(id), ${customerIdOf("").length - 4}) = ${quoted(asked)}`);
  const found = rows.map(row => row["customer_id"]!);
  return found.includes(asked) ? asked : (found[0] ?? null);
}

async function noSuchRow(bench: DatasetBench, table: string, asked: string): Promise<RequestError> {
  const [row] = await bench.rows(`SELECT min(${customerColumns[table] ?? "id"}) AS example FROM ${named(table)}`);
  const form =
    table in customerColumns
      ? "a customer's id, or <source>.<collection>:<key> of one of its records"
      : "<source>.<collection>:<key>";
  const example = row?.["example"] == null ? "the table is empty" : `such as ${row["example"]}`;
  return new RequestError("REQUEST_INVALID", `${table} has no row "${asked}": give ${form} (${example})`);
}

interface MemberRecord extends Member {
  readonly found: RawRecord;
}

async function recordsOf(
  parts: RawParts,
  { manifest }: FoundDataset,
  members: readonly Member[],
): Promise<readonly MemberRecord[]> {
  const records: MemberRecord[] = [];
  for (const of of Map.groupBy(members, ({ source, collection }) => `${source}.${collection}`).values()) {
    const { source, collection } = of[0]!;
    const input = manifest.inputs.find(each => each.source === source && each.collection === collection);
    const pulls = [input?.pull ?? "", ...(input?.increments ?? [])];
    const found = await rawRecords(parts, { source, collection, pulls, raws: of.map(({ raw }) => raw) });
    records.push(...of.map((member, index) => ({ ...member, found: found[index]! })));
  }
  return records;
}

/** The declared order, by rank and then by key; the first that has a value, or one that cannot be read, wins: as in the join. */
function rankedSays(catalog: Catalog, lineage: ColumnLineage, records: readonly MemberRecord[]): readonly Say[] {
  const placeOf = ({ source, collection }: Member) => {
    const place = lineage.sources.findIndex(each => each.source === source && each.collection === collection);
    return place < 0 ? lineage.sources.length : place;
  };
  const nameOf = ({ source, collection, key }: Member) => `${source}.${collection}:${key}`;
  const compareKeys = (a: Member, b: Member) => (nameOf(a) < nameOf(b) ? -1 : 1);
  const sorted = records.toSorted((a, b) => placeOf(a) - placeOf(b) || compareKeys(a, b));
  let isWon = false;
  const says = sorted.map(member => {
    const say = sayOf(catalog, lineage, member);
    const hasSay = say.by !== null && (say.value !== null || say.issue === "INVALID_VALUE");
    const outcome: Say["outcome"] = say.by === null ? "silent" : hasSay ? (isWon ? "outranked" : "won") : "empty";
    isWon ||= outcome === "won";
    return { ...say, outcome };
  });
  return says.toSorted((a, b) => Number(b.outcome === "won") - Number(a.outcome === "won"));
}

function sayOf(
  catalog: Catalog,
  { field, sources }: ColumnLineage,
  { source, collection, key, found }: MemberRecord,
): Omit<Say, "outcome"> {
  const by = sources.find(each => each.source === source && each.collection === collection) ?? null;
  const facts = { record: `${source}.${collection}:${key}`, by, raw: found.place, excerpt: excerptOf(found.text) };
  if (by === null || field === null) return { ...facts, value: null, issue: null, inputs: [] };
  const entry = catalog.get(`${source}.${collection}`);
  const before = found.base.manifest.fields.before;
  const known = before && knownShape(entry.collection, before);
  const taken = examinerOf(entry.collection)(found.record, { known })?.record ?? found.record;
  const { entity, issues } = mappingOf(entry).read(taken);
  const value = entity[field] ?? null;
  const issue = issues.find(each => each.field === field)?.code ?? null;
  return { ...facts, value: value === null ? null : String(value), issue, inputs: by.inputs.map(path => bytesOf(found, path)) };
}

function bytesOf({ place, text }: RawRecord, path: string): InputBytes {
  const within = pointerTo(path.split("."));
  return { path, pointer: `${place.pointer}${within}`, text: textAt(text, within) };
}

const excerptOf = (text: string): string => (text.length <= EXCERPT_LENGTH ? text : `${text.slice(0, EXCERPT_LENGTH)}…`);
