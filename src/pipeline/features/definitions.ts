import type { EntityName } from "../../core/canonical.ts";

/** The entities whose records features are made of. */
export type FeatureEntity = Extract<EntityName, "Invoice" | "Ticket" | "UsageDay">;

/** Which records a feature is about; what had not happened by the moment is among none of them. */
export type Condition = "issued" | "paid" | "open" | "late" | "opened" | "unsolved" | "used";

/** One feature of a customer at a moment. */
export interface Feature {
  readonly name: string;
  /** DuckDB's name of its type. */
  readonly type: string;
  readonly meaning: string;
  readonly entity: FeatureEntity;
  readonly condition: Condition;
  readonly aggregate: "count" | "sum" | "first" | "last";
  /** The canonical field that is summed, or whose first or last value it is; an amount is in the common currency. */
  readonly value: string | null;
  /** Only what happened in so many days up to the moment; null for all that is known. */
  readonly days: number | null;
}

/** Canonical fields that decide whether a record meets a condition, the moment of what happened first. */
export const fieldsOfCondition: Readonly<Record<Condition, readonly [string, ...string[]]>> = {
  issued: ["issuedAt", "status"],
  paid: ["paidAt", "status"],
  open: ["issuedAt", "status"],
  late: ["issuedAt", "status", "dueAt"],
  opened: ["createdAt"],
  unsolved: ["createdAt", "status"],
  used: ["day"],
};

type About = Pick<Feature, "entity" | "condition">;
type Named = readonly [name: string, meaning: string];

const count = (about: About, [name, meaning]: Named, days: number | null = null): Feature => ({
  ...about,
  name,
  meaning,
  type: "INTEGER",
  aggregate: "count",
  value: null,
  days,
});
const sum = (about: About, [name, meaning]: Named, value: string, days: number | null = null): Feature => ({
  ...about,
  name,
  meaning,
  type: value === "amount" || value === "activeMinutes" ? "DECIMAL(38, 4)" : "DECIMAL(38, 0)",
  aggregate: "sum",
  value,
  days,
});
const moment = (about: About, [name, meaning]: Named, aggregate: "first" | "last"): Feature => ({
  ...about,
  name,
  meaning,
  type: about.entity === "UsageDay" ? "DATE" : "TIMESTAMP",
  aggregate,
  value: fieldsOfCondition[about.condition][0],
  days: null,
});

const [issued, paid, open, late] = (["issued", "paid", "open", "late"] as const).map(condition => ({
  entity: "Invoice" as const,
  condition,
})) as [About, About, About, About];
const opened: About = { entity: "Ticket", condition: "opened" };
const unsolved: About = { entity: "Ticket", condition: "unsolved" };
const used: About = { entity: "UsageDay", condition: "used" };

const last = (days: number): string => `in the last ${days} days`;

/** Every feature, in the order of its column. */
export const features: readonly Feature[] = [
  ...[30, 90, 365].flatMap(days => [
    count(issued, [`invoices_${days}d`, `invoices issued ${last(days)}`], days),
    sum(issued, [`invoiced_amount_${days}d`, `what was invoiced ${last(days)}`], "amount", days),
    sum(paid, [`paid_amount_${days}d`, `what was paid ${last(days)}`], "amount", days),
  ]),
  count(open, ["open_invoices", "invoices that are issued and not paid"]),
  sum(open, ["open_amount", "what is issued and not paid"], "amount"),
  count(late, ["overdue_invoices", "open invoices whose day of payment has passed"]),
  sum(late, ["overdue_amount", "what is open and whose day of payment has passed"], "amount"),
  moment(issued, ["first_invoice_at", "when the first invoice was issued"], "first"),
  moment(issued, ["last_invoice_at", "when the last invoice was issued"], "last"),
  moment(paid, ["last_payment_at", "when an invoice was last paid"], "last"),
  ...[30, 90, 365].map(days => count(opened, [`tickets_${days}d`, `tickets opened ${last(days)}`], days)),
  count(unsolved, ["open_tickets", "tickets that are neither solved nor closed"]),
  moment(opened, ["last_ticket_at", "when the last ticket was opened"], "last"),
  ...[7, 30].flatMap(days => [
    count(used, [`active_days_${days}d`, `days of use ${last(days)}`], days),
    sum(used, [`sessions_${days}d`, `sessions ${last(days)}`], "sessions", days),
    sum(used, [`active_minutes_${days}d`, `minutes of use ${last(days)}`], "activeMinutes", days),
    sum(used, [`api_calls_${days}d`, `calls of the interface ${last(days)}`], "apiCalls", days),
  ]),
  moment(used, ["last_used_on", "the last day of use"], "last"),
];
