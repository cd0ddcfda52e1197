import { canonical, entityNames, type EntityName, type FieldKind, fieldsOf } from "../core/canonical.ts";
import { named } from "../mapping/sql-text.ts";

/** The table that an entity's rows go to. */
export const tableNames: Readonly<Record<EntityName, string>> = {
  Customer: "customers",
  Invoice: "invoices",
  Ticket: "tickets",
  UsageDay: "usage_daily",
  ClickEvent: "click_events",
  ExchangeRate: "exchange_rates",
};

/** A column of a dataset's table. */
export interface Column {
  readonly name: string;
  readonly type: string;
  /** The canonical field that it holds, where it holds one. */
  readonly field?: string;
}

export interface TablePlan {
  readonly name: string;
  readonly columns: readonly Column[];
  /** Names of columns that no two rows have alike: the order of the rows. */
  readonly order: readonly string[];
}

/** Digits of the widest exact number that Parquet and DuckDB share; a HUGEINT would become a double in Parquet. */
export const DECIMAL_TYPE = "DECIMAL(38, 10)";
const LONG_TYPE = "DECIMAL(38, 0)";

const types: Readonly<Partial<Record<FieldKind, string>>> = {
  instant: "TIMESTAMP",
  date: "DATE",
  decimal: DECIMAL_TYPE,
  int: "INTEGER",
  long: LONG_TYPE,
  boolean: "BOOLEAN",
};

/** A canonical name as a column or table writes it. */
export const snakeCase = (name: string): string => name.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();

/** The columns of an entity's canonical fields. */
export const fieldColumns = (entity: EntityName): readonly (Column & { readonly field: string })[] =>
  fieldsOf(entity).map(([field, { kind }]) => ({ name: snakeCase(field), type: types[kind] ?? "VARCHAR", field }));

/** A column's value as the text that a canonical value is written as, decimals without trailing zeros. */
export function canonicalTextSql({ name, type }: Column): string {
  const column = named(name);
  if (type === "TIMESTAMP") return `strftime(${column}, '%Y-%m-%dT%H:%M:%S.%gZ')`;
  if (type === DECIMAL_TYPE) return `regexp_replace(CAST(${column} AS VARCHAR), '\\.?0+$', '')`;
  return `CAST(${column} AS VARCHAR)`;
}

const text = (name: string): Column => ({ name, type: "VARCHAR" });
/** When what a row tells came about, and since when it is known here: point-in-time joins need both. */
const moments: readonly Column[] = ["event_timestamp", "created_timestamp"].map(name => ({ name, type: "TIMESTAMP" }));

/** Whether an entity's records belong to customers. */
export const isOwned = (entity: EntityName): boolean => "customer" in canonical[entity];

/** The table of an entity: customers have one row for each cluster, the others one for each record. */
export function planOf(entity: EntityName): TablePlan {
  const name = tableNames[entity];
  const fields = fieldColumns(entity);
  if (entity === "Customer") {
    const own = fields.filter(({ field }) => field !== "key");
    return { name, columns: [text("id"), ...own, { name: "source_keys", type: "VARCHAR[]" }, ...moments], order: ["id"] };
  }
  const owner = isOwned(entity) ? [text("customer_id")] : [];
  const columns = [text("id"), text("source"), text("collection"), ...owner, ...fields, ...moments, text("raw")];
  return { name, columns, order: ["id"] };
}

/** The records of customers, one row each: which customer each is, and where it stands in the kept responses. */
export const identitiesPlan: TablePlan = {
  name: "identities",
  columns: [...["id", "source", "collection", "key", "customer_id"].map(text), ...moments, text("raw")],
  order: ["id"],
};

/**
 * Why records are one customer: a row for each edge between two records, as `identities.id` names them, of the tree that holds a customer together. `rule` is
 * `decision`, `key` or `likeness`; `weight` the log-odds (base 2) of likeness, in bits.
 */
export const identityEdgesPlan: TablePlan = {
  name: "identity_edges",
  columns: [...["a", "b", "rule", "evidence"].map(text), { name: "weight", type: "DECIMAL(9, 3)" }],
  order: ["a", "b"],
};

/** Values that could not be read as declared, one row for each record and field. */
export const issuesPlan: TablePlan = {
  name: "issues",
  columns: ["source", "collection", "key", "field", "code", "raw"].map(text),
  order: ["source", "collection", "key", "field"],
};

/** Records that are in no table, one row for each, and why: `kind` to `offending` are the gravest difference, `detail` names all. */
export const quarantinePlan: TablePlan = {
  name: "quarantine",
  columns: [
    "source",
    "collection",
    "key",
    "reason",
    "policy",
    "kind",
    "field",
    "expected",
    "offending",
    "detail",
    "pull",
    "raw",
  ].map(text),
  order: ["source", "collection", "raw"],
};

/** Every table of a dataset. */
export const datasetPlans: readonly TablePlan[] = [
  ...entityNames.map(planOf),
  identitiesPlan,
  identityEdgesPlan,
  issuesPlan,
  quarantinePlan,
];
