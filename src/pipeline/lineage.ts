import { createHash } from "node:crypto";
import { entityNames, type EntityName } from "../core/canonical.ts";
import { survivorshipOrder, survivorshipRank } from "../identity/survivorship.ts";
import { lineageOf } from "../mapping/lineage.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import { features, fieldsOfCondition } from "./features/definitions.ts";
import { featuresPlan, madeOfFeatures } from "./features/plan.ts";
import { type Column, identitiesPlan, planOf, type TablePlan } from "./tables.ts";

/** One collection that a column's values may come from. */
export interface ColumnSource {
  readonly source: string;
  readonly collection: string;
  /** Declared survivorship: lowest wins. Null where a row is one record, and nothing has to win. */
  readonly rank: number | null;
  /** Dotted paths into the source's record. */
  readonly inputs: readonly string[];
  readonly rule: string;
  /** What the inputs are measured in. */
  readonly unit: string | null;
  /** Stands for the rule with all that it holds; another one reads values otherwise. */
  readonly version: string;
}

/** Where a column of a dataset's table comes from. */
export interface ColumnLineage {
  readonly table: string;
  readonly column: string;
  /** DuckDB's name of its type. */
  readonly type: string;
  /** The canonical field that it holds; null for a column that the build makes. */
  readonly field: string | null;
  /** What the column is, for one that the build makes. */
  readonly made: string | null;
  /** Best ranked first. */
  readonly sources: readonly ColumnSource[];
}

const madeOf: Readonly<Record<string, string>> = {
  id: "<source>.<collection>:<key> of the record",
  source: "the record's source",
  collection: "the record's collection",
  key: "the record's key",
  customer_id: "the canonical id of the customer that the record belongs to",
  source_keys: "every record that is this customer, <source>.<collection>:<key>",
  event_timestamp: "when what the row tells came about, as far as its fields say; else when it was read",
  created_timestamp: "when the newest response that the row was taken from was received",
  raw: "SHA-256 of the response's body, # and the JSON pointer to the record",
};
const customerId = "cst_ and the first 20 digits of the SHA-256 of the id of the customer's smallest record";

/** The lineage of every column that the declarations decide, read off them. */
export const datasetLineage = (catalog: Catalog): readonly ColumnLineage[] => [
  ...entityNames.flatMap(entity => planOf(entity).columns.map(columnOf(catalog, entity, planOf(entity)))),
  ...identitiesPlan.columns.map(columnOf(catalog, "Customer", identitiesPlan)),
  ...featuresPlan.columns.map(column => featureLineage(catalog, column)),
];

/** A feature comes from every field that decides it; status and country are the customer's. */
function featureLineage(catalog: Catalog, { name: column, type }: Column): ColumnLineage {
  const { name: table } = featuresPlan;
  const feature = features.find(({ name }) => name === column);
  if (feature === undefined) {
    const field = column === "status" || column === "country" ? column : null;
    const sources = field === null ? [] : sourcesOf(catalog, "Customer", field);
    return { table, column, type, field, made: madeOfFeatures[column] ?? null, sources };
  }
  const { entity, condition, value, meaning } = feature;
  const amount = value === "amount" ? ["amount", "currency"] : [value ?? ""];
  const fields = new Set([...fieldsOfCondition[condition], ...amount].filter(field => field !== ""));
  return {
    table,
    column,
    type,
    field: null,
    made: meaning,
    sources: [...fields].flatMap(field => sourcesOf(catalog, entity, field)),
  };
}

const columnOf =
  (catalog: Catalog, entity: EntityName, { name: table }: TablePlan) =>
  ({ name: column, type, field }: Column): ColumnLineage => {
    if (field !== undefined) return { table, column, type, field, made: null, sources: sourcesOf(catalog, entity, field) };
    const made = table === planOf("Customer").name && column === "id" ? customerId : (madeOf[column] ?? null);
    return { table, column, type, field: null, made, sources: [] };
  };

function sourcesOf(catalog: Catalog, entity: EntityName, field: string): readonly ColumnSource[] {
  if (entity === "Customer")
    return survivorshipOrder(catalog, field).map(entry => columnSource(entry, field, survivorshipRank(entry, field)));
  return catalog.of(entity).map(entry => columnSource(entry, field, null));
}

function columnSource({ source, name, collection }: CatalogEntry, field: string, rank: number | null): ColumnSource {
  const found = lineageOf(collection).find(each => each.field === field);
  const version = createHash("sha256").update(JSON.stringify(collection.map[field])).digest("hex").slice(0, 12);
  const { sourceFields = [], rule = "", unit = null } = found ?? {};
  return { source: source.name, collection: name, rank, inputs: sourceFields, rule, unit, version };
}
