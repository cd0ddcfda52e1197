import { fieldsOf } from "../core/canonical.ts";
import { pointerTo } from "../core/json-pointer.ts";
import { compileQuery } from "../mapping/compile-sql.ts";
import { named, quoted } from "../mapping/sql-text.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import { fateSql } from "./fate.ts";
import type { BuildInput } from "./inputs.ts";
import { type DriftReport, driftIn, quarantineSql, refuseFrozen } from "./quarantine.ts";
import { quarantinePlan } from "./tables.ts";
import type { Workbench } from "../mapping/bench.ts";

/** How the records of one collection fared. */
export interface NormalizedCounts {
  readonly records: number;
  /** Records whose key a later record of the same pull has. */
  readonly duplicates: number;
  readonly quarantined: number;
  /** Records of which a later pull has a newer version. */
  readonly superseded: number;
  /** Records that say that they were deleted. */
  readonly deleted: number;
  /** Values that could not be read as declared. */
  readonly issues: number;
}

/** A collection's records as canonical text, a row for each key: a column for each field and for its issue, beside the clues. */
export interface Normalized {
  readonly input: BuildInput;
  readonly table: string;
  /** Key spaces of its explicit keys, and the columns that hold them. */
  readonly clues: readonly { readonly space: string; readonly value: string }[];
  readonly counts: NormalizedCounts;
  /** How its records differ from what was agreed. */
  readonly drift: readonly DriftReport[];
}

/** The kept responses of one pull, as plain files. */
export interface Responses {
  readonly pull: string;
  readonly paths: readonly string[];
  readonly longestLineBytes: number;
  /** Of an update: the path of the records in its bodies. */
  readonly items?: string;
}

/** Where a record came from and how it fared, beside its fields. */
const origin = ["pull", "line", `"index"`, "raw", "received_at", "fate", "drift", "policy"];
/** Whether a record's fields are to be used. */
const isMapped = "policy IS NULL AND fate IS NULL";
const hasKey = `"key" IS NOT NULL AND "key issue" IS NULL`;

const leastObjectBytes = 16 * 1024 * 1024;

/** Creates the tables that normalizing fills. */
export async function prepare(bench: Workbench): Promise<void> {
  const texts = (names: readonly string[]) => names.map(name => `${name} VARCHAR`).join(", ");
  await bench.run(`CREATE TABLE quarantine (${texts(quarantinePlan.columns.map(column => column.name))})`);
  await bench.run(`CREATE TABLE issues (${texts(["source", "collection", "key", "field", "code", "raw"])})`);
}

/**
 * Turns the kept responses of one collection into canonical records, by the declaration alone. What cannot be used goes to quarantine. Throws
 * `UPSTREAM_FROZEN`.
 */
export async function normalize(
  bench: Workbench,
  input: BuildInput,
  { table, responses }: { readonly table: string; readonly responses: readonly Responses[] },
): Promise<Normalized> {
  // In one query, so that the text of no record is kept: of millions it would fill the memory.
  const { query, clues } = compileQuery(input.entry.collection, { from: `(${recordsSql(input, responses)})`, keep: origin });
  await bench.run(`CREATE TABLE ${table} AS ${query}`);
  await refuseFrozen(bench, input, table);
  const drift = await driftIn(bench, table);
  const keyless = `SELECT * FROM ${table} WHERE ${isMapped} AND NOT (${hasKey})`;
  await bench.run(`INSERT INTO quarantine ${quarantineSql(input, table, keyless)}`);
  const counts = await countsOf(bench, input, table);
  await bench.run(`DELETE FROM ${table} WHERE NOT (${isMapped} AND ${hasKey}) OR rowid IN (${outdatedSql(table)})`);
  await bench.run(`INSERT INTO issues ${issuesSql(input, table)}`);
  const issues = await bench.rows(`SELECT count(*) AS issues FROM issues WHERE ${placeSql(input)}`);
  return { input, table, clues, counts: { ...counts, issues: Number(issues[0]?.["issues"]) }, drift };
}

/**
 * Every record of the kept responses: where it stands, as JSON of exact text where it is to be mapped, its fate where it is not to be (`superseded`, `deleted`),
 * how it differs from what was agreed (`drift`, NULL for a sound one), and the policy that keeps it from being mapped, if one does.
 */
const recordsSql = ({ entry }: BuildInput, responses: readonly Responses[]): string => `
  SELECT * EXCLUDE (text), CASE WHEN ${isMapped} THEN coalesce(json_extract_string(drift, '$.record'), text)::JSON END AS record
  FROM (
    SELECT pull, line, "index", raw, received_at, record AS text, fate, CASE WHEN fate IS NULL THEN drift END AS drift,
      CASE WHEN fate IS NULL THEN json_extract_string(drift, '$.policy') END AS policy
    FROM (SELECT *, ${fateSql(entry.collection, responses.length)} AS fate FROM (${partsSql(entry, responses)}))
    WHERE gone IS NULL
  )`;

