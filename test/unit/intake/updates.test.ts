import { afterEach, describe, expect, it } from "@jest/globals";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { UpstreamError } from "../../../src/core/errors.ts";
import { parseJson } from "../../../src/core/json.ts";
import type { Clock } from "../../../src/core/ports.ts";
import { applyEvents } from "../../../src/intake/apply.ts";
import { UpdateBook } from "../../../src/intake/update-book.ts";
import { openBench } from "../../../src/mapping/bench.ts";
import { build } from "../../../src/pipeline/build.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { verifyVersion } from "../../../src/pipeline/verify-version.ts";
import { createCatalog } from "../../../src/source/catalog.ts";
import * as t from "../../../src/source/index.ts";
import type { UpstreamRequest } from "../../../src/source/request.ts";
import type { InboxEvent } from "../../../src/store/inbox.ts";
import { RawStore } from "../../../src/store/raw/raw-store.ts";
import type { CallContext } from "../../../src/upstream/context.ts";
import type { Upstream } from "../../../src/upstream/upstream.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

const pages = t.offsetPages({ offsetParameter: "at", sizeParameter: "size", more: "more", maxPageSize: 2 });
const nothing = t.literal(null);
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

const people = (isBatch: boolean) =>
  t.collection({
    canonical: "Customer",
    contract: z.object({ id: z.string(), name: z.string() }),
    list: { request: () => t.get("people.list", "/people"), items: "items[*]", pages, order: "oldest-first" },
    lookup: isBatch
      ? t.batchLookup({
          max: 10,
          request: keys => t.get("people.many", `/many/${keys.join(",")}`),
          items: "found[*]",
          missing: "absent",
        })
      : t.eachLookup({ request: key => t.get("people.get", `/people/${key}`), item: "person" }),
    freshness: { cacheMs: 1 },
    identity: { onePerCustomer: true },
    survivorship: { rank: 1 },
    map: {
      key: t.key("id"),
      name: t.text("name"),
      email: nothing,
      phone: nothing,
      company: nothing,
      country: nothing,
      status: nothing,
      createdAt: nothing,
    },
  });

async function stage(isBatch = false) {
  const home = await mkdtemp(join(tmpdir(), "updates-"));
  folders.push(home);
  const client = { baseUrl: "https://desk.test", auth: t.bearer({ secret: "TOKEN" }), limits: [] };
  const catalog = createCatalog([
    t.defineSource({ name: "desk", title: "Desk", version: "1", client, collections: { people: people(isBatch) } }),
  ]);
  const names = new Map<string, string>();
  const time = { nowMs: Date.UTC(2026, 0, 1) };
  const clock: Clock = { nowMs: () => time.nowMs, sleep: () => Promise.resolve() };
  const recordOf = (id: string) => ({ id, name: names.get(id) });
  const bodyOf = ({ operation, path, query = {} }: UpstreamRequest) => {
    const key = path.split("/").at(-1)!;
    if (operation === "people.many")
      return {
        found: key
          .split(",")
          .filter(id => names.has(id))
          .map(recordOf),
      };
    if (operation === "people.get") {
      if (!names.has(key)) throw new UpstreamError("UPSTREAM_NOT_FOUND", "no such person");
      return { person: recordOf(key) };
    }
    const at = Number(query["at"] ?? 0);
    const all = [...names.keys()].toSorted().map(recordOf);
    return { items: all.slice(at, at + 2), more: at + 2 < all.length };
  };
  const send = async (request: UpstreamRequest) => {
    const text = JSON.stringify(bodyOf(request));
    return { status: 200, headers: {}, text, body: parseJson(text), problems: [], receivedAtMs: time.nowMs++, attempts: 1 };
  };
  const upstream = { source: catalog.sources[0]!, baseUrl: "https://desk.test", send } as unknown as Upstream;
  const entry = catalog.entries[0]!;
  const store = new RawStore(home);
  const book = new UpdateBook(store, { clock, logger: quiet });
  const context: CallContext = {
    priority: "intake",
    signal: new AbortController().signal,
    deadlineAtMs: Number.MAX_SAFE_INTEGER,
    requestId: "r",
  };
  /** Word of these people comes, and is applied. */
  const hear = (...keys: string[]) => {
    const event = (key: string) => ({ key, receivedAtMs: time.nowMs, isDeletion: false }) as InboxEvent;
    const parts = {
      upstreamOf: () => upstream,
      mirror: { put: async () => [], remove: async () => [] },
      keeperOf: () => book.keeperOf(entry, isBatch ? "found[*]" : "person"),
      recordIn: () => undefined,
      onChanges: () => undefined,
      clock,
    };
    return applyEvents(parts, entry, new Map(keys.map(key => [key, [event(key)]])), context);
  };
  const pullAll = async () => {
    time.nowMs += 60_000;
    await pull({ catalog, upstreams: () => upstream, home, clock });
    time.nowMs += 60_000;
  };
  const built = async () => {
    const result = await build({ catalog, home });
    const bench = await openBench(null);
    const rows = await bench.rows(`SELECT name FROM read_parquet('${result.path}/customers.parquet') ORDER BY ALL`);
    bench.close();
    return { result, names: rows.map(row => row["name"]) };
  };
  return { home, catalog, context, names, hear, pullAll, built, book, store, time };
}

