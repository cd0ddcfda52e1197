import { beforeAll, describe, expect, it } from "@jest/globals";
import type { DuckDBConnection } from "@duckdb/node-api";
import fc from "fast-check";
import { parseJson } from "../../../src/core/json.ts";
import { forms } from "../../../src/mapping/forms.ts";
import type { RuleData } from "../../../src/source/rule.ts";
import * as t from "../../../src/source/rule.ts";
import { byExpressions, byJavaScript, bySql, mapped, openDuckDB, type Outcome } from "./both-forms.ts";
import * as hostile from "./hostile-json.ts";

/** Of each family; every rule reads those of all seven. */
const RECORDS = 5000;

const table = { active: "ACTIVE", "1": "ACTIVE", true: "ACTIVE", past_due: "PAST_DUE", ünder: "CHURNED" } as const;
/** Every rule, over the values of `a` and `in.b`. */
const rules: Readonly<Record<string, RuleData>> = {
  key: t.key("a"),
  ref: t.ref("in.b"),
  text: t.text("a"),
  fullName: t.fullName("a", "in.b"),
  joined: t.joined("'/", "a", "in.b"),
  joinedThree: t.joined("'/", "a", "in.b", "a"),
  email: t.email("a"),
  phone: t.phone("a", "in.b"),
  phoneAlone: t.phone("a"),
  country: t.country("a"),
  currency: t.currency("a"),
  enumOf: t.enumOf("a", table),
  boolean: t.boolean("a"),
  int: t.int("a"),
  long: t.long("a"),
  decimal: t.decimal("a"),
  minorUnits: t.minorUnits("a", "in.b"),
  majorUnits: t.majorUnits("a", "in.b"),
  epochSeconds: t.epochSeconds("a"),
  epochMillis: t.epochMillis("a"),
  rfc3339: t.rfc3339("a"),
  date: t.date("a"),
  literal: t.literal("it's"),
  nothing: t.literal(null),
  firstOf: t.firstOf(t.rfc3339("a"), t.epochSeconds("in.b")),
  firstWord: t.firstOf(t.enumOf("in.b", table), t.enumOf("a", table)),
};
const collection = mapped(rules, { space: t.ref("a"), "other space": t.email("in.b") });

/** What the values of `a` and `in.b` look like. */
const families = {
  texts: hostile.recordTexts(hostile.anyTexts),
  numbers: hostile.recordTexts(hostile.numbers),
  money: hostile.recordTexts(hostile.numbers, hostile.currencies),
  dateTimes: hostile.recordTexts(hostile.dateTimes, hostile.epochs),
  "dates and epochs": hostile.recordTexts(fc.oneof(hostile.dates, hostile.epochs)),
  "words and currencies": hostile.recordTexts(fc.oneof(hostile.words, hostile.currencies)),
  "phones, countries and mailboxes": hostile.recordTexts(
    fc.oneof(hostile.phones, hostile.mailboxes, hostile.countries),
    hostile.countries,
  ),
};

let connection: DuckDBConnection;
/** What some records of all families come to, to see that no rule is compared on nulls alone. */
let sampled: readonly Outcome[];
beforeAll(async () => {
  connection = await openDuckDB();
  const texts = Object.values(families).flatMap(records => fc.sample(records, { numRuns: RECORDS / 2 }));
  sampled = byJavaScript(collection, texts.map(parseJson));
});

/** Where the forms differ, at most five of them, with the record's own text. */
function differences(texts: readonly string[], js: readonly Outcome[], sql: readonly Outcome[]): string[] {
  const shown = texts.flatMap((text, place) =>
    (["values", "issues", "clues"] as const).flatMap(part =>
      Object.entries(js[place]?.[part] ?? {})
        .filter(([name, value]) => sql[place]?.[part][name] !== value)
        .map(
          ([name, value]) => `${text} ${name} ${part}: ${JSON.stringify(value)} but ${JSON.stringify(sql[place]?.[part][name])}`,
        ),
    ),
  );
  return shown.slice(0, 5);
}

describe("the two forms of every rule", () => {
  it("are all under test", () => {
    const tested = new Set(Object.values(rules).map(({ rule }) => rule));
    expect([...tested].sort()).toEqual([...Object.keys(forms), "firstOf"].sort());
  });

  it.each(Object.keys(rules))("have enough to read for %s", name => {
    expect(sampled.filter(({ values }) => values[name] !== null).length > 50).toBe(name !== "nothing");
    expect(sampled.some(({ issues }) => issues[name] !== null)).toBe(rules[name]?.rule !== "literal");
  });

  it.each(Object.entries(families))("agree on value, issue and clue for hostile %s", async (_name, records) => {
    const texts = fc.sample(records, { numRuns: RECORDS });
    const parsed = texts.map(parseJson);
    const js = byJavaScript(collection, parsed);
    const sql = await bySql(connection, collection, parsed);
    expect(sql).toHaveLength(RECORDS);
    expect(differences(texts, js, sql)).toEqual([]);
    const few = 200;
    const expressions = await byExpressions(connection, collection, parsed.slice(0, few));
    expect(differences(texts.slice(0, few), js.slice(0, few), expressions)).toEqual([]);
  });
});
