import { cleanSql, jsonPath } from "../mapping/input-sql.ts";
import { namesOf } from "../mapping/path-names.ts";
import { quoted } from "../mapping/sql-text.ts";
import type { Collection, Tombstone } from "../source/collection.ts";
import type { Watermark } from "../source/increment.ts";

const at = (path: string): string => quoted(jsonPath(namesOf(path)));
const textAt = (path: string): string => `json_extract_string(record, ${at(path)})`;

/**
 * Why a record of several pulls is not to be mapped, as SQL: `superseded` when a later pull has a newer version of it, `deleted` when it says so, else NULL.
 * The newest version is the one with the latest instant in the watermark's field; of equal ones that of the later pull. Versions within one pull are left
 * to be told apart when they are mapped.
 */
export function fateSql(collection: Collection, pulls: number): string {
  const { tombstone, list } = collection;
  const superseded = pulls < 2 || list.watermark === undefined ? [] : [supersededSql(collection, list.watermark)];
  const deleted = tombstone === undefined ? [] : [`WHEN ${deletedSql(tombstone)} THEN 'deleted'`];
  const cases = [...superseded, ...deleted];
  return cases.length === 0 ? "NULL::VARCHAR" : `CASE ${cases.join(" ")} END`;
}

function supersededSql(collection: Collection, watermark: Watermark): string {
  const key = keySql(collection);
  const newestFirst = `${versionSql(watermark)} DESC NULLS LAST, part DESC, line DESC, "index" DESC`;
  return `WHEN ${key} IS NOT NULL AND part <> first_value(part) OVER (PARTITION BY ${key} ORDER BY ${newestFirst}) THEN 'superseded'`;
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
