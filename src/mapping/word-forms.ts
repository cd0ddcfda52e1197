import type { RuleData } from "../source/rule.ts";
import { type Form, type Input, type JsForm, plainForm, type SqlForm, UNKNOWN } from "./form.ts";
import { plainNumber } from "./plain-number.ts";
import { quoted } from "./sql-text.ts";
import { asciiLower, asciiLowerSql } from "./white-space.ts";

/** Text, a number or a boolean as the word that a table may list; null for what is no word. */
export function wordOf(input: Input): string | null {
  if (typeof input === "string") return asciiLower(input);
  return typeof input === "boolean" ? String(input) : plainNumber(input);
}

const wordSql: (...input: Parameters<SqlForm>) => string = ({ text }) => asciiLowerSql(text);

function enumJs({ table = {} }: RuleData): JsForm {
  const values = new Map(Object.entries(table));
  return input => {
    const word = wordOf(input);
    return word === null ? null : (values.get(word) ?? UNKNOWN);
  };
}

function enumSql({ table = {} }: RuleData): SqlForm {
  const whens = Object.entries(table).map(([word, value]) => `WHEN ${quoted(word)} THEN ${quoted(value)}`);
  const otherwise = `ELSE '${UNKNOWN}' END`;
  return (input, second) => {
    const word = wordSql(input, second);
    return `CASE WHEN ${input.text} IS NULL THEN NULL ELSE CASE ${word} ${whens.join(" ")} ${otherwise} END`;
  };
}

const booleans: Readonly<Record<string, boolean>> = { true: true, false: false, yes: true, no: false, "1": true, "0": false };

const booleanOf: JsForm = input => {
  const word = wordOf(input);
  return word !== null && Object.hasOwn(booleans, word) ? (booleans[word] ?? null) : null;
};

const booleanSql: SqlForm = (input, second) => {
  const whens = Object.entries(booleans).map(([word, value]) => `WHEN '${word}' THEN '${value}'`);
  return `CASE ${wordSql(input, second)} ${whens.join(" ")} END`;
};

/** Gives every record the same value; it has no inputs, so it never has an issue. */
export const literalForm: Form = {
  isPresent: "never",
  js:
    ({ value = null }) =>
    () =>
      value,
  sql:
    ({ value }) =>
    () =>
      value === undefined ? "NULL::VARCHAR" : quoted(value),
};
export const enumForm: Form = { mayBeUnknown: true, js: enumJs, sql: enumSql };
export const booleanForm = plainForm(booleanOf, booleanSql);
