import { parseExactly } from "./exact-json.ts";

/** `duplicate-members`: every member stands twice, first with a wrong value. `proto-members`: every object has a `__proto__` and a `constructor`. */
export type HostileForm = "duplicate-members" | "proto-members";

const PROTO = '"__proto__":{"isHostile":true,"id":"hostile"},"constructor":{"prototype":{"isHostile":true}}';

/** The same values as legal JSON text that careless readers trip over; text that is not JSON stays as it is. */
export function hostileJson(text: string, form: HostileForm): string {
  try {
    return written(parseExactly(text), form);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

function written(value: unknown, form: HostileForm): string {
  if (Array.isArray(value)) return `[${value.map(item => written(item, form)).join(",")}]`;
  // A number kept with its digits is a frozen object of the engine's own.
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return JSON.stringify(value);
  const members = Object.entries(value).map(([name, inner]) => member(JSON.stringify(name), written(inner, form), form));
  return `{${(form === "proto-members" ? [PROTO, ...members] : members).join(",")}}`;
}

const member = (name: string, value: string, form: HostileForm): string =>
  form === "duplicate-members" ? `${name}:"hostile",${name}:${value}` : `${name}:${value}`;
