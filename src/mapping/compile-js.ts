import type { AnyEntity, CanonicalValue } from "../core/canonical.ts";
import type { Collection } from "../source/collection.ts";
import type { RuleData } from "../source/rule.ts";
import { UNKNOWN } from "./form.ts";
import { formOf } from "./form-of.ts";
import { inputAt } from "./input-js.ts";
import { namesOf } from "./path-names.ts";

/** A canonical field whose value could not be taken as it was: which rule on which inputs, never the value itself. */
export interface FieldIssue {
  readonly field: string;
  readonly code: "INVALID_VALUE" | "UNKNOWN_ENUM_VALUE";
  readonly rule: string;
  readonly inputs: readonly string[];
}

/** A record as its canonical entity; `issues` is empty for a sound record. */
export interface MappedRecord {
  readonly entity: AnyEntity;
  readonly issues: readonly FieldIssue[];
}

/** A collection's mapping as functions of a record as `parseJson` gives it; they never throw. */
export interface CompiledMapping {
  /** The canonical entity. A record without a key has an issue on `key`, and null there. */
  readonly read: (record: unknown) => MappedRecord;
  /** The explicit keys that the record carries, those that it has. */
  readonly clues: (record: unknown) => readonly { space: string; value: string }[];
}

/** A rule as functions of a record. */
interface Reader {
  readonly read: (record: unknown) => CanonicalValue;
  readonly isPresent: (record: unknown) => boolean;
  readonly mayBeUnknown: boolean;
}

/** Compiles a collection's mapping to closures, built once; throws `SOURCE_INVALID` for a rule or a path that cannot be compiled. */
export function compileMapping(collection: Collection): CompiledMapping {
  const fields = Object.entries(collection.map).map(([field, rule]) => compileField(field, rule));
  const clues = Object.entries(collection.identity?.keys ?? {}).map(([space, rule]) => ({ space, read: readerOf(rule).read }));
  return {
    read: record => readRecord(fields, record),
    clues: record =>
      clues.flatMap(({ space, read }) => {
        const value = read(record);
        return value === null ? [] : [{ space, value: String(value) }];
      }),
  };
}

interface FieldReader {
  readonly field: string;
  readonly read: (record: unknown) => CanonicalValue;
  readonly issueOf: (record: unknown, value: CanonicalValue) => FieldIssue | undefined;
}

const none: readonly FieldIssue[] = Object.freeze([]);

function readRecord(fields: readonly FieldReader[], record: unknown): MappedRecord {
  const entity: Record<string, CanonicalValue> = {};
  let issues: FieldIssue[] | undefined;
  for (const { field, read, issueOf } of fields) {
    const value = read(record);
    entity[field] = value;
    const issue = value === null || value === UNKNOWN ? issueOf(record, value) : undefined;
    if (issue !== undefined) (issues ??= []).push(issue);
  }
  return { entity: entity as AnyEntity, issues: issues ?? none };
}

function compileField(field: string, rule: RuleData): FieldReader {
  const { read, isPresent, mayBeUnknown } = readerOf(rule);
  const issue = (code: FieldIssue["code"]): FieldIssue => Object.freeze({ field, code, rule: rule.rule, inputs: rule.inputs });
  const [invalid, unknown] = [issue("INVALID_VALUE"), issue("UNKNOWN_ENUM_VALUE")];
  const isExpected = field === "key" ? () => true : isPresent;
  return {
    field,
    read,
    issueOf: (record, value) => {
      if (value === null) return isExpected(record) ? invalid : undefined;
      return mayBeUnknown && value === UNKNOWN ? unknown : undefined;
    },
  };
}

function readerOf(rule: RuleData): Reader {
  if (rule.rule === "firstOf") return firstOf((rule.of ?? []).map(readerOf));
  const form = formOf(rule);
  const js = form.js(rule);
  const [first, second, third] = rule.inputs.map(path => inputAt(namesOf(path)));
  const inputs = [first, second].filter(input => input !== undefined).slice(0, form.isPresent === "any" ? 2 : 1);
  return {
    read: third === undefined ? readWith(js, first, second) : record => js(first?.(record), second?.(record), third(record)),
    isPresent: record => form.isPresent !== "never" && inputs.some(input => input(record) !== undefined),
    mayBeUnknown: form.mayBeUnknown === true,
  };
}

type InputReader = ReturnType<typeof inputAt>;
type Js = ReturnType<ReturnType<typeof formOf>["js"]>;

function readWith(js: Js, first: InputReader | undefined, second: InputReader | undefined): Reader["read"] {
  if (first === undefined) return () => js(undefined, undefined);
  if (second === undefined) return record => js(first(record), undefined);
  return record => js(first(record), second(record));
}

const firstOf = (readers: readonly Reader[]): Reader => ({
  read: record => {
    for (const { read } of readers) {
      const value = read(record);
      if (value !== null) return value;
    }
    return null;
  },
  isPresent: record => readers.some(({ isPresent }) => isPresent(record)),
  mayBeUnknown: readers.some(({ mayBeUnknown }) => mayBeUnknown),
});
