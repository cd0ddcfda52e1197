import { ExactNumber } from "../core/json.ts";
import type { Input, SqlInput } from "./form.ts";
import { found, matches, quoted } from "./sql-text.ts";

/** Digits that a number may have before its point, and as many after it; one with more cannot be read. */
const MAX_DIGITS = 38;

const parts = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const textGrammar = /^[+-]?\d+(?:\.\d+)?$/;

/**
 * A number in plain notation: no exponent, no plus sign, no zeros that say nothing, zero without a sign. Text may carry a sign,
 * leading zeros and a fraction but no exponent; a JSON number may have one. Null for anything else, and beyond 38 digits on either side of the point.
 */
export function plainNumber(input: Input): string | null {
  if (typeof input === "string") return textGrammar.test(input) ? plainText(input) : null;
  if (typeof input === "number") return Number.isSafeInteger(input) ? String(input) : plainText(String(input));
  return typeof input === "bigint" || input instanceof ExactNumber ? plainText(String(input)) : null;
}

function plainText(text: string): string | null {
  const match = parts.exec(text);
  if (!match) return null;
  const [, sign, whole = "", fraction = "", exponent = "0"] = match;
  const leading = /^0*/.exec(whole + fraction)?.[0].length ?? 0;
  const digits = (whole + fraction).slice(leading).replace(/0+$/, "");
  if (digits === "") return "0";
  return placed(sign === "-" ? "-" : "", digits, whole.length - leading + Number(exponent));
}

/** Digits with the point after the given number of them, which may lie outside of them. */
function placed(sign: string, digits: string, point: number): string | null {
  if (point > MAX_DIGITS || digits.length - point > MAX_DIGITS) return null;
  const whole = point <= 0 ? "0" : digits.slice(0, point).padEnd(point, "0");
  const fraction = point < 0 ? "0".repeat(-point) + digits : digits.slice(point);
  return fraction === "" ? sign + whole : `${sign}${whole}.${fraction}`;
}

/** A decimal without exponent and without limits → plain notation. */
const stripped = (text: string): string => {
  const significant = String.raw`^\+?(-?)0*(\d+?)(?:\.0*|(\.\d*?[1-9])0*)?$`;
  return `regexp_replace(regexp_replace(${text}, ${quoted(significant)}, '\\1\\2\\3'), '^-0$', '0')`;
};

/** `plainNumber` of an input that is text, in SQL. */
const plainTextSql = (text: string): string =>
  `CASE WHEN ${matches(text, textGrammar.source)} THEN ${found(stripped(text), `^-?\\d{1,${MAX_DIGITS}}(?:\\.\\d{1,${MAX_DIGITS}})?$`)} END`;

/** `plainNumber` in SQL. */
export const plainNumberSql = ({ kind, text }: SqlInput): string =>
  `CASE ${kind} WHEN 'number' THEN ${text} WHEN 'text' THEN ${plainTextSql(text)} END`;

/** What can make DuckDB's reading of a fraction differ from the record's own text: sixteen digits, or an exponent. */
const mayLoseDigits = String.raw`\d[\d.]{15}|\d[eE][+-]?\d`;

/**
 * A JSON number that is not an integer of 64 bits, in plain notation. DuckDB reads it as a double, so where that could have cost a digit
 * the record's own text is read again.
 */
export const exactFractionSql = (text: string, record: string, path: string): string =>
  `CASE WHEN contains(${text}, 'e') OR regexp_matches(${record}::VARCHAR, ${quoted(mayLoseDigits)}) ` +
  `THEN tributary_number(${record}::VARCHAR, ${quoted(path)}) ELSE ${stripped(text)} END`;
