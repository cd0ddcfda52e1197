import { describe, expect, it } from "@jest/globals";
import { DriftLog } from "../../../../src/upstream/drift/drift-log.ts";
import type { DriftFinding } from "../../../../src/upstream/drift/finding.ts";
import { knownShape } from "../../../../src/upstream/drift/learned-fields.ts";
import { billsUnder, shop } from "./stage.ts";

const finding = (field: string): DriftFinding => ({
  kind: "changedType",
  policy: "reject",
  field,
  expected: "text",
  offending: "5",
});

function open() {
  const state = { nowMs: 1_000, lines: [] as object[], counted: [] as object[] };
  const write = (fields: object) => void state.lines.push(fields);
  const log = new DriftLog({
    clock: { nowMs: () => state.nowMs },
    logger: { debug: write, info: write, warn: write, error: write },
    meter: { count: (_name, labels) => void state.counted.push(labels), observe: () => undefined },
  });
  return { state, log };
}

const { bills } = shop();

describe("the log of differences", () => {
  it("counts each, shows the last, and writes one line for it however often it comes", () => {
    const { state, log } = open();
    log.note(bills, [finding("money")], "b1");
    state.nowMs = 5_000;
    log.note(bills, [{ ...finding("money"), offending: "6" }, finding("state")], "b2");
    expect(log.of("shop.bills")).toEqual([
      { ...finding("money"), offending: "6", key: "b2", count: 2, firstSeenAtMs: 1_000, lastSeenAtMs: 5_000 },
      { ...finding("state"), key: "b2", count: 1, firstSeenAtMs: 5_000, lastSeenAtMs: 5_000 },
    ]);
    expect(state.lines).toMatchObject([{ field: "money", key: "b1" }, { field: "state" }]);
    expect(state.counted).toHaveLength(3);
    expect(log.of("shop.accounts")).toEqual([]);
  });

  it("stays small however many fields differ", () => {
    const { state, log } = open();
    for (let index = 0; index < 1_000; index++) log.note(bills, [finding(`f${index}`)], null);
    const counts = log.of("shop.bills");
    expect(counts).toHaveLength(101);
    expect(counts.at(-1)).toMatchObject({ field: "(others)", count: 900 });
    expect(state.lines).toHaveLength(101);
    expect(new Set(state.counted.map(labels => JSON.stringify(labels))).size).toBe(101);
  });

  it("has one record in 16 held against the known fields where unknown ones are only reported, and every one where they decide", () => {
    const turns = (drift: "evolve" | "discard_row") => {
      const { log } = open();
      const entry = billsUnder(drift);
      expect(log.known(entry)).toBeNull();
      log.learn(entry.id, knownShape(entry.collection, []));
      return Array.from({ length: 32 }, () => log.known(entry)).filter(shape => shape !== null).length;
    };
    expect(turns("evolve")).toBe(2);
    expect(turns("discard_row")).toBe(32);
  });
});
