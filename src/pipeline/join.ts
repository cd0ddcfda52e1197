import { type EntityName, eventFields, fieldsOf } from "../core/canonical.ts";
import { survivorshipOrder } from "../identity/survivorship.ts";
import { named, quoted } from "../mapping/sql-text.ts";
import type { Catalog } from "../source/catalog.ts";
import type { Normalized } from "./normalize.ts";
import { fieldColumns, identitiesPlan, isOwned, planOf, type TablePlan } from "./tables.ts";
import type { Join, MatchCounts } from "./join-report.ts";
import type { Workbench } from "../mapping/bench.ts";

/**
 * Joins the customers' records into one row for each cluster. A field comes from the record that survives: of the best ranked collection the
 * first record that has a value or a value that cannot be read. The latter leaves the field null, as the live path does: a source's broken
 * value is not covered up by the next source's.
 */
export const customersSql = (catalog: Catalog, customers: readonly Normalized[]): string => {
  if (customers.length === 0) return emptySql(planOf("Customer"));
  const fields = fieldColumns("Customer").filter(({ field }) => field !== "key");
  const survivors = fields.map(({ field, name }) => `${survivorSql(catalog, field)} AS ${named(name)}`);
  const records = customers.map(
    ({ input, table }) => `
      SELECT member.customer_id, member.collection, member.position, record.* EXCLUDE (line, "index", raw)
      FROM ${table} AS record JOIN member ON member.collection = ${quoted(input.entry.id)} AND member.key = record."key"`,
  );
  return `
    SELECT customer_id AS id, ${survivors.join(", ")},
      list(collection || ':' || "key" ORDER BY position) AS source_keys, max(received_at) AS event_timestamp, max(received_at) AS created_timestamp
    FROM (${records.join(" UNION ALL BY NAME ")}) GROUP BY customer_id`;
};

function survivorSql(catalog: Catalog, field: string): string {
  const order = survivorshipOrder(catalog, field).map(({ id }) => quoted(id));
  if (order.length === 0) return "NULL::VARCHAR";
  const rank = `list_position([${order.join(", ")}], collection)`;
  const [value, issue] = [named(field), named(`${field} issue`)];
  const isAccepted = `${rank} IS NOT NULL AND (${value} IS NOT NULL OR ${issue} = 'INVALID_VALUE')`;
  return `first(${value} ORDER BY ${rank}, position) FILTER (${isAccepted})`;
}

/**
 * Records of one entity; those that belong to customers each with the canonical id of its customer. In an outer join a record whose owner is unknown
 * stays, without; in an inner join it goes.
 */
export const ownedSql = (entity: EntityName, collections: readonly Normalized[], join: Join["kind"]): string =>
  collections.length === 0
    ? emptySql(planOf(entity))
    : collections.map(each => ownedRecordsSql(entity, each, join)).join(" UNION ALL BY NAME ");

function ownedRecordsSql(entity: EntityName, { input: { entry }, table }: Normalized, join: Join["kind"]): string {
  const fields = fieldColumns(entity).map(({ field, name }) => `record.${named(field)} AS ${named(name)}`);
  const owner = isOwned(entity)
    ? {
        column: "member.customer_id, ",
        join: `${join === "outer" ? "LEFT" : "INNER"} JOIN member ON member.collection = ${quoted(ownerOf(entry))} AND member.key = record.customer`,
      }
    : { column: "", join: "" };
  return `
    SELECT ${quoted(`${entry.id}:`)} || record."key" AS id, ${quoted(entry.source.name)} AS source, ${quoted(entry.name)} AS collection,
      ${owner.column}${fields.join(", ")}, ${eventSql(entity)} AS event_timestamp, record.received_at AS created_timestamp, record.raw
    FROM ${table} AS record ${owner.join}`;
}

/** When what a record tells came about, as canonical text: never after it was read, which counts where no field says it. */
function eventSql(entity: EntityName): string {
  const kinds = new Map(fieldsOf(entity).map(([field, { kind }]) => [field, kind]));
  const moments = (eventFields[entity] ?? []).map(field => {
    const column = `record.${named(field)}`;
    const nextDay = `strftime(TRY_CAST(${column} AS DATE) + INTERVAL 1 DAY, '%Y-%m-%dT00:00:00.000Z')`;
    return kinds.get(field) === "date" ? nextDay : column;
  });
  const latest = moments.length === 0 ? "NULL" : `greatest(${moments.join(", ")})`;
  return `least(${latest}, record.received_at)`;
}

const ownerOf = ({ source, collection }: Normalized["input"]["entry"]): string => `${source.name}.${collection.owner ?? ""}`;

/** The rows of `identities`. */
export const identitiesSql = (customers: readonly Normalized[]): string =>
  customers.length === 0
    ? emptySql(identitiesPlan)
    : customers
        .map(
          ({ input: { entry }, table }) => `
  SELECT ${quoted(`${entry.id}:`)} || record."key" AS id, ${quoted(entry.source.name)} AS source, ${quoted(entry.name)} AS collection, record."key" AS key,
    member.customer_id, record.received_at AS event_timestamp, record.received_at AS created_timestamp, record.raw
  FROM ${table} AS record JOIN member ON member.collection = ${quoted(entry.id)} AND member.key = record."key"`,
        )
        .join(" UNION ALL ");

const emptySql = ({ columns }: TablePlan): string =>
  `SELECT ${columns.map(({ name }) => `NULL::VARCHAR AS ${named(name)}`).join(", ")} WHERE false`;

/** Counts the records of a collection whose owner was found, in the joined table of their entity; where there is no owner, none is missing. */
export async function ownersFound(
  bench: Workbench,
  table: string,
  { input: { entry }, table: records }: Normalized,
): Promise<MatchCounts> {
  if (!isOwned(entry.collection.canonical)) return { matched: 0, unmatched: 0, multiplyMatched: 0 };
  const [row] = await bench.rows(`
    SELECT (SELECT count(*) FROM ${records}) AS records, count(customer_id) AS matched FROM ${table}
    WHERE source = ${quoted(entry.source.name)} AND collection = ${quoted(entry.name)}`);
  const matched = Number(row?.["matched"]);
  return { matched, unmatched: Number(row?.["records"]) - matched, multiplyMatched: 0 };
}
