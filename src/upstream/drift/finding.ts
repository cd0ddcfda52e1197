import { ExactNumber, isJsonObject, numberText } from "../../core/json.ts";
import type { Collection } from "../../source/collection.ts";
import type { DriftKind, DriftPolicy } from "../../source/drift.ts";

/** One difference between a record and what was agreed, fit to be shown to people. */
export interface DriftFinding {
  readonly kind: DriftKind;
  readonly policy: DriftPolicy;
  /** Dotted path; `[*]` stands for any element of an array. */
  readonly field: string;
  readonly expected: string;
  /** A scalar as JSON, cut at 80 characters; `[redacted]` where it is personal; of anything larger, and of an unknown field, its type alone. */
  readonly offending: string;
}

/** Where something stands in a record: names and, in arrays, indices. */
export type Place = readonly (string | number)[];

const MAX_SHOWN = 80;

/** A place as a path that is the same for every element of an array. */
export const pathOf = (place: Place): string =>
  place.reduce<string>((path, step) => {
    if (typeof step === "number") return `${path}[*]`;
    return path === "" ? step : `${path}.${step}`;
  }, "") || "(record)";

/** The JSON type of a value, for people. */
export function typeOf(value: unknown): string {
  if (value === undefined) return "absent";
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  if (typeof value === "bigint" || value instanceof ExactNumber) return "number";
  return typeof value === "string" ? "text" : typeof value;
}

/** A value as a report may show it. */
export function shown(value: unknown, isPersonal: boolean): string {
  if (value === undefined || value === null) return typeOf(value);
  if (isJsonObject(value) || Array.isArray(value)) return `(${typeOf(value)})`;
  if (isPersonal) return `[redacted] (${typeOf(value)})`;
  const text = typeof value === "string" ? JSON.stringify(value) : (numberText(value) ?? String(value === true));
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

const personalFields = ["name", "email", "phone"];

/** Whether what stands at a path is personal, or holds something that is. */
export function personalIn({ canonical, map, personal = [] }: Collection): (path: string) => boolean {
  const mapped = canonical === "Customer" ? personalFields.flatMap(field => map[field]?.inputs ?? []) : [];
  const paths = [...mapped, ...personal];
  return path =>
    paths.some(
      each => each === path || path.startsWith(`${each}.`) || path.startsWith(`${each}[`) || each.startsWith(`${path}.`),
    );
}
