import { canonical, type EntityName, entityNames } from "../core/canonical.ts";
import type { Check, CheckRule, Checks, CheckSeverity } from "../core/checks.ts";
import { ContractError } from "../core/errors.ts";
import type { Workbench } from "../mapping/bench.ts";
import { named, quoted } from "../mapping/sql-text.ts";
import { knownAtOf } from "./inputs.ts";
import type { Normalized } from "./normalize.ts";
import { snakeCase, tableNames } from "./tables.ts";

/** How one check went. */
export interface CheckReport {
  readonly table: string;
  readonly check: string;
  readonly kind: CheckRule["kind"];
  readonly severity: CheckSeverity;
  /** Columns that it looks at. */
  readonly columns: readonly string[];
  /** What it demands, in words. */
  readonly expected: string;
  /** Counts the rows of `{object}`, the table, that fail; null of what is not said of rows. */
  readonly query: string | null;
  /** Rows that were looked at; of freshness 1, or 0 when there is no value. */
  readonly rows: number;
  readonly failed: number;
  /** `<source>.<collection>` of the rows that fail; of customers' rows, which are of several, nothing. */
  readonly failedIn: readonly string[];
}

const DEFAULT_MAX_SHARE = 0.05;
/** So few are never too many. */
const FEW = 10;
const DAY_MS = 86_400_000;

/**
 * Checks the staged tables, in the order of their entities, and moves the rows that fail a check of severity `quarantine` into the staged `quarantine`.
 * All checks of a table look at the rows as they were joined. Throws `BUILD_CHECK` when more rows fail than a check allows.
 */
export async function runChecks(
  bench: Workbench,
  normalized: readonly Normalized[],
  checks: Checks,
): Promise<readonly CheckReport[]> {
  const reports: CheckReport[] = [];
  for (const entity of entityNames) {
    const own = normalized.filter(({ input }) => input.entry.collection.canonical === entity);
    if (own.length === 0) continue;
    const { rows } = checks[entity];
    const outcomes = [...(await checkRows(bench, entity, rows)), ...(await checkFreshness(bench, entity, rows, own))];
    reports.push(...outcomes.map(({ check, ...counts }) => reportOf(entity, check, counts)));
    refuseFailing(entity, outcomes);
    const failing = outcomes.filter(({ check, failed }) => check.severity === "quarantine" && failed > 0);
    if (failing.length > 0)
      await quarantineFailing(
        bench,
        entity,
        failing.map(({ check }) => check),
        own,
      );
  }
  return reports;
}

interface Outcome {
  readonly check: Check;
  readonly rows: number;
  readonly failed: number;
  readonly failedIn: readonly string[];
}

/** Evaluates all checks of rows in one pass over the table. */
async function checkRows(bench: Workbench, entity: EntityName, checks: readonly Check[]): Promise<readonly Outcome[]> {
  const table = tableNames[entity];
  const asked = checks.flatMap(check => {
    const fails = failsSql(entity, check, table);
    return fails === null ? [] : [{ check, fails }];
  });
  if (asked.length === 0) return [];
  const counts = asked.map(({ fails }, index) => `count(*) FILTER (WHERE ${fails}) AS ${named(`failed ${index}`)}`);
  const place = entity === "Customer" ? "NULL" : "source || '.' || collection";
  const rows = await bench.rows(
    `SELECT ${place} AS place, count(*) AS rows, ${counts.join(", ")} FROM ${table} GROUP BY place ORDER BY place`,
  );
  const total = rows.reduce((sum, row) => sum + Number(row["rows"]), 0);
  return asked.map(({ check }, index) => {
    const failing = rows.map(row => ({ place: row["place"] ?? null, failed: Number(row[`failed ${index}`]) }));
    const failed = failing.reduce((sum, each) => sum + each.failed, 0);
    const failedIn = failing.flatMap(each => (each.failed > 0 && each.place !== null ? [each.place] : []));
    return { check, rows: total, failed, failedIn };
  });
}

