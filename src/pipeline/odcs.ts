import { canonical, type EntityName, entityNames } from "../core/canonical.ts";
import { writeDurably } from "../store/raw/durable.ts";
import type { CheckReport } from "./checks.ts";
import type { DatasetManifest } from "./dataset.ts";
import type { ColumnLineage } from "./lineage.ts";
import { type Column, tableNames, type TablePlan } from "./tables.ts";

type QualityRule = Readonly<Record<string, unknown>>;
type LogicalType = "string" | "date" | "timestamp" | "number" | "integer" | "boolean" | "array";

interface Property {
  readonly name: string;
  readonly physicalType: string;
  readonly logicalType: LogicalType;
  readonly description?: string;
  readonly required?: true;
  readonly unique?: true;
  readonly primaryKey?: true;
  readonly primaryKeyPosition?: number;
  readonly items?: { readonly logicalType: LogicalType };
  readonly classification?: "restricted";
  readonly transformSourceObjects?: readonly string[];
  readonly transformLogic?: string;
  readonly quality?: readonly QualityRule[];
}

/** A table's contract. @see https://bitol-io.github.io/open-data-contract-standard/v3.1.0/ */
export interface DataContract {
  readonly apiVersion: "v3.1.0";
  readonly kind: "DataContract";
  readonly id: string;
  readonly name: string;
  /** The dataset's. */
  readonly version: string;
  readonly status: "active";
  readonly servers: readonly object[];
  readonly schema: readonly {
    readonly name: string;
    readonly physicalName: string;
    readonly physicalType: "table";
    readonly logicalType: "object";
    readonly properties: readonly Property[];
    readonly quality?: readonly QualityRule[];
  }[];
}

/** Columns that the build fills in every row. */
const always = new Set([
  "id",
  "source",
  "collection",
  "key",
  "raw",
  "event_timestamp",
  "created_timestamp",
  "source_keys",
  "a",
  "b",
  "rule",
  "code",
  "reason",
]);
/** Fields whose values tell who somebody is. */
const personal = new Set(["name", "email", "phone"]);
const mustBeNone = { type: "library", mustBe: 0, unit: "rows" } as const;

/** Writes a contract for every table of a dataset into its folder: `<table>.odcs.json`. */
export async function writeContracts(folder: string, manifest: DatasetManifest, plans: readonly TablePlan[]): Promise<void> {
  for (const plan of plans)
    await writeDurably(`${folder}/${plan.name}.odcs.json`, `${JSON.stringify(contractOf(manifest, plan), null, 2)}\n`);
}

/** The contract of one table: a function of the dataset's manifest alone. */
export function contractOf(manifest: DatasetManifest, plan: TablePlan): DataContract {
  const { name } = plan;
  const lineage = new Map(manifest.lineage.filter(({ table }) => table === name).map(each => [each.column, each]));
  const properties = plan.columns.map(column => propertyOf(plan, column, lineage.get(column.name)));
  const quality = manifest.checks.filter(({ table }) => table === name).flatMap(checkRule);
  return {
    apiVersion: "v3.1.0",
    kind: "DataContract",
    id: `urn:tributary:table:${name}`,
    name,
    version: manifest.version,
    status: "active",
    servers: [{ server: "dataset", type: "local", path: `./${name}.parquet`, format: "parquet" }],
    schema: [
      {
        name,
        physicalName: name,
        physicalType: "table",
        logicalType: "object",
        properties,
        ...(quality.length > 0 && { quality }),
      },
    ],
  };
}

const dimensions: Readonly<Record<CheckReport["kind"], string>> = {
  unique: "uniqueness",
  required: "completeness",
  range: "conformity",
  order: "consistency",
  referential: "consistency",
  freshness: "timeliness",
};

/** Rows that fail a check of severity `quarantine` are not in the table: none may. */
function checkRule({ check, kind, severity, expected, query }: CheckReport): readonly QualityRule[] {
  if (query === null) return [];
  const level = severity === "warn" ? "warning" : "error";
  return [{ name: check, description: expected, dimension: dimensions[kind], type: "sql", query, mustBe: 0, severity: level }];
}

function propertyOf(
  { name: table, order }: TablePlan,
  { name, type, field }: Column,
  lineage: ColumnLineage | undefined,
): Property {
  const entity = entityNames.find(each => tableNames[each] === table);
  const isKey = order.length === 1 && order[0] === name;
  const isPersonal = entity === "Customer" && field !== undefined && personal.has(field);
  const quality = qualityOf(entity, field, { isKey, isRequired: always.has(name) });
  return {
    name,
    physicalType: type,
    logicalType: logicalTypeOf(type),
    ...(type.endsWith("[]") && { items: { logicalType: logicalTypeOf(type.slice(0, -2)) } }),
    ...(lineage?.made && { description: lineage.made }),
    ...(always.has(name) && { required: true }),
    ...(isKey && { unique: true, primaryKey: true, primaryKeyPosition: 1 }),
    ...(isPersonal && { classification: "restricted" }),
    ...transformOf(lineage),
    ...(quality.length > 0 && { quality }),
  };
}

function logicalTypeOf(type: string): LogicalType {
  if (type.endsWith("[]")) return "array";
  if (type.startsWith("DECIMAL")) return type.endsWith(", 0)") ? "integer" : "number";
  const known: Readonly<Record<string, LogicalType>> = {
    TIMESTAMP: "timestamp",
    DATE: "date",
    INTEGER: "integer",
    BOOLEAN: "boolean",
  };
  return known[type] ?? "string";
}

function transformOf(lineage: ColumnLineage | undefined): Pick<Property, "transformSourceObjects" | "transformLogic"> {
  const read = lineage?.sources.filter(({ inputs }) => inputs.length > 0) ?? [];
  if (read.length === 0) return {};
  const logic = read.map(({ source, collection, rule, inputs, unit }) => {
    const measured = unit === null ? "" : ` in ${unit}`;
    return `${source}.${collection}: ${rule}(${inputs.join(", ")})${measured}`;
  });
  return {
    transformSourceObjects: [...new Set(read.map(({ source, collection }) => `${source}.${collection}`))],
    transformLogic: logic.join("; "),
  };
}

function qualityOf(
  entity: EntityName | undefined,
  field: string | undefined,
  { isKey, isRequired }: { readonly isKey: boolean; readonly isRequired: boolean },
): readonly QualityRule[] {
  const values = entity === undefined || field === undefined ? undefined : valuesOf(entity, field);
  return [
    ...(isRequired ? [{ ...mustBeNone, metric: "nullValues" }] : []),
    ...(isKey ? [{ ...mustBeNone, metric: "duplicateValues" }] : []),
    ...(values ? [{ ...mustBeNone, metric: "invalidValues", arguments: { validValues: values } }] : []),
  ];
}

function valuesOf(entity: EntityName, field: string): readonly string[] | undefined {
  const fields: Readonly<Record<string, { readonly values?: readonly string[] }>> = canonical[entity];
  return fields[field]?.values;
}
