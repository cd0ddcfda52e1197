import { named, quoted } from "../../mapping/sql-text.ts";
import { snakeCase } from "../tables.ts";
import { type Condition, type Feature, type FeatureEntity, features } from "./definitions.ts";

/** What features are computed at. */
export interface FeatureMoment {
  /** RFC 3339, UTC: what happened later is not seen. */
  readonly asOf: string;
  /** RFC 3339, UTC: when the newest response was received from which the rows are taken. */
  readonly knownAt: string;
  /** ISO 4217: the currency of all amounts. */
  readonly currency: string;
  /** The first day, `YYYY-MM-DD`, from which on each entity's records are known: null where all are, undefined where none are. */
  readonly knownFrom: Readonly<Record<FeatureEntity, string | null | undefined>>;
}

/** Rates are published against this currency, and two of them make any other. */
const PIVOT = "EUR";
/** Over weekends and holidays there are no rates; further back they would be another time's. The live graph converts by the same rule. */
const MAX_DAYS_BACK = 7;

/** The rows of `customer_features` at one moment, as texts: a row for each customer, from the staged tables of a build. */
export function featuresSql(moment: FeatureMoment): string {
  const at = `TIMESTAMP ${quoted(moment.asOf.replace("T", " ").replace("Z", ""))}`;
  const columns = features.map(feature => `${valueSql(feature, moment)} AS ${named(feature.name)}`);
  return `
    WITH ${ratesSql(moment)}, ${invoicesSql(moment)},
      invoice_features AS (${groupSql("Invoice", "invoice_facts", at)}),
      ticket_features AS (${groupSql("Ticket", "(SELECT *, TRY_CAST(created_at AS TIMESTAMP) AS at_created FROM tickets)", at)}),
      usage_features AS (${groupSql("UsageDay", "usage_daily", at)}),
      computed AS (
        SELECT customers.id AS customer_id, customers.status, customers.country, TRY_CAST(customers.created_at AS TIMESTAMP) AS since, ${columns.join(", ")}
        FROM customers LEFT JOIN invoice_features AS invoice ON invoice.customer_id = customers.id
          LEFT JOIN ticket_features AS ticket ON ticket.customer_id = customers.id
          LEFT JOIN usage_features AS usage ON usage.customer_id = customers.id)
    SELECT customer_id, ${quoted(moment.asOf)} AS event_timestamp, ${quoted(moment.knownAt)} AS created_timestamp, ${quoted(moment.currency)} AS currency,
      status, country, CASE WHEN since <= ${at} THEN date_sub('day', since, ${at}) END AS tenure_days,
      greatest(last_payment_at, last_ticket_at, CAST(last_used_on AS TIMESTAMP)) AS last_seen_at, ${features.map(({ name }) => named(name)).join(", ")}
    FROM computed`;
}

/** By what name the rows of an entity are known to `computed`. */
const groups: Readonly<Record<FeatureEntity, string>> = { Invoice: "invoice", Ticket: "ticket", UsageDay: "usage" };

/** A customer without records has none, if all are known; what cannot be known is null. */
function valueSql(feature: Feature, { asOf, knownFrom }: FeatureMoment): string {
  const from = knownFrom[feature.entity];
  const startsTooLate = from !== null && feature.days !== null && from !== undefined && from > firstDay(asOf, feature.days);
  if (from === undefined || startsTooLate) return "NULL";
  const value = `${groups[feature.entity]}.${named(feature.name)}`;
  if (feature.aggregate === "first" || feature.aggregate === "last") return value;
  if (feature.value !== "amount") return `coalesce(${value}, 0)`;
  return `CASE WHEN coalesce(${groups[feature.entity]}.${named(`${feature.name} unknown`)}, 0) = 0 THEN coalesce(${value}, 0) END`;
}

const DAY_MS = 86_400_000;
const firstDay = (asOf: string, days: number): string =>
  new Date(Date.parse(asOf) - (days - 1) * DAY_MS).toISOString().slice(0, 10);

