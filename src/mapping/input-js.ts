import { ExactNumber, isJsonObject } from "../core/json.ts";
import type { Input } from "./form.ts";
import { trimmed } from "./white-space.ts";

/** The input that a value found in a record is. */
export function inputOf(value: unknown): Input {
  if (typeof value === "string") return textInput(value);
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return value;
  return value instanceof ExactNumber ? value : null;
}

function textInput(value: string): Input {
  const text = trimmed(value);
  if (text === "") return undefined;
  if (text.includes("\0")) return null;
  return text.isWellFormed() ? text : text.toWellFormed();
}

const own = (value: unknown, name: string): unknown =>
  isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;

/** Reads the input at a path, given as its names. */
export function inputAt(names: readonly string[]): (record: unknown) => Input {
  const [first = "", second] = names;
  if (second === undefined) return record => inputOf(own(record, first));
  if (names.length === 2) return record => inputOf(own(own(record, first), second));
  return record => inputOf(names.reduce(own, record));
}
