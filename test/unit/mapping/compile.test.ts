import { describe, expect, it } from "@jest/globals";
import hubspot from "../../../datasources/hubspot/source.ts";
import { parseJson } from "../../../src/core/json.ts";
import { canonicalText } from "../../../src/mapping/canonical-text.ts";
import { compileMapping } from "../../../src/mapping/compile-js.ts";
import { compileQuery, compileSql } from "../../../src/mapping/compile-sql.ts";
import { countryOf } from "../../../src/mapping/country.ts";
import { countryTable, otherNames } from "../../../src/mapping/country-table.ts";
import { registerFunctions } from "../../../src/mapping/functions.ts";
import { lineageOf } from "../../../src/mapping/lineage.ts";
import { recordText } from "../../../src/mapping/record-text.ts";
import { remembered } from "../../../src/mapping/remembered.ts";
import type { RuleData } from "../../../src/source/rule.ts";
import * as t from "../../../src/source/rule.ts";
import { byExpressions, byJavaScript, bySql, mapped, openDuckDB } from "./both-forms.ts";

const contacts = hubspot.collections["contacts"] ?? mapped({});
const contact = parseJson(`{"id":"51","properties":{"firstname":"Ann","lastname":null,"email":"ANN@x.io","phone":"020 7946 0018",
  "country":"United Kingdom","lifecyclestage":"tombstoned","account_number":"4821","createdate":"yesterday"}}`);

describe("compileMapping", () => {
  it("reads a record into its entity, with an issue for each value that could not be taken as it was", () => {
    const { entity, issues } = compileMapping(contacts).read(contact);
    expect(entity).toEqual({
      key: "51",
      name: "Ann",
      email: "ann@x.io",
      phone: "+442079460018",
      company: null,
      country: "GB",
      status: "UNKNOWN",
      createdAt: null,
    });
    expect(issues).toEqual([
      { field: "status", code: "UNKNOWN_ENUM_VALUE", rule: "enumOf", inputs: ["properties.lifecyclestage"] },
      { field: "createdAt", code: "INVALID_VALUE", rule: "rfc3339", inputs: ["properties.createdate"] },
    ]);
  });

  it("shares one empty list between sound records", () => {
    const { read } = compileMapping(mapped({ key: t.key("id") }));
    expect(read({ id: 1 }).issues).toBe(read({ id: 2 }).issues);
    expect(read({ id: 1 }).issues).toEqual([]);
  });

  it("takes text that happens to be UNKNOWN for text", () => {
    expect(compileMapping(mapped({ company: t.text("a") })).read({ a: "UNKNOWN" }).issues).toEqual([]);
  });

  it.each([null, undefined, 7, "x", [], {}])("has an issue on the key of %j, whatever rule reads it", record => {
    const { read } = compileMapping(mapped({ key: t.joined(":", "a", "b") }));
    expect(read(record)).toEqual({
      entity: { key: null },
      issues: [{ field: "key", code: "INVALID_VALUE", rule: "joined", inputs: ["a", "b"] }],
    });
  });

  it("gives the explicit keys that a record has, and leaves out the others", () => {
    const { clues } = compileMapping(contacts);
    expect(clues(contact)).toEqual([{ space: "account_number", value: "4821" }]);
    expect(clues({ id: "1", properties: {} })).toEqual([]);
  });
});

describe("both compilers", () => {
  it.each(["", "a..b", ".a", 'a"b', "a*", "a\\b"])("refuse the path %j, which they would read differently", path => {
    const refusal = expect.objectContaining({ code: "SOURCE_INVALID", message: expect.stringContaining(`"${path}"`) });
    expect(() => compileMapping(mapped({ name: t.text(path) }))).toThrow(refusal);
    expect(() => compileSql(mapped({ name: t.text(path) }))).toThrow(refusal);
    expect(() => compileQuery(mapped({ name: t.text(path) }), { from: "records" })).toThrow(refusal);
  });

  it.each(["no such rule", "constructor"])("refuse the rule %j", rule => {
    const refusal = expect.objectContaining({ code: "SOURCE_INVALID", message: expect.stringContaining(`"${rule}"`) });
    const collection = mapped({ name: { rule, inputs: ["a"] } as unknown as RuleData });
    expect(() => compileMapping(collection)).toThrow(refusal);
    expect(() => compileSql(collection)).toThrow(refusal);
  });

  it("say the same of a declared collection, missing keys and clues included", async () => {
    const connection = await openDuckDB();
    const records = [contact, parseJson("{}"), parseJson('{"id":" ","properties":{"account_number":17}}')];
    const js = byJavaScript(contacts, records);
    expect(js.map(({ issues }) => issues["key"])).toEqual([null, "INVALID_VALUE", "INVALID_VALUE"]);
    expect(js.map(({ clues }) => clues["account_number"])).toEqual(["4821", null, "17"]);
    expect(await bySql(connection, contacts, records)).toEqual(js);
    expect(await byExpressions(connection, contacts, records)).toEqual(js);
  });

  it("take a mapping that reads nothing", async () => {
    const nothing = mapped({ status: t.literal(null) });
    const connection = await openDuckDB();
    expect(await bySql(connection, nothing, [{}, {}])).toEqual(byJavaScript(nothing, [{}, {}]));
  });
});

