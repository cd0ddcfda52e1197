import type { CalendarDate, Country, Currency, Decimal, Email, Instant, Key, Long, Phone, Reference } from "../core/canonical.ts";

/**
 * A mapping rule: data that says how one canonical value is read out of an upstream record. `src/mapping` compiles it to
 * JavaScript and to SQL; nothing here runs.
 *
 * What every rule shares:
 *
 * - Text is trimmed of ASCII white space (U+0020, U+0009 to U+000D) and byte order marks (U+FEFF); an unpaired surrogate in it becomes U+FFFD.
 * - A *blank* input (absent, null, or text of white space only) counts as absent and yields null.
 * - An input that is there but cannot be read yields null together with an issue `INVALID_VALUE`: also one of another JSON type than the
 *   rule reads, and text with U+0000. Where a rule has several inputs, the first one decides whether a value is expected, unless stated.
 * - A field named `key` without a value has that issue even when its input is blank.
 * - A JSON number is read by its exact value: `1.0` is 1, `1e3` is 1000, `-0` is 0. A number as text has an optional sign, digits and an
 *   optional fraction, no exponent. More than 38 digits before or after the point cannot be read.
 * - A name that a JSON object has twice has its last value.
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

/** The record's own key: text, or an integer as its digits; never blank. */
export const key = <P extends string>(path: P): Rule<At<P, Numeric>, Key> => ({ rule: "key", inputs: [path] });
/** The key of another record of the same source: text, or an integer as its digits. */
export const ref = <P extends string>(path: P) => one<P, Reference, Numeric>("ref", path);
/** Text, trimmed; a number or boolean is an issue. */
export const text = <P extends string>(path: P) => one<P, string, Text>("text", path);
/** Given and family name joined by one space, inner white space collapsed, NFC, casing kept; one part may be blank, and either makes a name expected. */
export const fullName = <A extends string, B extends string>(
  givenPath: A,
  familyPath: B,
): Rule<At<A, Text> & At<B, Text>, string | null> => ({ rule: "fullName", inputs: [givenPath, familyPath] });
/** Two or three texts or integers joined by a separator; an issue when the first is there and another one is not. */
export const joined = <A extends string, B extends string, C extends string = A>(
  separator: string,
  first: A,
  second: B,
  third?: C,
): Rule<At<A, Numeric> & At<B, Numeric> & At<C, Numeric>, Key> => ({
  rule: "joined",
  inputs: third === undefined ? [first, second] : [first, second, third],
  separator,
});
/** A mailbox: one `@`, no white space (Unicode's) or ASCII control character, a dot in the domain and no empty part around it; ASCII letters lowered. */
export const email = <P extends string>(path: P) => one<P, Email, Text>("email", path);
/**
 * A telephone number to E.164; a national number is read in the country found at `countryPath` (by the country rule; one that cannot be read
 * counts as absent), else it must carry `+` or `00`. Its length must be possible where it belongs; that it is assigned is not checked. An extension
 * is dropped; words around the number are an issue.
 */
export const phone = <P extends string, C extends string = P>(
  path: P,
  countryPath?: C,
): Rule<At<P, Text> & (string extends C ? unknown : At<C, Text>), Phone | null> => ({
  rule: "phone",
  inputs: countryPath === undefined ? [path] : [path, countryPath],
});
/** A country given as ISO 3166-1 alpha-2, alpha-3 or English name, in any case, accents and punctuation ignored in a name, to alpha-2. */
export const country = <P extends string>(path: P) => one<P, Country, Text>("country", path);
/** A currency code in any case to ISO 4217 upper case: exactly three ASCII letters. */
export const currency = <P extends string>(path: P) => one<P, Currency, Text>("currency", path);
/**
 * A word looked up in a table, ignoring ASCII case; numbers by their exact value without exponent, booleans as `true` and `false`. A word that is
 * not in the table becomes `UNKNOWN` together with an issue `UNKNOWN_ENUM_VALUE`; so does one that the table maps to `UNKNOWN`.
 */
export const enumOf = <P extends string, const V extends string>(
  path: P,
  table: Readonly<Record<string, V>>,
): Rule<At<P, Text | number | boolean>, V | "UNKNOWN" | null> => ({ rule: "enumOf", inputs: [path], table: lowerKeys(table) });
/** A JSON boolean, the number 1 or 0, or `true`/`false`, `yes`/`no`, `1`/`0` as text in any case. */
export const boolean = <P extends string>(path: P) => one<P, boolean, Text | number | boolean>("boolean", path);
/** An integer of 32 bits with sign, as a number or as text; `5.0` is 5, `5.5` is an issue. */
export const int = <P extends string>(path: P) => one<P, number, Numeric>("int", path);
/** An integer of up to 38 digits, as a number or as text; written without leading zeros or plus sign. */
export const long = <P extends string>(path: P) => one<P, Long, Numeric>("long", path);
/** A decimal number, as a number or as text; written without exponent, without zeros that say nothing. At most 28 digits before the point and 10 after it. */
export const decimal = <P extends string>(path: P) => one<P, Decimal, Numeric>("decimal", path);
/**
 * An integer count of a currency's minor unit (ISO 4217) to the exact amount: 1050 with `usd` is `10.50`, with `jpy` is `1050`. At most 28 digits;
 * an amount whose currency is blank or no code is an issue, a code that ISO 4217 lacks has two digits.
 */
export const minorUnits = <A extends string, C extends string>(
  amountPath: A,
  currencyPath: C,
): Rule<At<A, Numeric> & At<C, Text>, Decimal | null> => ({
  rule: "minorUnits",
  inputs: [amountPath, currencyPath],
  unit: "ISO 4217 minor unit",
});
/** An amount in whole currency units; written with exactly the currency's digits, more non-zero digits than it has are an issue, as is a missing currency. At most 28 digits before the point. */
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
/**
 * A date-time with `Z` or an offset of up to 23:59 (RFC 3339; `T` may be a space, `T` and `Z` may be lower case) to UTC. Digits past the millisecond
 * are cut; hour 24 and second 60 are issues, and so are years outside 0001 to 9999, as written and in UTC.
 */
export const rfc3339 = <P extends string>(path: P) => one<P, Instant, Text>("rfc3339", path, { unit: "RFC 3339" });
/** A calendar date `YYYY-MM-DD` that exists (proleptic Gregorian), years 0001 to 9999. */
export const date = <P extends string>(path: P) => one<P, CalendarDate, Text>("date", path, { unit: "ISO 8601 date" });
/** The first rule that yields a value (`UNKNOWN` is one); an issue only when none does and one of them had an input. */
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
  Object.fromEntries(
    Object.entries(table).map(([word, value]) => [word.replace(/[A-Z]+/g, letters => letters.toLowerCase()), value]),
  );
