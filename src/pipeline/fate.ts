import { cleanSql, jsonPath } from "../mapping/input-sql.ts";
import { namesOf } from "../mapping/path-names.ts";
import { quoted } from "../mapping/sql-text.ts";
import type { Collection, Tombstone } from "../source/collection.ts";
import type { Watermark } from "../source/increment.ts";

const at = (path: string): string => quoted(jsonPath(namesOf(path)));
const textAt = (path: string): string => `json_extract_string(record, ${at(path)})`;

/**
 * Why a record of several pulls and updates is not to be mapped, as SQL: `superseded` when a later one has a newer version of it, `deleted` when it says so or
 * when the source said later that it has no such record (a row with `gone`, its key), else NULL. The newest version is the one with the latest instant in the
 * watermark's field; of equal ones, and without a watermark, the one that holds from the latest moment on (`as_of`). Versions within one pull are left to be told apart when they are mapped;
 * those within one update are not: they may have come in any order.
 */
export function fateSql(collection: Collection, pulls: number): string {
  const { tombstone } = collection;
  const several = pulls < 2 ? [] : [goneSql(collection), supersededSql(collection)];
  const deleted = tombstone === undefined ? [] : [`WHEN ${deletedSql(tombstone)} THEN 'deleted'`];
  const cases = [...several, ...deleted];
  return cases.length === 0 ? "NULL::VARCHAR" : `CASE ${cases.join(" ")} END`;
}

function supersededSql(collection: Collection): string {
  const { watermark } = collection.list;
  const key = keySql(collection);
  const version = watermark === undefined ? "" : `${versionSql(watermark)} DESC NULLS LAST, `;
  const newestFirst = `gone IS NULL DESC, ${version}as_of DESC, part DESC, line DESC, "index" DESC`;
  const isNewest = (column: string) => `${column} = first_value(${column}) OVER (PARTITION BY ${key} ORDER BY ${newestFirst})`;
  return `WHEN ${key} IS NOT NULL AND NOT (${isNewest("part")} AND (NOT is_update OR ${isNewest("line")})) THEN 'superseded'`;
}

function goneSql(collection: Collection): string {
  const of = `OVER (PARTITION BY coalesce(gone, ${keySql(collection)}))`;
  return `WHEN max(as_of) FILTER (gone IS NOT NULL) ${of} >= max(as_of) FILTER (gone IS NULL) ${of} THEN 'deleted'`;
}

/** The plain text of a record's key, without mapping it; NULL when there is none. */
function keySql({ map }: Collection): string {
  const rule = map["key"];
  const inputs = (rule?.inputs ?? []).map(path => cleanSql(textAt(path)));
  if (rule?.rule !== "joined") return inputs[0] ?? "NULL";
  return `(${inputs.join(` || ${quoted(rule.separator ?? "")} || `)})`;
}

function versionSql({ field, format, fieldFormat = format }: Watermark): string {
  const text = textAt(field);
  const isNumber = fieldFormat === "epoch-seconds" || fieldFormat === "epoch-ms";
  return isNumber ? `TRY_CAST(${text} AS DOUBLE)` : `TRY_CAST(${text} AS TIMESTAMPTZ)`;
}

function deletedSql({ path, equals }: Tombstone): string {
  const type = typeof equals === "boolean" ? "BOOLEAN" : "VARCHAR";
  return `json_type(record, ${at(path)}) = '${type}' AND ${textAt(path)} = ${quoted(String(equals))}`;
}
