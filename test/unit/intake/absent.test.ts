import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { UpstreamError } from "../../../src/core/errors.ts";
import { parseJson } from "../../../src/core/json.ts";
import { fillCollection, type FillParts } from "../../../src/intake/fill.ts";
import { createCatalog } from "../../../src/source/catalog.ts";
import * as t from "../../../src/source/index.ts";
import type { UpstreamRequest } from "../../../src/source/request.ts";
import { CustomerIndex } from "../../../src/store/customer-index.ts";
import { type Database, openDatabase } from "../../../src/store/database.ts";
import { Mirror } from "../../../src/store/mirror.ts";
import type { CallContext } from "../../../src/upstream/context.ts";

const context: CallContext = {
  priority: "bulk",
  signal: new AbortController().signal,
  deadlineAtMs: Number.POSITIVE_INFINITY,
  requestId: "test",
};
const nothing = t.literal(null);
const people = t.collection({
  canonical: "Customer",
  contract: z.object({ id: t.wireInteger() }),
  list: {
    request: () => t.get("people.list", "/people"),
    items: "people[*]",
    pages: t.offsetPages({ offsetParameter: "skip", maxPageSize: 2 }),
    order: "oldest-first",
  },
  tombstone: { path: "isGone", equals: true },
  lookup: t.eachLookup({ request: key => t.get("people.get", `/people/${key}`) }),
  freshness: { cacheMs: 1 },
  identity: { onePerCustomer: false },
  survivorship: { rank: 1 },
  map: {
    key: t.key("id"),
    name: nothing,
    email: nothing,
    phone: nothing,
    company: nothing,
    country: nothing,
    status: nothing,
    createdAt: nothing,
  },
});
const client = { baseUrl: "https://api.example.com", auth: t.bearer({ secret: "TOKEN" }), limits: [] };
const catalog = createCatalog([t.defineSource({ name: "model", title: "model", version: "1", client, collections: { people } })]);

/** Lists some ids, two a page, and answers for each key as told. */
class Provider {
  readonly source = { name: "model", client };
  listed: unknown[] = [];
  byKey: Record<string, "there" | "absent" | "failing"> = {};
  asked: string[] = [];

  send = async ({ path, query = {} }: UpstreamRequest) => {
    const text = JSON.stringify(path === "/people" ? this.#page(Number(query["skip"])) : this.#one(path.slice(8)));
    return { status: 200, headers: {}, text, body: parseJson(text), problems: [], receivedAtMs: this.nowMs, attempts: 1 };
  };
  nowMs = 1_000;

  #page(skip: number) {
    return { people: this.listed.slice(skip, skip + 2) };
  }
  #one(key: string) {
    this.asked.push(key);
    const state = this.byKey[key] ?? "absent";
    if (state === "absent") throw new UpstreamError("UPSTREAM_NOT_FOUND", "absent");
    if (state === "failing") throw new UpstreamError("UPSTREAM_AUTH", "refused");
    return { id: Number(key) };
  }
}

let database: Database;
let provider: Provider;
let parts: FillParts;
beforeEach(async () => {
  database = await openDatabase(null);
  provider = new Provider();
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  parts = {
    catalog,
    upstreamOf: () => provider as never,
    mirror: new Mirror(database),
    index: new CustomerIndex(database),
    clock: { nowMs: () => provider.nowMs, sleep: () => Promise.resolve() },
    logger: quiet,
  };
});
afterEach(() => database.close());

const fill = () => fillCollection(parts, catalog.entries[0]!, context);
const keys = async () => (await parts.mirror.all("model.people")).map(({ entity }) => entity.key);
const ids = (...all: number[]) => all.map(id => ({ id }));

describe("a record that a counted listing no longer has", () => {
  beforeEach(async () => {
    provider.listed = ids(1, 2, 3, 4, 5, 6);
    await fill();
    provider.nowMs = 2_000;
    provider.listed = ids(1, 2, 3);
  });

  it("is dropped when the source, asked for it, does not have it", async () => {
    expect(await fill()).toMatchObject({ isComplete: true, dropped: 3 });
    expect(await keys()).toEqual(["1", "2", "3"]);
    expect(provider.asked.toSorted()).toEqual(["4", "5", "6"]);
  });

  it("stays when it was merely passed over, or when the source does not say", async () => {
    provider.byKey = { 4: "there", 5: "failing" };
    expect(await fill()).toMatchObject({ isComplete: true, dropped: 1 });
    expect(await keys()).toEqual(["1", "2", "3", "4", "5"]);
  });

  it("is not asked for when much is gone at once", async () => {
    provider.listed = ids(...Array.from({ length: 60 }, (_, index) => index + 1));
    await fill();
    provider.nowMs = 3_000;
    provider.listed = ids(1, 2);
    expect(await fill()).toMatchObject({ isComplete: false, dropped: 0, error: { code: "UPSTREAM_LISTING" } });
    expect({ asked: provider.asked, known: (await keys()).length }).toEqual({ asked: [], known: 60 });
  });
});

describe("a record that says that it was deleted", () => {
  it("is dropped as one that the listing no longer has", async () => {
    provider.listed = ids(1, 2);
    await fill();
    provider.nowMs = 2_000;
    provider.listed = [{ id: 1 }, { id: 2, isGone: true }];
    expect(await fill()).toMatchObject({ isComplete: true, broken: 0, dropped: 1 });
    expect(await keys()).toEqual(["1"]);
  });
});

describe("a record that comes broken", () => {
  it("keeps what is known of it, and the moment when that was read", async () => {
    provider.listed = ids(...Array.from({ length: 40 }, (_, index) => index + 1));
    await fill();
    provider.nowMs = 2_000;
    provider.listed = [...provider.listed.slice(0, 39), { id: "40" }];
    const result = await fill();
    expect(result).toMatchObject({ isComplete: true, broken: 1, dropped: 0 });
    const known = await parts.mirror.fresh("model.people", ["39", "40"], 0);
    expect([...known.values()].map(({ fetchedAtMs }) => fetchedAtMs)).toEqual([2_000, 1_000]);
    expect(provider.asked).toEqual([]);
  });
});
