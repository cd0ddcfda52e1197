import { afterEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { z } from "zod";
import { UpstreamError } from "../../../src/core/errors.ts";
import { parseJson } from "../../../src/core/json.ts";
import type { Clock } from "../../../src/core/ports.ts";
import { openBench, type Row } from "../../../src/mapping/bench.ts";
import { build, type BuildResult } from "../../../src/pipeline/build.ts";
import { explainCell } from "../../../src/pipeline/explain.ts";
import { pull, type PullOptions } from "../../../src/pipeline/pull.ts";
import { type Catalog, createCatalog } from "../../../src/source/catalog.ts";
import type { Watermark } from "../../../src/source/increment.ts";
import * as t from "../../../src/source/index.ts";
import type { UpstreamRequest } from "../../../src/source/request.ts";
import { RawStore } from "../../../src/store/raw/raw-store.ts";
import type { Upstream } from "../../../src/upstream/upstream.ts";
import { newHome, NOW_MS, removeHomes } from "./stage.ts";

afterEach(removeHomes);

const DAY_MS = 86_400_000;
const LAG_MS = 60_000;
const nothing = t.literal(null);
const pages = t.offsetPages({ offsetParameter: "at", sizeParameter: "size", more: "more", maxPageSize: 2 });
const cursors = t.cursorPages({ next: "next", more: "more", cursorParameter: "at", sizeParameter: "size", maxPageSize: 2 });
const changesBy = (style: typeof pages | typeof cursors) => ({
  request: (since: string) => t.get("people.changes", "/changes", { since }),
  items: "found[*]",
  pages: style,
});
const watermark: Watermark = {
  field: "changed",
  format: "epoch-ms",
  sees: "updates",
  seesDeletions: true,
  isInclusive: true,
  safetyLagMs: LAG_MS,
  listing: changesBy(cursors),
};

/** People who can be listed, and listed by what changed. */
const catalogOf = (more: Partial<Watermark> = {}): Catalog => {
  const people = t.collection({
    canonical: "Customer",
    contract: z.object({ id: z.string(), name: z.string(), changed: z.number() }),
    list: {
      request: () => t.get("people.list", "/people"),
      items: "items[*]",
      pages,
      order: "oldest-first",
      watermark: { ...watermark, ...more },
    },
    lookup: t.eachLookup({ request: key => t.get("people.get", `/people/${key}`) }),
    tombstone: { path: "deleted", equals: true },
    freshness: { cacheMs: 1 },
    identity: { onePerCustomer: true },
    survivorship: { rank: 1 },
    maxQuarantinedShare: 1,
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
  const client = { baseUrl: "https://desk.test", auth: t.bearer({ secret: "TOKEN" }), limits: [] };
  return createCatalog([t.defineSource({ name: "desk", title: "Desk", version: "1", client, collections: { people } })]);
};

interface Person {
  readonly id: string;
  readonly name: unknown;
  readonly changed: number;
  readonly deleted?: boolean;
}

interface World {
  readonly catalog: Catalog;
  readonly people: Map<string, Person>;
  nowMs: number;
  /** Answers from this one on are errors. */
  failFrom: number;
  readonly asked: UpstreamRequest[];
}

const worldOf = (more: Partial<Watermark> = {}): World => ({
  catalog: catalogOf(more),
  people: new Map(),
  nowMs: NOW_MS,
  failFrom: Number.POSITIVE_INFINITY,
  asked: [],
});

/** Writes people now, so that what is due has been seen by nobody. */
function write(world: World, ...changes: readonly Partial<Person>[]): void {
  for (const { id = "", name = "", ...more } of changes) world.people.set(id, { id, name, changed: world.nowMs, ...more });
}

function answerTo(world: World, { operation, query = {} }: UpstreamRequest) {
  const [at, all] = [Number(query["at"] ?? 0), [...world.people.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))];
  const isChanges = operation === "people.changes";
  const rows = isChanges
    ? all.filter(({ changed }) => changed >= Number(query["since"])).toSorted((a, b) => a.changed - b.changed)
    : all.filter(({ deleted }) => deleted !== true);
  const text = JSON.stringify({
    [isChanges ? "found" : "items"]: rows.slice(at, at + 2),
    next: String(at + 2),
    more: at + 2 < rows.length,
  });
  return { status: 200, headers: {}, text, body: parseJson(text), problems: [], receivedAtMs: world.nowMs, attempts: 1 };
}

async function run(world: World, home: string, more: Partial<PullOptions> = {}) {
  const { catalog } = world;
  const clock: Clock = { nowMs: () => world.nowMs, sleep: () => Promise.resolve() };
  world.asked.length = 0;
  const send = (request: UpstreamRequest) => {
    world.asked.push(request);
    if (world.asked.length > world.failFrom) return Promise.reject(new UpstreamError("UPSTREAM_UNAVAILABLE", "it is down"));
    return Promise.resolve(answerTo(world, request));
  };
  const upstream = { source: catalog.sources[0]!, baseUrl: "https://desk.test", send } as unknown as Upstream;
  const { verdicts } = await pull({ catalog, upstreams: () => upstream, home, clock, ...more });
  return verdicts[0]!;
}

/** A pull some minutes after what was written before it. */
async function later(world: World, home: string, more: Partial<PullOptions> = {}) {
  world.nowMs += 10 * LAG_MS;
  const verdict = await run(world, home, more);
  world.nowMs += 10 * LAG_MS;
  return verdict;
}

async function rowsOf({ path }: BuildResult, table: string, columns: string): Promise<readonly Row[]> {
  const bench = await openBench(null);
  const rows = await bench.rows(`SELECT ${columns} FROM read_parquet('${path}/${table}.parquet') ORDER BY ALL`);
  bench.close();
  return rows;
}

const peopleIn = (result: BuildResult) => rowsOf(result, "customers", "id, name, source_keys[1] AS key");
const buildOf = ({ catalog }: World, home: string) => build({ catalog, home });

describe("a pull after a complete one", () => {
  it("lists what changed, and the build takes the newest version of each and leaves out what was deleted", async () => {
    const home = await newHome();
    const world = worldOf();
    write(world, { id: "p1", name: "Ann" }, { id: "p2", name: "Bob" }, { id: "p3", name: "Cyd" });
    expect(await later(world, home)).not.toHaveProperty("increment");
    const before = await buildOf(world, home);
    write(world, { id: "p1", name: "Anna" }, { id: "p2", deleted: true }, { id: "p4", name: "Dan" });
    const second = await later(world, home);
    expect(second).toMatchObject({ verdict: "complete", records: 3, increment: { mayMiss: [] } });
    expect(new Set(world.asked.map(({ operation }) => operation))).toEqual(new Set(["people.changes"]));
    write(world, { id: "p4", name: "Daniel" });
    // What is at the watermark comes again.
    expect(await later(world, home)).toMatchObject({ records: 3, increment: { base: second.increment!.base } });
    const result = await buildOf(world, home);
    expect((await peopleIn(result)).map(({ name, key }) => [key, name])).toEqual(
      expect.arrayContaining([
        ["desk.people:p1", "Anna"],
        ["desk.people:p3", "Cyd"],
        ["desk.people:p4", "Daniel"],
      ]),
    );
    expect(result.tables.find(({ name }) => name === "customers")!.rows).toBe(3);
    expect(result.collections[0]).toMatchObject({ records: 9, superseded: 5, deleted: 1, duplicates: 0 });
    expect(result.inputs[0]).toMatchObject({ pull: second.increment!.base, increments: [second.pull, expect.any(String)] });
    expect(result.version).not.toBe(before.version);
    const cell = { column: "customers.name", id: "desk.people:p1" };
    const explained = await explainCell({ catalog: world.catalog, home }, cell);
    expect(explained).toMatchObject({ value: "Anna", isReproduced: true });
    expect(result.inputs[0]!.increments).toContain(explained.says[0]!.raw.pull);
  });

  it("and those after it make the tables that a pull of everything would make, whatever changed, broke off or came late", async () => {
    const change = fc.record({
      id: fc.constantFrom("p1", "p2", "p3", "p4", "p5"),
      name: fc.constantFrom("A", "B", "C"),
      deleted: fc.boolean(),
    });
    const step = fc.record({
      changes: fc.array(change, { maxLength: 4 }),
      failFrom: fc.constantFrom(0, 1, 2, 99),
      minutes: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), fc.boolean(), async (steps, isCounted) => {
        const [home, fresh, world] = [
          await newHome(),
          await newHome(),
          worldOf({ listing: changesBy(isCounted ? pages : cursors) }),
        ];
        await run(world, home);
        for (const { changes, failFrom, minutes } of steps) {
          write(world, ...changes);
          world.nowMs += minutes * 30_000;
          await run(Object.assign(world, { failFrom }), home);
        }
        world.failFrom = Number.POSITIVE_INFINITY;
        // One to go on where the last broke off, one for what has changed since.
        for (let more = 0; more < 2; more++) await later(world, home);
        await later(world, fresh, { isFull: true });
        expect(await peopleIn(await buildOf(world, home))).toEqual(await peopleIn(await buildOf(world, fresh)));
      }),
      { numRuns: 6 },
    );
  }, 300_000);

  it("goes on with what changed where it broke off, from the same instant", async () => {
    const home = await newHome();
    const world = worldOf();
    await later(world, home);
    write(world, ...["p1", "p2", "p3", "p4", "p5"].map(id => ({ id, name: id })));
    world.failFrom = 1;
    expect(await later(world, home)).toMatchObject({ verdict: "partial", pages: 1, mayGoOn: true });
    world.failFrom = Number.POSITIVE_INFINITY;
    expect(await later(world, home)).toMatchObject({ verdict: "complete", keptPages: 1, pages: 3, records: 5, increment: {} });
    expect(world.asked).toHaveLength(2);
  });

  it("takes no older version for a newer one because it came later", async () => {
    const home = await newHome();
    const world = worldOf();
    write(world, { id: "p1", name: "New" });
    await later(world, home);
    world.people.set("p1", { id: "p1", name: "Old", changed: NOW_MS - 1 });
    world.nowMs = NOW_MS + 11 * LAG_MS;
    const { catalog } = world;
    const stale = parseJson(`{"found": [{"id": "p1", "name": "Old", "changed": ${NOW_MS - 1}}], "more": false}`);
    const answer = { status: 200, headers: {}, text: JSON.stringify(stale), body: stale, problems: [], attempts: 1 };
    const send = () => Promise.resolve({ ...answer, receivedAtMs: world.nowMs });
    const upstream = { source: catalog.sources[0]!, baseUrl: "https://desk.test", send } as unknown as Upstream;
    const clock: Clock = { nowMs: () => world.nowMs, sleep: () => Promise.resolve() };
    const { verdicts } = await pull({ catalog, upstreams: () => upstream, home, clock });
    expect(verdicts[0]).toMatchObject({ records: 1, increment: {} });
    expect((await peopleIn(await buildOf(world, home))).map(({ name }) => name)).toEqual(["New"]);
  });

  it("puts a newest version that breaks its contract into quarantine, and no older one in its place", async () => {
    const home = await newHome();
    const world = worldOf();
    write(world, { id: "p1", name: "Ann" }, ...["p2", "p3"].map(id => ({ id, name: id })));
    await later(world, home);
    write(world, { id: "p1", name: { first: "Ann" } }, ...Array.from({ length: 30 }, (_, n) => ({ id: `q${n}`, name: "x" })));
    const { pull: increment } = await later(world, home);
    const result = await buildOf(world, home);
    expect((await peopleIn(result)).map(({ key }) => key)).not.toContain("desk.people:p1");
    expect(await rowsOf(result, "quarantine", "key, pull")).toEqual([{ key: "p1", pull: increment }]);
  });
});

describe("everything is listed again", () => {
  const reasonAfter = async (more: Partial<Watermark>, options: Partial<PullOptions> = {}, days = 0) => {
    const [home, world] = [await newHome(), worldOf(more)];
    for (let count = 0; count < 3; count++) await later(world, home);
    world.nowMs += days * DAY_MS;
    const { fullBecause, increment } = await later(world, home, options);
    expect(increment === undefined).toBe(fullBecause !== undefined);
    return fullBecause;
  };

  it.each<[string, Partial<Watermark>, Partial<PullOptions>, number, RegExp | undefined]>([
    ["when it is asked for", {}, { isFull: true }, 0, /asked for/],
    ["after so many increments", { full: { afterIncrements: 2 } }, {}, 0, /2 increments/],
    ["when the last time is too long ago", {}, {}, 7, /7 days/],
    ["where edits are not seen", { sees: "inserts", editsBy: "full-listing" }, {}, 0, /edits/],
    ["where webhooks tell of edits, which a pull does not hear", { sees: "inserts", editsBy: "webhooks" }, {}, 0, /edits/],
    ["but not where nothing is ever edited", { sees: "inserts", editsBy: "nothing-changes" }, {}, 0, undefined],
    ["but not otherwise", {}, {}, 0, undefined],
  ])("%s", async (_name, more, options, days, reason) => {
    const found = await reasonAfter(more, options, days);
    if (reason === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(reason);
  });

  it("where deletions do not show, and only then they are seen", async () => {
    const [home, world] = [await newHome(), worldOf({ seesDeletions: false })];
    write(world, { id: "p1", name: "Ann" }, { id: "p2", name: "Bob" });
    await later(world, home);
    world.people.delete("p1");
    expect(await later(world, home)).toMatchObject({ verdict: "complete", increment: { mayMiss: ["deletions"] } });
    expect(await peopleIn(await buildOf(world, home))).toHaveLength(2);
    await later(world, home, { isFull: true });
    expect(await peopleIn(await buildOf(world, home))).toHaveLength(1);
  });
});

describe("what a complete pull does not have any more", () => {
  const shrinking = async (from: number, to: number, more: Partial<PullOptions> = {}) => {
    const [home, world] = [await newHome(), worldOf({ seesDeletions: false })];
    const named = (count: number, prefix = "p") => Array.from({ length: count }, (_, n) => ({ id: `${prefix}${n}`, name: "x" }));
    write(world, ...named(from));
    await later(world, home);
    world.people.clear();
    // As many as before, so that counting does not tell.
    write(world, ...named(to), ...named(from - to, "q"));
    const verdict = await later(world, home, { isFull: true, ...more });
    const keys = (await peopleIn(await buildOf(world, home))).map(({ key }) => String(key));
    return { verdict, old: keys.filter(key => key.startsWith("desk.people:p")).length };
  };

  it("is gone when it is not much", async () => {
    expect(await shrinking(50, 40)).toMatchObject({ verdict: { verdict: "complete" }, old: 40 });
  });

  it("is held back when it is more than a fifth, with a verdict that says so", async () => {
    expect(await shrinking(50, 39)).toMatchObject({
      verdict: { verdict: "unknown", reason: { message: expect.stringContaining("11 of 50 records") } },
      old: 50,
    });
  });

  it("is gone all the same where somebody says so", async () => {
    expect(await shrinking(50, 10, { acceptsDeletions: true })).toMatchObject({ verdict: { verdict: "complete" }, old: 10 });
  });
});

describe("retention", () => {
  it("keeps a base as long as what changed after it is kept", async () => {
    const [home, world] = [await newHome(), worldOf()];
    const base = await later(world, home);
    for (let count = 0; count < 3; count++) await later(world, home, { retention: { keepPulls: 1 } });
    const kept = (await new RawStore(home).pulls("desk", "people")).map(({ manifest }) => manifest.pull);
    expect(kept).toHaveLength(4);
    expect(kept).toContain(base.pull);
  });
});
