import type { RuleData } from "../source/rule.ts";
import { type SqlInput, UNKNOWN } from "./form.ts";
import { formOf } from "./form-of.ts";

/** Where the expressions of an input stand. */
export type InputPlace = (path: string) => SqlInput;

/** A rule as expressions: its canonical text, whether it is expected to have one, and whether UNKNOWN is an issue. */
interface SqlRule {
  readonly value: string;
  readonly isPresent: string;
  readonly mayBeUnknown: boolean;
}

const absent: SqlInput = { kind: "NULL::VARCHAR", text: "NULL::VARCHAR" };

/** Compiles a rule over inputs that stand where `place` says; throws `SOURCE_INVALID` for a rule that does not exist. */
export function sqlRule(rule: RuleData, place: InputPlace): SqlRule {
  if (rule.rule === "firstOf") return firstOf((rule.of ?? []).map(part => sqlRule(part, place)));
  const form = formOf(rule);
  const [first = absent, second = absent, third = absent] = rule.inputs.map(place);
  const expected = { first: [first], any: [first, second], never: [] }[form.isPresent ?? "first"];
  return {
    value: form.sql(rule)(first, second, third),
    isPresent: anyOf(expected.map(({ kind }) => `(${kind}) IS NOT NULL`)),
    mayBeUnknown: form.mayBeUnknown === true,
  };
}

const anyOf = (conditions: readonly string[]): string => (conditions.length === 0 ? "false" : `(${conditions.join(" OR ")})`);

const firstOf = (parts: readonly SqlRule[]): SqlRule => ({
  value: `coalesce(${parts.map(({ value }) => value).join(", ")})`,
  isPresent: anyOf(parts.map(({ isPresent }) => isPresent)),
  mayBeUnknown: parts.some(({ mayBeUnknown }) => mayBeUnknown),
});

/** The issue of a field, given where its value and its presence stand. */
export function issueSql(field: string, { value, isPresent, mayBeUnknown }: SqlRule): string {
  const unknown = mayBeUnknown ? `WHEN (${value}) = '${UNKNOWN}' THEN 'UNKNOWN_ENUM_VALUE'` : "";
  const invalid = `WHEN (${value}) IS NULL AND ${field === "key" ? "true" : isPresent} THEN 'INVALID_VALUE'`;
  return `CASE ${invalid} ${unknown} END`;
}
