import { ExactNumber, type Json } from "../core/json.ts";

/**
 * What Node's JSON has and its types lack.
 * @see https://github.com/tc39/proposal-json-parse-with-source
 */
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => object };

const withExactNumbers = (_name: string, value: unknown): unknown =>
  typeof value === "bigint" || value instanceof ExactNumber ? rawJSON(String(value)) : value;

/** `JSON.stringify` writes an unpaired surrogate as an escape, a paired one as it is. */
const escapes = /\\(ud[89a-f][0-9a-f]{2}|[^])/g;

/**
 * A record (as `parseJson` gives it) as the JSON text that the mapping's SQL reads exactly as its JavaScript reads the record: numbers have
 * every digit, a name that an object had twice has its last value, an unpaired surrogate is U+FFFD.
 * @param mayBeExact whether the record may hold a number that a double cannot: to look for one in every value costs as much as the rest
 */
export function recordText(record: Json, mayBeExact = true): string {
  const text = mayBeExact ? JSON.stringify(record, withExactNumbers) : JSON.stringify(record);
  if (!text.includes("\\ud")) return text;
  return text.replace(escapes, (escape, code: string) => (code.length > 1 ? "\u{fffd}" : escape));
}
