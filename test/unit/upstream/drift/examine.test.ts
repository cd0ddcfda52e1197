import { describe, expect, it } from "@jest/globals";
import type { Json } from "../../../../src/core/json.ts";
import { type DriftKind, driftPolicies } from "../../../../src/source/drift.ts";
import { readRecord } from "../../../../src/upstream/decode.ts";
import { examinerOf } from "../../../../src/upstream/drift/examine.ts";
import { knownShape } from "../../../../src/upstream/drift/learned-fields.ts";
import { billsUnder, shop, soundBill } from "./stage.ts";

const { bills } = shop();
const known = knownShape(bills.collection, []);
const findingsIn = (record: Json) => examinerOf(bills.collection)(record, { known, withWords: true })?.findings ?? [];

type Change = readonly [DriftKind, string, object, { expected: string; offending: string; policy?: string }];

const changes: readonly Change[] = [
  ["unknownField", "tax", { tax: 5 }, { expected: "no such field", offending: "(number)", policy: "evolve" }],
  ["missingField", "cents", { cents: undefined }, { expected: "number or integer", offending: "absent", policy: "reject" }],
  ["missingField", "times.due", { times: { made: 1 } }, { expected: "number", offending: "absent" }],
  ["changedType", "cents", { cents: "10" }, { expected: "number or integer", offending: '"10"', policy: "reject" }],
  ["changedType", "times", { times: [1] }, { expected: "object", offending: "(list)" }],
  ["changedType", "lines[*].text", { lines: [{ text: "a" }, { text: 7 }] }, { expected: "text", offending: "7" }],
  ["changedType", "times.made", { times: { made: 1.5, due: null } }, { expected: "integer", offending: "1.5" }],
  ["newEnumValue", "state", { state: "lost" }, { expected: "one of open, paid, odd", offending: '"lost"', policy: "evolve" }],
  ["newEnumValue", "channel", { channel: "fax" }, { expected: "one of web, post", offending: '"fax"' }],
  ["changedType", "channel", { channel: 3 }, { expected: "one of web, post", offending: "3" }],
  ["changedNullability", "money", { money: null }, { expected: "text", offending: "null", policy: "reject" }],
];

/** As JSON has it: without what is undefined. */
const bill = (change: object): Json => JSON.parse(JSON.stringify({ ...soundBill(), ...change })) as Json;

describe("a record held against what was agreed", () => {
  it.each(changes)("%s at %s is told apart", (kind, field, change, rest) => {
    expect(findingsIn(bill(change))).toEqual([expect.objectContaining({ kind, field, ...rest })]);
  });

  it("is sound as it was agreed, with what is optional left out, and with a word that is listed as unknown", () => {
    for (const change of [{}, { number: undefined }, { number: null }, { account: null }, { state: "odd" }, { state: " PAID " }])
      expect(findingsIn(bill(change))).toEqual([]);
  });

  it("has each difference once, however many elements of a list show it", () => {
    const lines = [{ text: 1 }, { text: 2 }, { extra: 1, text: "x" }, { extra: 2, text: "y" }];
    expect(findingsIn(bill({ lines })).map(({ kind, field }) => [kind, field])).toEqual([
      ["changedType", "lines[*].text"],
      ["unknownField", "lines[*].extra"],
    ]);
  });

  it("is not held against fields as long as nobody knows them", () => {
    expect(examinerOf(bills.collection)(bill({ tax: 1 }), { known: null })).toBeNull();
  });

  it("that is no object at all is one difference", () => {
    for (const record of [null, 7, "text", []]) expect(findingsIn(record).map(({ field }) => field)).toEqual(["(record)"]);
  });
});

