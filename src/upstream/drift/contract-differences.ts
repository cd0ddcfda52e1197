import type { z } from "zod";
import type { DriftKind } from "../../source/drift.ts";
import { type Place, typeOf } from "./finding.ts";

/** A difference as it was found: where, what was expected there, and what is there. */
export interface Difference {
  readonly kind: DriftKind;
  readonly place: Place;
  readonly expected: string;
  readonly value: unknown;
}

type Issue = z.core.$ZodIssue;

/** What a record breaks of its contract; empty when it keeps it. */
export function contractDifferences(contract: z.ZodType, record: unknown): readonly Difference[] {
  const result = contract.safeParse(record);
  return result.success ? [] : result.error.issues.flatMap(issue => differencesOf(issue, record));
}

function differencesOf(issue: Issue, record: unknown): readonly Difference[] {
  const place = issue.path.map(step => (typeof step === "number" ? step : String(step)));
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map(name => ({
      kind: "unknownField",
      place: [...place, name],
      expected: "no such field",
      value: valueAtPlace(record, [...place, name]),
    }));
  }
  const value = valueAtPlace(record, place);
  return [{ kind: kindOf(issue, value), place, expected: expectedBy(issue), value }];
}

function kindOf(issue: Issue, value: unknown): DriftKind {
  if (value === undefined) return "missingField";
  if (value === null) return "changedNullability";
  const words = wordsOf(issue);
  return words?.some(word => typeof word === typeof value) ? "newEnumValue" : "changedType";
}

/** The words that an enum, literals or a union of them allow; undefined when it is about something else. */
function wordsOf(issue: Issue): readonly unknown[] | undefined {
  if (issue.code === "invalid_value") return issue.values;
  if (issue.code !== "invalid_union") return undefined;
  if ("options" in issue && Array.isArray(issue.options)) return issue.options;
  const words = issue.errors.map(([first]) => (first?.code === "invalid_value" ? first.values : undefined));
  return words.length > 0 && words.every(each => each !== undefined) ? words.flat() : undefined;
}

const names: Readonly<Record<string, string>> = { string: "text", int: "integer", bigint: "integer", array: "list" };

function expectedBy(issue: Issue): string {
  const words = wordsOf(issue);
  if (words) return `one of ${words.map(String).join(", ")}`;
  if (issue.code === "invalid_type") return names[issue.expected] ?? issue.expected;
  if (issue.code !== "invalid_union") return issue.message;
  const each = issue.errors.flatMap(([first]) => (first ? [expectedBy(first)] : []));
  return [...new Set(each)].join(" or ") || typeOf(undefined);
}

/** The value at a place, by own members alone; undefined when there is none. */
export function valueAtPlace(record: unknown, place: Place): unknown {
  let current = record;
  for (const step of place) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Readonly<Record<string | number, unknown>>)[step];
  }
  return current;
}