/** The records of each pull and update, the base's first, and a row with `gone` for each key that the source said it does not have. */
const partsSql = ({ id, collection: { list } }: CatalogEntry, responses: readonly Responses[]): string =>
  (responses.length === 0 ? [noResponses] : responses)
    .map((each, part) => {
      const items = each.items ?? (part === 0 ? list.items : (list.watermark?.listing?.items ?? list.items));
      const { pointer, places } = pointerSql(items);
      const isUpdate = each.items !== undefined;
      const records = `
      SELECT ${part} AS part, ${isUpdate} AS is_update, ${quoted(each.pull)} AS pull, line, "index", sha256 || '#' || ${pointer} AS raw, received_at, as_of, record, drift,
        NULL::VARCHAR AS gone FROM (
        SELECT line, sha256, received_at, as_of, unnest(range(len(records) // 2)) AS "index", unnest(records[1:-:2]) AS record, unnest(records[2:-:2]) AS drift, unnest(places) AS place
        FROM (SELECT line, sha256, "receivedAt" AS received_at, ${asOf} AS as_of, records_of(body, ${quoted(items)}, ${quoted(id)}) AS records, ${places} AS places
          FROM ${envelopesOf(each)} WHERE absent IS NULL))`;
      return !isUpdate ? records : `${records} UNION ALL ${goneRowsSql(each, part)}`;
    })
    .join(" UNION ALL ");

const goneRowsSql = (update: Responses, part: number): string => `
      SELECT ${part} AS part, true AS is_update, ${quoted(update.pull)} AS pull, line, 0 AS "index", '' AS raw, "receivedAt" AS received_at, ${asOf} AS as_of,
        NULL AS record, NULL AS drift, unnest(absent) AS gone
      FROM ${envelopesOf(update)}`;

const noResponses: Responses = { pull: "", paths: [], longestLineBytes: 0 };

/** A record's JSON pointer: its number behind the list's own, unless it stands in lists in lists, where only the body tells. */
function pointerSql(items: string): { readonly pointer: string; readonly places: string } {
  const isOneList = items.endsWith("[*]") && items.indexOf("[*]") === items.length - 3;
  if (!isOneList) return { pointer: "place", places: `pointers_of(body, ${quoted(items)})` };
  const list = pointerTo(items.slice(0, -3).split(".").filter(Boolean));
  return { pointer: `${quoted(`${list}/`)} || "index"`, places: "[]::VARCHAR[]" };
}

const columns = `{line: 'BIGINT', sha256: 'VARCHAR', "receivedAt": 'VARCHAR', body: 'VARCHAR', absent: 'VARCHAR[]', "asOf": 'VARCHAR'}`;
const noEnvelopes = `(SELECT 0::BIGINT AS line, '' AS sha256, '' AS "receivedAt", '' AS body, []::VARCHAR[] AS absent, '' AS "asOf" WHERE false)`;
const asOf = `coalesce("asOf", "receivedAt")`;

const envelopesOf = ({ paths, longestLineBytes }: Responses): string =>
  paths.length === 0
    ? noEnvelopes
    : `read_ndjson([${paths.map(quoted).join(", ")}], columns = ${columns}, compression = 'zstd', ` +
      `maximum_object_size = ${Math.max(leastObjectBytes, longestLineBytes + 1)})`;

/** The row ids of records with whose key another one was received later. */
const outdatedSql = (table: string): string => `
  SELECT row FROM (
    SELECT rowid AS row, "key", pull, line, "index" FROM ${table} SEMI JOIN (
      SELECT "key" FROM ${table} WHERE ${isMapped} AND ${hasKey} GROUP BY "key" HAVING count(*) > 1
    ) AS several USING ("key") WHERE ${isMapped} AND ${hasKey}
  ) QUALIFY row_number() OVER (PARTITION BY "key" ORDER BY pull DESC, line DESC, "index" DESC) > 1`;

const placeSql = ({ entry }: BuildInput): string =>
  `source = ${quoted(entry.source.name)} AND collection = ${quoted(entry.name)}`;

const issuesSql = ({ entry }: BuildInput, table: string): string =>
  fieldsOf(entry.collection.canonical)
    .map(([field]) => {
      const issue = named(`${field} issue`);
      return `SELECT ${quoted(entry.source.name)}, ${quoted(entry.name)}, "key", ${quoted(field)}, ${issue}, raw FROM ${table} WHERE ${issue} IS NOT NULL`;
    })
    .join(" UNION ALL ");

async function countsOf(bench: Workbench, input: BuildInput, table: string): Promise<Omit<NormalizedCounts, "issues">> {
  const [row] = await bench.rows(`SELECT
    count(*) AS records, count(*) FILTER (fate = 'superseded') AS superseded, count(*) FILTER (fate = 'deleted') AS deleted,
    (SELECT count(*) FROM (${outdatedSql(table)})) AS duplicates,
    (SELECT count(*) FROM quarantine WHERE ${placeSql(input)}) AS quarantined
    FROM ${table}`);
  return {
    records: Number(row?.["records"]),
    duplicates: Number(row?.["duplicates"]),
    quarantined: Number(row?.["quarantined"]),
    superseded: Number(row?.["superseded"]),
    deleted: Number(row?.["deleted"]),
  };
}