/** What one unit of each currency is worth in the common one, day by day: only days that have both rates. */
const ratesSql = ({ currency }: FeatureMoment): string => `
  legs AS (
    SELECT quote AS code, TRY_CAST(day AS DATE) AS day, rate FROM exchange_rates WHERE base = ${quoted(PIVOT)} AND TRY_CAST(rate AS DOUBLE) > 0
    UNION ALL SELECT DISTINCT ${quoted(PIVOT)}, TRY_CAST(day AS DATE), '1' FROM exchange_rates WHERE base = ${quoted(PIVOT)}),
  pairs AS (
    SELECT source.code, source.day, min(source.rate) AS from_rate, min(target.rate) AS into_rate
    FROM legs AS source JOIN legs AS target ON target.day = source.day AND target.code = ${quoted(currency)}
    WHERE source.code <> ${quoted(currency)} GROUP BY ALL)`;

/** Invoices with their amount in the common currency, null where there is no rate of their day or the few before it. */
const invoicesSql = ({ currency }: FeatureMoment): string => `
  dated AS (
    SELECT customer_id, status, amount, currency, TRY_CAST(issued_at AS TIMESTAMP) AS at_issued, TRY_CAST(due_at AS TIMESTAMP) AS at_due,
      TRY_CAST(paid_at AS TIMESTAMP) AS at_paid, CAST(TRY_CAST(issued_at AS TIMESTAMP) AS DATE) AS day FROM invoices),
  invoice_facts AS (
    SELECT dated.*, TRY_CAST(CASE WHEN dated.currency = ${quoted(currency)} THEN money_in(amount, '1', '1')
      WHEN pairs.day >= dated.day - ${MAX_DAYS_BACK} THEN money_in(amount, from_rate, into_rate) END AS DECIMAL(38, 4)) AS converted
    FROM dated ASOF LEFT JOIN pairs ON pairs.code = dated.currency AND pairs.day <= dated.day)`;

function groupSql(entity: FeatureEntity, rows: string, at: string): string {
  const columns = features.filter(each => each.entity === entity).flatMap(feature => aggregateSql(feature, at));
  return `SELECT customer_id, ${columns.join(", ")} FROM ${rows} WHERE customer_id IS NOT NULL GROUP BY customer_id`;
}

/** When what a condition is about happened. */
const happened: Readonly<Record<Condition, string>> = {
  issued: "at_issued",
  paid: "at_paid",
  open: "at_issued",
  late: "at_issued",
  opened: "at_created",
  unsolved: "at_created",
  used: "TRY_CAST(day AS DATE)",
};

const meets = (condition: Condition, at: string): string =>
  ({
    issued: "coalesce(status, '') NOT IN ('DRAFT', 'VOID')",
    paid: "status = 'PAID'",
    open: "status = 'OPEN'",
    late: `status = 'OPEN' AND at_due < ${at}`,
    opened: "true",
    unsolved: "status NOT IN ('SOLVED', 'CLOSED')",
    used: "true",
  })[condition];

function aggregateSql({ name, condition, aggregate, value, days, entity }: Feature, at: string): string[] {
  const [moment, end] = [happened[condition], entity === "UsageDay" ? `CAST(${at} AS DATE)` : at];
  const start = days === null ? "" : ` AND ${moment} > ${end} - ${entity === "UsageDay" ? days : `INTERVAL ${days} DAY`}`;
  const filter = `FILTER (WHERE ${meets(condition, at)} AND ${moment} <= ${end}${start})`;
  if (aggregate === "count") return [`count(*) ${filter} AS ${named(name)}`];
  if (aggregate === "first") return [`min(${moment}) ${filter} AS ${named(name)}`];
  if (aggregate === "last") return [`max(${moment}) ${filter} AS ${named(name)}`];
  if (value === "amount")
    return [
      `sum(converted) ${filter} AS ${named(name)}`,
      `count(*) FILTER (WHERE converted IS NULL AND ${filter.slice("FILTER (WHERE ".length)} AS ${named(`${name} unknown`)}`,
    ];
  return [`sum(TRY_CAST(${named(snakeCase(value ?? ""))} AS DECIMAL(36, 4))) ${filter} AS ${named(name)}`];
}