/** Measured from the end of the pull, so that a dataset made again says the same. */
async function checkFreshness(
  bench: Workbench,
  entity: EntityName,
  checks: readonly Check[],
  own: readonly Normalized[],
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const knownAtMs = Date.parse(knownAtOf(own.map(({ input }) => input)));
  for (const check of checks) {
    if (check.kind !== "freshness") continue;
    const [row] = await bench.rows(`SELECT max(${columnOf(check.field)}) AS newest FROM ${tableNames[entity]}`);
    const newest = row?.["newest"] ?? null;
    const isOld = newest !== null && Date.parse(newest) < knownAtMs - check.maxDays * DAY_MS;
    outcomes.push({ check, rows: newest === null ? 0 : 1, failed: isOld ? 1 : 0, failedIn: [] });
  }
  return outcomes;
}

const columnOf = (field: string): string => named(snakeCase(field));

/** Whether a row fails, as SQL that holds of staged text and of typed columns alike: canonical instants and dates are in the order of their texts. */
function failsSql(entity: EntityName, check: CheckRule, table: string): string | null {
  switch (check.kind) {
    case "unique":
      return repeatedSql(entity, check.fields, table);
    case "required":
      return `${columnOf(check.field)} IS NULL`;
    case "range":
      return outsideSql(check);
    case "order":
      return `coalesce(${columnOf(check.later)} < ${columnOf(check.earlier)}, false)`;
    case "referential":
      return `(customer_id IS NULL OR customer_id NOT IN (SELECT id FROM ${tableNames.Customer}))`;
    case "freshness":
      return null;
  }
}

function repeatedSql(entity: EntityName, fields: readonly string[], table: string): string {
  const scope = entity === "Customer" ? [] : ["source", "collection"];
  const columns = fields.map(columnOf);
  const row = `{${[...scope, ...columns].map((column, index) => `c${index}: ${column}`).join(", ")}}`;
  const isThere = columns.map(column => `${column} IS NOT NULL`).join(" AND ");
  return `(${isThere} AND ${row} IN (SELECT ${row} FROM ${table} WHERE ${isThere} GROUP BY 1 HAVING count(*) > 1))`;
}

/** Rounding keeps numbers in their order, and a cast to a wide decimal would cost many times as much. */
function outsideSql({ field, least, most, above }: Extract<CheckRule, { kind: "range" }>): string {
  const value = `TRY_CAST(${columnOf(field)} AS DOUBLE)`;
  const bounds = [
    ...(least === undefined ? [] : [`${value} < ${least}`]),
    ...(above === undefined ? [] : [`${value} <= ${above}`]),
    ...(most === undefined ? [] : [`${value} > ${most}`]),
  ];
  return `coalesce(${bounds.join(" OR ") || "false"}, false)`;
}

/** What a check demands, in words. */
function expectedOf(check: CheckRule): string {
  switch (check.kind) {
    case "unique":
      return `${check.fields.map(snakeCase).join(" and ")} not twice`;
    case "required":
      return `${snakeCase(check.field)} is there`;
    case "range":
      return `${snakeCase(check.field)} ${boundsOf(check)}`;
    case "order":
      return `${snakeCase(check.later)} not before ${snakeCase(check.earlier)}`;
    case "referential":
      return "its customer is in the dataset";
    case "freshness":
      return `newest ${snakeCase(check.field)} at most ${check.maxDays} days before the end of the pull`;
  }
}

const boundsOf = ({ least, most, above }: Extract<CheckRule, { kind: "range" }>): string =>
  [
    ...(least === undefined ? [] : [`at least ${least}`]),
    ...(above === undefined ? [] : [`above ${above}`]),
    ...(most === undefined ? [] : [`at most ${most}`]),
  ].join(" and ");

function fieldsOf(check: CheckRule): readonly string[] {
  switch (check.kind) {
    case "unique":
      return check.fields;
    case "order":
      return [check.later, check.earlier];
    case "referential":
      return ["customerId"];
    case "required":
    case "range":
    case "freshness":
      return [check.field];
  }
}

function reportOf(entity: EntityName, check: Check, counts: Omit<Outcome, "check">): CheckReport {
  const { name, kind, severity } = check;
  const fails = failsSql(entity, check, "{object}");
  return {
    table: tableNames[entity],
    check: name,
    kind,
    severity,
    columns: fieldsOf(check).map(snakeCase),
    expected: expectedOf(check),
    query: fails && `SELECT count(*) FROM {object} WHERE ${fails}`,
    ...counts,
  };
}