describe("compileQuery", () => {
  it("takes the record from any expression and passes columns on", async () => {
    const connection = await openDuckDB();
    const from = `(SELECT 7 AS place, '[{"a":" x "}]'::JSON AS body)`;
    const { query } = compileQuery(mapped({ name: t.text("a") }), { from, record: "body->0", keep: ["place"] });
    expect((await connection.runAndReadAll(query)).getRowObjects()).toEqual([{ place: 7, name: "x", "name issue": null }]);
  });
});

describe("registerFunctions", () => {
  it("may be called again, and by another connection", async () => {
    const connection = await openDuckDB();
    await registerFunctions(connection);
    const reader = await connection.runAndReadAll(
      "SELECT tributary_country('deu'), tributary_country(NULL), tributary_phone(NULL)",
    );
    expect(reader.getRows()).toEqual([["DE", null, null]]);
  });
});

describe("recordText", () => {
  it("keeps every digit, the last of equal names, and text with backslashes; unpaired surrogates become U+FFFD", () => {
    const text = String.raw`{"n":0.10000000000000000001,"i":12345678901234567890123,"n2":1e400,"a":1,"a":2,"s":"\ud800 \\ud800 😀 \u0000"}`;
    const clean = String.raw`{"n":0.10000000000000000001,"i":12345678901234567890123,"n2":1e400,"a":2,"s":"� \\ud800 😀 \u0000"}`;
    expect(recordText(parseJson(text))).toBe(clean);
  });
});

describe("lineageOf", () => {
  it("names the source fields, the rule and the unit of every canonical field", () => {
    const lineage = lineageOf(contacts);
    expect(lineage.map(({ field }) => field)).toEqual(Object.keys(contacts.map));
    expect(lineage[1]).toEqual({
      field: "name",
      sourceFields: ["properties.firstname", "properties.lastname"],
      rule: "fullName",
    });
    expect(lineageOf(mapped({ paidAt: t.epochSeconds("paid") }))).toEqual([
      { field: "paidAt", sourceFields: ["paid"], rule: "epochSeconds", unit: "s since 1970-01-01T00:00:00Z" },
    ]);
  });
});

describe("canonicalText", () => {
  it.each([
    [null, null],
    ["x", "x"],
    [true, "true"],
    [false, "false"],
    [-7, "-7"],
  ])("writes %j as %j", (value, text) => expect(canonicalText(value)).toBe(text));
});

describe("the country table", () => {
  const rows = countryTable.trim().split("\n");

  it("has the 249 countries of ISO 3166-1, each found by code and by name", () => {
    expect(rows).toHaveLength(249);
    for (const row of rows) {
      const [, alpha2 = "", alpha3 = "", name = ""] = /^ *([A-Z]{2}) ([A-Z]{3}) (.+)$/.exec(row) ?? [];
      expect([alpha2, alpha3, name, name.toUpperCase()].map(countryOf)).toEqual([alpha2, alpha2, alpha2, alpha2]);
    }
  });

  it("gives every other name to the country it stands beside", () => {
    for (const [alpha2, names] of Object.entries(otherNames)) expect(names.map(countryOf)).toEqual(names.map(() => alpha2));
  });
});

describe("remembered", () => {
  it("computes each input once, null included", () => {
    const asked: string[] = [];
    const length = remembered(text => {
      asked.push(text);
      return text === "" ? null : String(text.length);
    });
    expect(["ab", "", "ab", ""].map(length)).toEqual(["2", null, "2", null]);
    expect(asked).toEqual(["ab", ""]);
  });
});
