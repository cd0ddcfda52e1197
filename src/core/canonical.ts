/**
 * The canonical entities as data: the mapping is checked against them, the bulk tables take their columns from them,
 * and parity compares field by field along them. A canonical value is text, a safe integer, a boolean or null.
 */

/** An instant in UTC with milliseconds, RFC 3339, e.g. `2026-01-31T09:00:00.000Z`. */
export type Instant = string & { readonly __brand: "Instant" };
/** A calendar date, ISO 8601, e.g. `2026-01-31`. */
export type CalendarDate = string & { readonly __brand: "CalendarDate" };
/** An exact decimal without exponent notation, e.g. `-10.50`. */
export type Decimal = string & { readonly __brand: "Decimal" };
/** An exact integer of any size as decimal text, e.g. `9007199254740993`. */
export type Long = string & { readonly __brand: "Long" };
/** A currency code, ISO 4217, upper case. */
export type Currency = string & { readonly __brand: "Currency" };
/** A country code, ISO 3166-1 alpha-2, upper case. */
export type Country = string & { readonly __brand: "Country" };
/** A mailbox, lower case in its ASCII letters. */
export type Email = string & { readonly __brand: "Email" };
/** A telephone number, E.164, e.g. `+441632960960`. */
export type Phone = string & { readonly __brand: "Phone" };
/** The key of a record in its own collection, as text. */
export type Key = string & { readonly __brand: "Key" };
/** The key of another record of the same source. */
export type Reference = string & { readonly __brand: "Reference" };

/** What a canonical value may be once a mapping has read it. */
export type CanonicalValue = string | number | boolean | null;

export type FieldKind =
  | "key"
  | "reference"
  | "text"
  | "email"
  | "phone"
  | "country"
  | "currency"
  | "enum"
  | "instant"
  | "date"
  | "decimal"
  | "int"
  | "long"
  | "boolean";

/** One canonical field: its kind, its allowed values when it is an enum, and the JavaScript type it carries. */
export interface Field<V = CanonicalValue> {
  readonly kind: FieldKind;
  readonly values?: readonly string[];
  readonly __value?: V;
}

const field =
  <V>(kind: FieldKind) =>
  (): Field<V> => ({ kind });
const key = field<Key>("key");
const reference = field<Reference>("reference");
const text = field<string>("text");
const email = field<Email>("email");
const phone = field<Phone>("phone");
const country = field<Country>("country");
const currency = field<Currency>("currency");
const instant = field<Instant>("instant");
const date = field<CalendarDate>("date");
const decimal = field<Decimal>("decimal");
const int = field<number>("int");
const long = field<Long>("long");
const oneOf = <const V extends string>(...values: readonly V[]): Field<V | "UNKNOWN"> => ({
  kind: "enum",
  values: [...values, "UNKNOWN"],
});

/** Every canonical entity, field by field. `key` is the record's own key; `customer` references the record that owns it. */
export const canonical = {
  Customer: {
    key: key(),
    name: text(),
    email: email(),
    phone: phone(),
    company: text(),
    country: country(),
    status: oneOf("LEAD", "TRIAL", "ACTIVE", "PAST_DUE", "CHURNED"),
    createdAt: instant(),
  },
  Invoice: {
    key: key(),
    customer: reference(),
    number: text(),
    amount: decimal(),
    currency: currency(),
    status: oneOf("DRAFT", "OPEN", "PAID", "VOID", "UNCOLLECTIBLE"),
    issuedAt: instant(),
    dueAt: instant(),
    paidAt: instant(),
  },
  Ticket: {
    key: key(),
    customer: reference(),
    subject: text(),
    status: oneOf("NEW", "OPEN", "PENDING", "ON_HOLD", "SOLVED", "CLOSED"),
    priority: oneOf("LOW", "NORMAL", "HIGH", "URGENT"),
    createdAt: instant(),
    updatedAt: instant(),
  },
  UsageDay: {
    key: key(),
    customer: reference(),
    day: date(),
    sessions: int(),
    activeMinutes: decimal(),
    apiCalls: long(),
    events: int(),
  },
  ClickEvent: {
    key: key(),
    customer: reference(),
    eventId: long(),
    name: text(),
    occurredAt: instant(),
    clientTimeNs: long(),
    page: text(),
    sessionId: text(),
    amount: decimal(),
    currency: currency(),
  },
  /** Belongs to no customer. Its key is `<base>:<quote>:<day>` in every source; `rate` is how many units of `quote` one unit of `base` is worth. */
  ExchangeRate: {
    key: key(),
    base: currency(),
    quote: currency(),
    day: date(),
    rate: decimal(),
  },
} as const satisfies Record<string, Readonly<Record<string, Field>>>;

export type EntityName = keyof typeof canonical;

/** The field that says when a record came about, of entities that belong to a customer. */
export const timeField: Readonly<Partial<Record<EntityName, string>>> = {
  Invoice: "issuedAt",
  Ticket: "createdAt",
  UsageDay: "day",
  ClickEvent: "occurredAt",
};
/** The fields that say when what a record tells came about: the latest of them does, and a day at its end. Of the others that is only known to be before they were read. */
export const eventFields: Readonly<Partial<Record<EntityName, readonly string[]>>> = {
  Invoice: ["issuedAt", "paidAt"],
  Ticket: ["createdAt", "updatedAt"],
  UsageDay: ["day"],
  ClickEvent: ["occurredAt"],
  ExchangeRate: ["day"],
};
export const entityNames = Object.keys(canonical) as EntityName[];

type ValueOf<F> = F extends Field<infer V> ? V : never;
/** An entity as a mapping yields it: the key is always there, every other field may be null. */
export type Entity<N extends EntityName> = {
  readonly [F in keyof (typeof canonical)[N]]: F extends "key" ? Key : ValueOf<(typeof canonical)[N][F]> | null;
};
/** Any entity, for code that goes over the fields as data. */
export type AnyEntity = { readonly key: Key } & Readonly<Record<string, CanonicalValue>>;

/** The fields of an entity as data, in their declared order. */
export const fieldsOf = (entity: EntityName): readonly (readonly [string, Field])[] => Object.entries(canonical[entity]);
