/**
 * JSON as it crosses the wire: numbers that a double cannot hold exactly stay exact. Integers beyond 2^53 become `bigint`,
 * other numbers whose text a double would change become `ExactNumber`.
 */
export type Json = null | boolean | number | bigint | string | ExactNumber | readonly Json[] | { readonly [name: string]: Json };

/** A JSON number kept as its own text because a double would change it. */
export class ExactNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

/**
 * Sixteen digits in a row (a point may stand among them), or an exponent: the only texts in which a double can lose a digit. Where no number can begin, as
 * in most of a string, they are not looked for.
 */
const mayLoseDigits = /(?:^|[:,[])\s*-?\d(?:[\d.]{15}|[\d.]*[eE])/;

interface ReviverContext {
  readonly source?: string;
}

function exact(_name: string, value: unknown, context?: ReviverContext): unknown {
  if (typeof value !== "number") return value;
  const text = context?.source;
  if (text === undefined || String(value) === text) return value;
  if (/^-?\d+$/.test(text)) return Number.isSafeInteger(value) ? value : BigInt(text);
  return sameDecimal(text, value) ? value : new ExactNumber(text);
}

/** Whether a double prints the same decimal as the text, apart from trailing zeros: `1.50` and `1.5` are one number. */
function sameDecimal(text: string, value: number): boolean {
  if (/[eE]/.test(text) || !text.includes(".")) return false;
  return String(value) === text.replace(/\.?0+$/, "");
}

/** Arrays and objects in one another: far more than any provider's records, far less than what ends a recursion. */
const MAX_DEPTH = 256;

/**
 * Parses JSON text without losing digits; throws `SyntaxError` as `JSON.parse` does, and for values nested deeper than 256. Of members with the
 * same name the last one counts. A member called `__proto__` is one like any other: no prototype is changed.
 */
export function parseJson(text: string): Json {
  const value = (mayHoldExactNumbers(text) ? parseExactly(text) : JSON.parse(text)) as Json;
  if (isDeeper(value, MAX_DEPTH)) throw new SyntaxError(tooDeep);
  return value;
}

/** Whether a JSON text may hold a number that a double cannot; false is certain. */
export const mayHoldExactNumbers = (text: string): boolean => mayLoseDigits.test(text);

const tooDeep = `JSON nested deeper than ${MAX_DEPTH}`;

function parseExactly(text: string): unknown {
  try {
    return JSON.parse(text, exact);
  } catch (thrown) {
    throw thrown instanceof RangeError ? new SyntaxError(tooDeep, { cause: thrown }) : thrown;
  }
}

/** Walking the value costs about a fourteenth of parsing it; reading the text for brackets costs a half. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) return value.some(item => isDeeper(item, levels - 1));
  for (const name in value) if (isDeeper((value as Record<string, unknown>)[name], levels - 1)) return true;
  return false;
}

/** Whether a value is a JSON object (not an array, not a number kept as text). */
export const isJsonObject = (value: unknown): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);

/** The values at a dotted path; `[*]` after a name (`rows[*].parts[*]`) goes through every element of an array, and alone through a value that is one. */
export function valuesAt(value: unknown, path: string): unknown[] {
  if (path === "") return [value];
  let found: unknown[] = [value];
  for (const step of path.split(".")) {
    const each = step.endsWith("[*]");
    const name = each ? step.slice(0, -3) : step;
    found = found.flatMap(item => {
      const isItself = each && name === "";
      const next = isItself ? item : isJsonObject(item) && Object.hasOwn(item, name) ? item[name] : undefined;
      if (!each) return next === undefined ? [] : [next];
      return Array.isArray(next) ? (next as unknown[]) : [];
    });
  }
  return found;
}

/** The value at a dotted path of names, or undefined. */
export function valueAt(value: unknown, path: string): unknown {
  let current: unknown = value;
  for (const name of path.split(".")) {
    if (!isJsonObject(current) || !Object.hasOwn(current, name)) return undefined;
    current = current[name];
  }
  return current;
}

/** A number, bigint or kept number as its exact text; undefined for anything else. */
export const numberText = (value: unknown): string | undefined =>
  typeof value === "number" || typeof value === "bigint" || value instanceof ExactNumber ? String(value) : undefined;

/** The text of a key as a provider gives it: a string as it is, an integer as its digits, anything else undefined. */
export function keyText(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value);
  return undefined;
}