describe("a personal value", () => {
  const { accounts } = shop();
  const findings = (record: Json) => examinerOf(accounts.collection)(record)?.findings.map(({ offending }) => offending);

  it("is not shown where a customer's name, email or phone is read, nor is what holds it", () => {
    expect(findings({ id: "1", who: { mail: 5, full: false }, plan: "free" })).toEqual([
      "[redacted] (number)",
      "[redacted] (boolean)",
    ]);
    expect(findings({ id: "1", who: "ann@example.com", plan: "free" })).toEqual(["[redacted] (text)"]);
    expect(findings({ id: "1", who: { mail: "a@b.c", full: "Ann" }, plan: "dear" })).toEqual(['"dear"']);
  });

  it("is not shown where it is declared so, with all below it", () => {
    const { bills: declared } = shop({ personal: ["times", "money"] });
    const record = bill({ money: 9, times: { made: "Ann", due: null }, cents: "1" });
    const offending = examinerOf(declared.collection)(record)?.findings.map(each => [each.field, each.offending]);
    expect(Object.fromEntries(offending ?? [])).toEqual({
      cents: '"1"',
      money: "[redacted] (number)",
      "times.made": "[redacted] (text)",
    });
  });

  it("is cut where it is long", () => {
    const [finding] = findingsIn(bill({ channel: "x".repeat(500) }));
    expect(finding!.offending.length).toBeLessThan(90);
  });
});

describe("what comes of a record that differs", () => {
  const without = bill({ cents: undefined });

  it("evolve: it is taken, and the mapping reads what it can", () => {
    const read = readRecord(billsUnder("evolve"), bill({ cents: "1050", times: { made: null, due: null } }));
    expect(read).toMatchObject({ entity: { amount: "10.50", issuedAt: null }, issues: [] });
    expect(readRecord(billsUnder("evolve"), bill({ state: "lost" }))).toMatchObject({
      entity: { status: "UNKNOWN" },
      issues: [{ field: "status", code: "UNKNOWN_ENUM_VALUE" }],
    });
  });

  it.each([
    ["a missing field", { cents: undefined }, ["amount"]],
    ["null", { money: null }, ["amount", "currency"]],
    ["another type", { number: 5 }, ["number"]],
    ["another type of what holds others", { times: "then" }, ["issuedAt", "dueAt"]],
    ["a word that the mapping does not list", { state: "lost" }, ["status"]],
  ])("discard_value: %s leaves what reads it null, with an issue, and the rest as it is", (_what, change, fields) => {
    const read = readRecord(billsUnder("discard_value"), bill(change));
    expect(read?.issues.map(({ field, code }) => [field, code])).toEqual(fields.map(field => [field, "INVALID_VALUE"]));
    const sound = readRecord(bills, soundBill())!.entity;
    const nulls = Object.fromEntries(fields.map(field => [field, null]));
    expect(read?.entity).toEqual({ ...sound, ...nulls });
  });

  it("discard_value: never a key nor an owner, without which nothing is found", () => {
    for (const change of [{ id: undefined }, { id: 5 }, { account: 5 }])
      expect(() => readRecord(billsUnder("discard_value"), bill(change))).toThrow(
        expect.objectContaining({ code: "UPSTREAM_CONTRACT" }),
      );
  });

  it("discard_row: it is left out, unless nobody can say which one it is", () => {
    expect(readRecord(billsUnder("discard_row"), without)).toBeNull();
    expect(() => readRecord(billsUnder("discard_row"), bill({ id: undefined }))).toThrow(
      expect.objectContaining({ code: "UPSTREAM_CONTRACT" }),
    );
  });

  it("reject and freeze: an error that names the place", () => {
    const thrown = (code: string) => expect.objectContaining({ code, message: expect.stringContaining("cents: missingField") });
    expect(() => readRecord(billsUnder("reject"), without)).toThrow(thrown("UPSTREAM_CONTRACT"));
    expect(() => readRecord(billsUnder("freeze"), without)).toThrow(thrown("UPSTREAM_FROZEN"));
  });

  it("is decided by the gravest of several", () => {
    const drift = { missingField: "discard_value", changedType: "discard_row", newEnumValue: "evolve" } as const;
    const record = bill({ cents: undefined, money: 4, state: "lost" });
    expect(examinerOf(billsUnder(drift).collection)(record)?.policy).toBe("discard_row");
    expect(driftPolicies.at(-1)).toBe("freeze");
  });

  it("leaves the record that came as it came", () => {
    const record = bill({ times: "then", state: "lost" });
    const text = JSON.stringify(record);
    readRecord(billsUnder("discard_value"), record);
    expect(JSON.stringify(record)).toBe(text);
  });
});
