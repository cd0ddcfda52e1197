import type { EntityName } from "./canonical.ts";

/** What is done with rows that fail: `quarantine` takes them out of their table, `warn` leaves them and says so. */
export type CheckSeverity = "quarantine" | "warn";

/** What a check demands of a table's rows. A field without a value fails none but `required`. */
export type CheckRule =
  /** No two rows of one collection (of customers: no two rows) have the same values. */
  | { readonly kind: "unique"; readonly fields: readonly string[] }
  | { readonly kind: "required"; readonly field: string }
  /** A number's bounds, each allowed itself; `above` is not. */
  | {
      readonly kind: "range";
      readonly field: string;
      readonly least?: number;
      readonly most?: number;
      readonly above?: number;
    }
  /** One instant or date is not before another of the same row. */
  | { readonly kind: "order"; readonly earlier: string; readonly later: string }
  /** The row's customer is in the dataset. */
  | { readonly kind: "referential" }
  /** The newest value is not older than so many days, counted back from the end of the newest pull. */
  | { readonly kind: "freshness"; readonly field: string; readonly maxDays: number };

/** Something that is to hold of every row of an entity's table. */
export type Check = CheckRule & {
  /** Names it among the checks of its entity. */
  readonly name: string;
  readonly severity: CheckSeverity;
  /** 0 to 1: when a greater share of the rows fails, nothing is built. 0.05, but never for ten rows or fewer, unless given; of a `warn` none. */
  readonly maxShare?: number;
};

/** What is checked of an entity's table. */
export interface EntityChecks {
  readonly rows: readonly Check[];
  /** 0 and up: by what share the number of rows may differ from the dataset in use before the build says so. */
  readonly maxRowChange: number;
}

export type Checks = Readonly<Record<EntityName, EntityChecks>>;

const required = (field: string): Check => ({ kind: "required", name: `${field}_required`, field, severity: "warn" });
const inOrder = (earlier: string, later: string): Check => ({
  kind: "order",
  name: `${later}_not_before_${earlier}`,
  earlier,
  later,
  severity: "warn",
});
const notNegative = (field: string, severity: CheckSeverity): Check => ({
  kind: "range",
  name: `${field}_not_negative`,
  field,
  least: 0,
  severity,
});
const fresh = (field: string, maxDays: number): Check => ({
  kind: "freshness",
  name: `${field}_fresh`,
  field,
  maxDays,
  severity: "warn",
});
const owned: Check = { kind: "referential", name: "customer_known", severity: "warn" };

/**
 * The checks of every entity. Only what no source can mean is taken out of its table; what is doubtful (a credit note is a negative invoice, a ticket may
 * come from somebody who is no customer) is counted.
 */
export const declaredChecks: Checks = {
  Customer: {
    rows: [{ kind: "unique", name: "email_unique", fields: ["email"], severity: "warn" }],
    maxRowChange: 0.2,
  },
  Invoice: {
    rows: [
      owned,
      required("amount"),
      required("currency"),
      notNegative("amount", "warn"),
      { kind: "unique", name: "number_unique", fields: ["number"], severity: "warn" },
      inOrder("issuedAt", "dueAt"),
      inOrder("issuedAt", "paidAt"),
      fresh("issuedAt", 60),
    ],
    maxRowChange: 0.2,
  },
  Ticket: {
    rows: [owned, required("status"), inOrder("createdAt", "updatedAt"), fresh("createdAt", 60)],
    maxRowChange: 0.2,
  },
  UsageDay: {
    rows: [
      owned,
      required("day"),
      ...["sessions", "activeMinutes", "apiCalls", "events"].map(field => notNegative(field, "quarantine")),
      fresh("day", 7),
    ],
    maxRowChange: 0.5,
  },
  ClickEvent: {
    rows: [owned, required("name"), required("occurredAt"), notNegative("amount", "warn"), fresh("occurredAt", 60)],
    maxRowChange: 0.5,
  },
  ExchangeRate: {
    rows: [
      ...["base", "quote", "day", "rate"].map(required),
      { kind: "range", name: "rate_positive", field: "rate", above: 0, severity: "quarantine" },
      fresh("day", 7),
    ],
    maxRowChange: 0.2,
  },
};