describe.each([
  ["one by one", false],
  ["in batches", true],
])("what a source says of records asked for %s because it sent word of them", (_name, isBatch) => {
  it("is built from, and the version can be made again", async () => {
    const { home, catalog, names, hear, pullAll, built, book, time } = await stage(isBatch);
    for (const key of ["a", "b", "c"]) names.set(key, `${key}1`);
    await pullAll();
    const before = await built();
    names.set("a", "a2").set("d", "d1").delete("b");
    const outcomes = await hear("a", "b", "d");
    expect(outcomes.get("b")).toBe("absent");
    time.nowMs += 1_000;
    names.set("a", "a3");
    await hear("a");
    await book.close();
    const after = await built();
    expect([before.names, after.names]).toEqual([
      ["a1", "b1", "c1"],
      ["a3", "c1", "d1"],
    ]);
    expect(after.result.version).not.toBe(before.result.version);
    expect(after.result.inputs[0]!.increments).toHaveLength(1);
    expect(await verifyVersion({ catalog, home })).toMatchObject({ isReproduced: true });
  });

  it("yields to a later pull, and what came back is there again", async () => {
    const { names, hear, pullAll, built, book, time } = await stage(isBatch);
    names.set("a", "a1");
    await pullAll();
    names.delete("a");
    await hear("a");
    await book.close();
    expect((await built()).names).toEqual([]);
    names.set("a", "a2");
    time.nowMs += 1_000;
    await hear("a");
    await book.close();
    expect((await built()).names).toEqual(["a2"]);
    names.set("a", "a3");
    await pullAll();
    const last = await built();
    expect([last.names, last.result.inputs[0]!.increments]).toEqual([["a3"], []]);
  });
});

describe("an update", () => {
  it("of events that are the only word on their object holds the one that happened last, in whatever order they came", async () => {
    const { home, catalog, context, names, pullAll, built, book, time } = await stage();
    names.set("a", "a1").set("b", "b1").set("c", "c1");
    await pullAll();
    const { lookup: _lookup, ...collection } = catalog.entries[0]!.collection;
    const entry = { ...catalog.entries[0]!, collection };
    const event = (key: string, name: string, occurredAtMs: number, isDeletion = false) =>
      ({
        key,
        occurredAtMs,
        isDeletion,
        receivedAtMs: time.nowMs++,
        channel: "live",
        body: JSON.stringify({ id: key, name }),
      }) as InboxEvent;
    const apply = (one: InboxEvent) => {
      const parts = {
        upstreamOf: () => undefined as never,
        mirror: { put: async () => [], remove: async () => [] },
        keeperOf: () => book.keeperOf(entry, ""),
        recordIn: (_entry: unknown, { body }: InboxEvent) => parseJson(body),
        onChanges: () => undefined,
        clock: { nowMs: () => time.nowMs, sleep: () => Promise.resolve() },
      };
      return applyEvents(parts, entry, new Map([[one.key!, [one]]]), context);
    };
    const nowMs = time.nowMs;
    for (const each of [event("a", "a3", nowMs + 30), event("b", "b9", nowMs + 40), event("c", "", nowMs + 20, true)])
      await apply(each);
    for (const each of [event("a", "a2", nowMs + 20), event("b", "", nowMs + 30, true), event("c", "c0", nowMs + 10)])
      await apply(each);
    await book.close();
    expect((await built()).names).toEqual(["a3", "b9"]);
    expect(await verifyVersion({ catalog, home })).toMatchObject({ isReproduced: true });
  });

  it("that a dead process left is finished by the next one", async () => {
    const { home, names, hear, pullAll, built, store, time, catalog } = await stage();
    names.set("a", "a1");
    await pullAll();
    names.set("a", "a2");
    await hear("a");
    const clock: Clock = { nowMs: () => Date.now() + 600_000, sleep: () => Promise.resolve() };
    expect(await store.updates("desk", "people")).toEqual([]);
    expect((await readdir(`${home}/raw/desk/people`)).filter(name => name.endsWith(".update"))).toHaveLength(1);
    await new UpdateBook(store, { clock, logger: quiet }).recover(catalog.entries);
    expect((await built()).names).toEqual(["a2"]);
    expect(time.nowMs).toBeGreaterThan(0);
  });
});
