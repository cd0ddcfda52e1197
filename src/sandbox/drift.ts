import { parseExactly } from "./exact-json.ts";

/** How a provider changes a field overnight, wherever the field's name occurs in an answer. */
export type DriftChange =
  { readonly rename: { readonly from: string; readonly to: string } } | { readonly remove: string } | { readonly retype: string };

/** Numbers, booleans and structures become text, text becomes an object; null stays. */
function retyped(value: unknown): unknown {
  if (value === null) return null;
  return typeof value === "string" ? { value } : JSON.stringify(value);
}

function changeEntry(change: DriftChange, name: string, value: unknown): readonly [string, unknown][] {
  if ("rename" in change) return [[name === change.rename.from ? change.rename.to : name, value]];
  if ("remove" in change) return name === change.remove ? [] : [[name, value]];
  return [[name, name === change.retype ? retyped(value) : value]];
}

/** A number kept with its digits is a frozen object of the engine's own; walking into it would lose them. */
const isPlainObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;

function drifted(value: unknown, change: DriftChange): unknown {
  if (Array.isArray(value)) return value.map(item => drifted(item, change));
  if (!isPlainObject(value)) return value;
  const entries = Object.entries(value).flatMap(([name, inner]) => changeEntry(change, name, drifted(inner, change)));
  return Object.fromEntries(entries);
}

/** Applies a change to a JSON text; numbers elsewhere keep their digits, text that is not JSON stays as it is. */
export function driftJson(text: string, change: DriftChange): string {
  try {
    return JSON.stringify(drifted(parseExactly(text), change));
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}
