import type { CalendarDate, Country, Currency, Decimal, Email, Instant, Key, Long, Phone, Reference } from "../core/canonical.ts";

/**
 * A mapping rule: data that says how one canonical value is read out of an upstream record. `src/mapping` compiles it to
 * JavaScript and to SQL; nothing here runs.
 *
 * What every rule shares: a *blank* input (absent, null, or text of ASCII white space only) counts as absent and yields null;
 * an input that is there but cannot be read yields null together with an issue `INVALID_VALUE`. Text is trimmed of ASCII white space.
 */
export interface RuleData {
  readonly rule: RuleName;
  /** Dotted paths into the record, in the rule's own order. */
  readonly inputs: readonly string[];
  /** For people and lineage: what the input is measured in. */
  readonly unit?: string;
  /** For `enumOf`: upstream word (lower case) → canonical value. */
  readonly table?: Readonly<Record<string, string>>;
  /** For `literal`. */
  readonly value?: string;
  /** For `joined`. */
  readonly separator?: string;
  /** For `firstOf`, tried in order. */
  readonly of?: readonly RuleData[];
}

export type RuleName =
  | "key"
  | "ref"
  | "text"
  | "fullName"
  | "joined"
  | "email"
  | "phone"
  | "country"
  | "currency"
  | "enumOf"
  | "boolean"
  | "int"
  | "long"
  | "decimal"
  | "minorUnits"
  | "majorUnits"
  | "epochSeconds"
  | "epochMillis"
  | "rfc3339"
  | "date"
  | "firstOf"
  | "literal";

/** A rule with what it needs of a record and what it yields, checked against the contract and the canonical entity. */
export interface Rule<in R, out V> extends RuleData {
  readonly __types?: (record: R) => V;
}

/** The record shape that a dotted path needs. */
type At<P extends string, V> = P extends `${infer Head}.${infer Tail}`
  ? { readonly [K in Head]: At<Tail, V> | null | undefined }
  : { readonly [K in P]: V | null | undefined };

type Text = string;
type Numeric = string | number | bigint;

const one = <P extends string, V, In>(rule: RuleName, path: P, more: Partial<RuleData> = {}): Rule<At<P, In>, V | null> => ({
  rule,
  inputs: [path],
  ...more,
});

/** The record's own key: text as it is, or an integer as its digits; never blank. */
export const key = <P extends string>(path: P): Rule<At<P, Numeric>, Key> => ({ rule: "key", inputs: [path] });
/** The key of another record of the same source: text as it is, or an integer as its digits. */
export const ref = <P extends string>(path: P) => one<P, Reference, Numeric>("ref", path);
/** Text, trimmed; a number or boolean is an issue. */
export const text = <P extends string>(path: P) => one<P, string, Text>("text", path);
/** Given and family name joined by one space, inner white space collapsed, NFC, casing kept; one part may be blank. */
export const fullName = <A extends string, B extends string>(
  givenPath: A,
  familyPath: B,
): Rule<At<A, Text> & At<B, Text>, string | null> => ({ rule: "fullName", inputs: [givenPath, familyPath] });
/** Several texts or integers joined by a separator; all must be there. */
export const joined = <A extends string, B extends string>(
  separator: string,
  first: A,
  second: B,
): Rule<At<A, Numeric> & At<B, Numeric>, Key> => ({ rule: "joined", inputs: [first, second], separator });
/** A mailbox: one `@`, no white space, a dot in the domain; ASCII letters lowered. */
export const email = <P extends string>(path: P) => one<P, Email, Text>("email", path);
/** A telephone number to E.164; a national number is read in the country found at `countryPath`, else it must carry `+`. */
export const phone = <P extends string, C extends string = P>(
  path: P,
  countryPath?: C,
): Rule<At<P, Text> & (string extends C ? unknown : At<C, Text>), Phone | null> => ({
  rule: "phone",
  inputs: countryPath === undefined ? [path] : [path, countryPath],
});
/** A country given as ISO 3166-1 alpha-2, alpha-3 or English name, in any case, to alpha-2. */
export const country = <P extends string>(path: P) => one<P, Country, Text>("country", path);
/** A currency code in any case to ISO 4217 upper case: exactly three ASCII letters. */
export const currency = <P extends string>(path: P) => one<P, Currency, Text>("currency", path);
/**
 * A word looked up in a table, ignoring ASCII case; numbers and booleans by their JSON text. A word that is not in the table becomes
 * `UNKNOWN` together with an issue `UNKNOWN_ENUM_VALUE`.
 */
