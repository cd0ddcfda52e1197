import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { parseJson } from "../../../src/core/json.ts";
import { fillCollection } from "../../../src/intake/fill.ts";
import type { Drift } from "../../../src/source/drift.ts";
import { CustomerIndex } from "../../../src/store/customer-index.ts";
import { type Database, openDatabase } from "../../../src/store/database.ts";
import { FieldShapes } from "../../../src/store/field-shapes.ts";
import { Mirror } from "../../../src/store/mirror.ts";
import type { CallContext } from "../../../src/upstream/context.ts";
import { DriftLog } from "../../../src/upstream/drift/drift-log.ts";
import { shop } from "../upstream/drift/stage.ts";

const context: CallContext = {
  priority: "bulk",
  signal: new AbortController().signal,
  deadlineAtMs: Number.POSITIVE_INFINITY,
  requestId: "test",
};
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const account = (id: number, more: object = {}) => ({
  id: `a${id}`,
  who: { mail: "ann@example.com", full: "Ann" },
  plan: "free",
  ...more,
});

let database: Database;
let mirror: Mirror;
let drift: { log: DriftLog; shapes: FieldShapes };
const clock = { nowMs: () => 1_000, sleep: () => Promise.resolve() };

beforeEach(async () => {
  database = await openDatabase(null);
  mirror = new Mirror(database);
  drift = { log: new DriftLog({ clock }), shapes: new FieldShapes(database) };
});
afterEach(() => database.close());

/** Reads one page of accounts into the mirror under a policy. */
async function fill(items: readonly object[], policy: Drift = {}) {
  const { catalog, accounts } = shop();
  const text = JSON.stringify({ items });
  const response = { status: 200, headers: {}, text, body: parseJson(text), problems: [], receivedAtMs: 1_000, attempts: 1 };
  const upstream = { source: accounts.source, baseUrl: "https://example.com", send: async () => response };
  const entry = { ...accounts, collection: { ...accounts.collection, drift: policy } };
  const parts = {
    catalog,
    upstreamOf: () => upstream as never,
    mirror,
    index: new CustomerIndex(database),
    drift,
    clock,
    logger: quiet,
  };
  return fillCollection(parts, entry, context);
}

const seen = () => drift.log.of("shop.accounts").map(({ kind, field, key, count }) => [kind, field, key, count]);
const many = (more: object = {}) => Array.from({ length: 30 }, (_, index) => account(index, more));

describe("a reading into the mirror", () => {
  it("learns its fields the first time, reports a new one the next time, and knows it from then on", async () => {
    await fill(many());
    expect(seen()).toEqual([]);
    await fill(many({ tier: 1 }));
    expect(seen()).toEqual([["unknownField", "tier", "a29", 30]]);
    expect(await drift.shapes.all()).toEqual(new Map([["shop.accounts", expect.arrayContaining(["id", "who.mail", "tier"])]]));
    await fill(many({ tier: 1 }));
    expect(seen()).toEqual([["unknownField", "tier", "a29", 30]]);
  });

  it("that does not come to its end teaches nothing", async () => {
    await fill(many());
    const broken = Array.from({ length: 30 }, (_, index) => ({ id: `a${index}`, tier: 1 }));
    expect(await fill(broken)).toMatchObject({ isComplete: false, broken: 30 });
    expect((await drift.shapes.all()).get("shop.accounts")).not.toContain("tier");
  });

  it("leaves out what the policy leaves out, and counts it", async () => {
    const result = await fill([...many(), account(30, { plan: 5 })], { changedType: "discard_row" });
    expect(result).toMatchObject({ isComplete: true, records: 30, broken: 1 });
    expect(await mirror.count("shop.accounts")).toBe(30);
    expect(seen()).toEqual([["changedType", "plan", "a30", 1]]);
  });

  it("indexes a record whose value was discarded by what is left of it", async () => {
    await fill([account(1, { who: { mail: 5, full: "Ann" } })], "discard_value");
    const [record] = await mirror.all("shop.accounts");
    expect(record).toMatchObject({ entity: { name: "Ann", email: null }, issues: [{ field: "email", code: "INVALID_VALUE" }] });
  });

  it("of a frozen collection ends where it differs", async () => {
    expect(await fill([...many(), account(30, { plan: 5 })], "freeze")).toMatchObject({
      isComplete: false,
      error: { code: "UPSTREAM_FROZEN" },
    });
  });
});