function mostFailing({ severity, maxShare }: Check, rows: number): number {
  if (maxShare !== undefined) return maxShare * rows;
  return severity === "warn" ? Number.POSITIVE_INFINITY : Math.max(FEW, DEFAULT_MAX_SHARE * rows);
}

function refuseFailing(entity: EntityName, outcomes: readonly Outcome[]): void {
  const tooMany = outcomes.filter(({ check, rows, failed }) => failed > mostFailing(check, rows));
  if (tooMany.length === 0) return;
  const said = tooMany.map(({ check, rows, failed, failedIn }) => {
    const where = failedIn.length === 0 ? "" : `, all in ${failedIn.join(", ")}`;
    const allowed = `at most ${Math.floor(mostFailing(check, rows))} may`;
    return `${tableNames[entity]}.${check.name} (${expectedOf(check)}): ${failed} of ${rows} rows fail, ${allowed}${where}`;
  });
  throw new ContractError("BUILD_CHECK", said.join("; "), {
    details: {
      table: tableNames[entity],
      checks: tooMany.map(({ check, rows, failed }) => ({ check: check.name, rows, failed })),
    },
  });
}

/** Moves failing rows into `quarantine`, a row for each record that they were made of. */
async function quarantineFailing(
  bench: Workbench,
  entity: EntityName,
  checks: readonly Check[],
  own: readonly Normalized[],
): Promise<void> {
  const table = tableNames[entity];
  await bench.run(`CREATE TABLE failing AS ${failingSql(entity, checks)}`);
  for (const { input, table: records } of own) {
    const { id, source, name } = input.entry;
    const members = entity === "Customer";
    const of = members ? `JOIN member ON member.customer_id = failing.id AND member.collection = ${quoted(id)}` : "";
    const key = members ? `record."key" = member.key` : `failing.id = ${quoted(`${id}:`)} || record."key"`;
    await bench.run(`INSERT INTO quarantine
      SELECT ${quoted(source.name)}, ${quoted(name)}, record."key", 'CHECK', 'quarantine', failing."check", failing.field, failing.expected,
        failing.offending, failing.detail, record.pull, record.raw FROM failing ${of} JOIN ${records} AS record ON ${key}`);
  }
  await bench.run(`DELETE FROM ${table} WHERE id IN (SELECT id FROM failing)`);
  await bench.run(`DROP TABLE failing`);
}

/** The rows that fail, each with the first check that it fails and the words of all. */
function failingSql(entity: EntityName, checks: readonly Check[]): string {
  const table = tableNames[entity];
  const all = checks.map(check => ({ check, fails: failsSql(entity, check, table) ?? "false" }));
  const first = (value: (check: Check) => string) =>
    `CASE ${all.map(({ check, fails }) => `WHEN ${fails} THEN ${value(check)}`).join(" ")} END`;
  const words = all.map(({ check, fails }) => `CASE WHEN ${fails} THEN ${quoted(`${check.name}: ${expectedOf(check)}`)} END`);
  return `
    SELECT id, ${first(({ name }) => quoted(name))} AS "check", ${first(check => quoted(fieldsOf(check).join(", ")))} AS field,
      ${first(check => quoted(expectedOf(check)))} AS expected, ${first(check => offendingSql(entity, check))} AS offending,
      concat_ws('; ', ${words.join(", ")}) AS detail
    FROM ${table} WHERE ${all.map(({ fails }) => fails).join(" OR ")}`;
}

/** Kinds of values that tell nothing of a person. */
const shown = new Set(["decimal", "int", "long", "instant", "date", "enum", "boolean", "currency"]);

function offendingSql(entity: EntityName, check: Check): string {
  const kinds: Readonly<Record<string, { readonly kind: string }>> = canonical[entity];
  const values = fieldsOf(check).filter(field => shown.has(kinds[field]?.kind ?? ""));
  return values.length === 0 ? "NULL::VARCHAR" : `concat_ws(', ', ${values.map(columnOf).join(", ")})`;
}