export const enumOf = <P extends string, const V extends string>(
  path: P,
  table: Readonly<Record<string, V>>,
): Rule<At<P, Text | number | boolean>, V | "UNKNOWN" | null> => ({ rule: "enumOf", inputs: [path], table: lowerKeys(table) });
/** A JSON boolean, or `true`/`false`, `yes`/`no`, `1`/`0` in any case. */
export const boolean = <P extends string>(path: P) => one<P, boolean, Text | number | boolean>("boolean", path);
/** An integer of 32 bits with sign, as a number or as text. */
export const int = <P extends string>(path: P) => one<P, number, Numeric>("int", path);
/** An integer of any size, as a number or as text, without leading zeros or plus sign. */
export const long = <P extends string>(path: P) => one<P, Long, Numeric>("long", path);
/** A decimal number, as a number or as text without exponent; trailing zeros dropped. At most 38 digits, 10 of them after the point. */
export const decimal = <P extends string>(path: P) => one<P, Decimal, Numeric>("decimal", path);
/** An integer count of a currency's minor unit (ISO 4217) to the exact amount: 1050 with `usd` is `10.50`, with `jpy` is `1050`. */
export const minorUnits = <A extends string, C extends string>(
  amountPath: A,
  currencyPath: C,
): Rule<At<A, Numeric> & At<C, Text>, Decimal | null> => ({
  rule: "minorUnits",
  inputs: [amountPath, currencyPath],
  unit: "ISO 4217 minor unit",
});
/** An amount in whole currency units; written with exactly the currency's digits, more non-zero digits than it has are an issue. */
export const majorUnits = <A extends string, C extends string>(
  amountPath: A,
  currencyPath: C,
): Rule<At<A, Numeric> & At<C, Text>, Decimal | null> => ({
  rule: "majorUnits",
  inputs: [amountPath, currencyPath],
  unit: "ISO 4217 major unit",
});
/** Whole seconds since 1970-01-01T00:00:00Z, years 0001 to 9999. */
export const epochSeconds = <P extends string>(path: P) =>
  one<P, Instant, Numeric>("epochSeconds", path, { unit: "s since 1970-01-01T00:00:00Z" });
/** Whole milliseconds since 1970-01-01T00:00:00Z, years 0001 to 9999. */
export const epochMillis = <P extends string>(path: P) =>
  one<P, Instant, Numeric>("epochMillis", path, { unit: "ms since 1970-01-01T00:00:00Z" });
/** A date-time with `Z` or an offset (RFC 3339) to UTC; digits past the millisecond are cut; second 60 is an issue. */
export const rfc3339 = <P extends string>(path: P) => one<P, Instant, Text>("rfc3339", path, { unit: "RFC 3339" });
/** A calendar date `YYYY-MM-DD` that exists. */
export const date = <P extends string>(path: P) => one<P, CalendarDate, Text>("date", path, { unit: "ISO 8601 date" });
/** The first rule that yields a value; an issue only when none does and one of them had an input. */
export const firstOf = <R1, R2, V>(first: Rule<R1, V | null>, second: Rule<R2, V | null>): Rule<R1 & R2, V | null> => ({
  rule: "firstOf",
  inputs: [...new Set([...first.inputs, ...second.inputs])],
  of: [first, second],
});
/** The same value for every record, for a field that a source does not have: `literal(null)` is a stated absence. */
export const literal = <const V extends string | null>(value: V): Rule<unknown, V> => ({
  rule: "literal",
  inputs: [],
  ...(value === null ? {} : { value }),
});

const lowerKeys = <V extends string>(table: Readonly<Record<string, V>>): Readonly<Record<string, V>> =>
  Object.fromEntries(Object.entries(table).map(([word, value]) => [word.toLowerCase(), value]));
