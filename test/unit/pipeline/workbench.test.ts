import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { type Json, parseJson } from "../../../src/core/json.ts";
import { quoted } from "../../../src/mapping/sql-text.ts";
import { recordText } from "../../../src/mapping/record-text.ts";
import type { Workbench } from "../../../src/mapping/bench.ts";
import { openWorkbench } from "../../../src/pipeline/workbench.ts";
import { itemsAt } from "../../../src/upstream/records.ts";
import { catalog } from "./stage.ts";

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench(catalog, null);
});
afterAll(() => bench.close());

/** Numbers as providers write them, digits and all. */
const numberText = fc.oneof(
  fc.bigInt().map(String),
  fc.tuple(fc.bigInt(), fc.stringMatching(/^[0-9]{1,30}$/)).map(([whole, fraction]) => `${whole}.${fraction}`),
  fc.constantFrom("1e400", "-0", "1.0", "1E5", "0.1e-7", "9007199254740993", "170141183460469231731687303715884105728"),
);
const anyText = fc.string({
  unit: fc.constantFrom("a", "\\", '"', "\ud800", "\udc00", "\u0000", "ü", "\u{1f600}", "u", "d", "8", "0"),
});
const record = fc
  .tuple(numberText, anyText, anyText)
  .map(([number, text, name]) => `{"n": ${number}, ${JSON.stringify(`t${name}`)}: ${JSON.stringify(text)}}`);

const wellFormed = (value: Json): Json =>
  JSON.parse(
    JSON.stringify(value, (_name, inner: unknown) => (typeof inner === "bigint" ? `${inner}` : inner)).replace(
      /\\(?:\\|ud[89a-f]..)/g,
      escape => (escape === "\\\\" ? escape : "\ufffd"),
    ),
  ) as Json;

describe("a record's exact text", () => {
  it("reads as what the response said, to the last digit, but for lone surrogates", () => {
    fc.assert(
      fc.property(record, text => {
        const parsed = parseJson(text);
        expect(wellFormed(parseJson(recordText(parsed)))).toEqual(wellFormed(parsed));
        expect(recordText(parsed).isWellFormed()).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("is JSON that DuckDB takes, whatever the source sent", async () => {
    const texts = fc.sample(record, 500);
    const body = `{"rows": [${texts.join(", ")}]}`;
    const rows = await bench.rows(
      `SELECT unnest(records_of(${quoted(body)}, 'rows[*]', 'shop.accounts')[1:-:2])::JSON::VARCHAR AS record`,
    );
    expect(rows.map(row => row["record"])).toEqual(itemsAt(parseJson(body), "rows[*]", "").map(each => recordText(each)));
  });
});

describe("records_of", () => {
  const records = async (body: string, path: string) =>
    (await bench.rows(`SELECT unnest(records_of(${quoted(body)}, ${quoted(path)}, 'shop.accounts')[1:-:2]) AS record`)).map(
      row => row["record"],
    );

  it("goes through a body that is itself a list", async () => {
    expect(await records('[{"id":9007199254740993},{"id":2}]', "[*]")).toEqual(['{"id":9007199254740993}', '{"id":2}']);
  });

  it("goes through lists in lists, in order, past empty and null ones", async () => {
    const body = `{"a": [{"b": {"c": [1, 2]}}, null, {"b": {"c": []}}, {"b": {"c": [3]}}]}`;
    expect(await records(body, "a[*].b.c[*]")).toEqual(["1", "2", "3"]);
  });

  it("names the places that break a collection's contract, and nothing else", async () => {
    const [row] = await bench.rows(`
      SELECT found[2]->>'breaks' AS bad, found[4] AS good FROM (SELECT records_of('[{"id": 5}, {"id": "5"}]', '[*]', 'shop.accounts') AS found)`);
    expect(row).toEqual({ bad: expect.stringMatching(/^id: /), good: null });
  });

  it("fails on a response in which the list is not where it was", async () => {
    await expect(records(`{"b": []}`, "a[*]")).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("a is not there"),
    });
  });
});
