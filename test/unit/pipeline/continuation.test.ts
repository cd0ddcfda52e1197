import { readdir } from "node:fs/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { UpstreamError } from "../../../src/core/errors.ts";
import type { Clock } from "../../../src/core/ports.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { type Catalog, createCatalog } from "../../../src/source/catalog.ts";
import type { Listing } from "../../../src/source/collection.ts";
import * as t from "../../../src/source/index.ts";
import type { UpstreamRequest } from "../../../src/source/request.ts";
import { RawKey } from "../../../src/store/raw/raw-key.ts";
import { RawStore } from "../../../src/store/raw/raw-store.ts";
import { linesOf } from "../../../src/store/raw/segment-reader.ts";
import type { Upstream } from "../../../src/upstream/upstream.ts";
import { catalog as shopAndCrm, newHome, NOW_MS, removeHomes } from "./stage.ts";
import { parseJson } from "../../../src/core/json.ts";

afterEach(removeHomes);

const HOUR_MS = 3_600_000;
const shop = shopAndCrm.sources.find(({ name }) => name === "shop")!;
const { accounts } = shop.collections;
const size = 2;

const styles = {
  cursor: t.cursorPages({ next: "next", cursorParameter: "at", sizeParameter: "size", maxPageSize: size }),
  offset: t.offsetPages({ more: "more", offsetParameter: "at", sizeParameter: "size", maxPageSize: size }),
  link: t.linkPages({ sizeParameter: "size", maxPageSize: size }),
  header: t.headerCursorPages({ nextHeader: "x-next", cursorParameter: "at", maxPageSize: size }),
} as const;

/** One collection, listed in a style of paging. */
const catalogOf = (style: keyof typeof styles, more: Partial<Listing> = {}): Catalog => {
  const list = { ...accounts!.list, pages: styles[style], ...more };
  const source = t.defineSource({
    ...shop,
    collections: { accounts: t.collection({ ...(accounts as never as object), list } as never) },
  });
  return createCatalog([source]);
};

interface World {
  readonly catalog: Catalog;
  records: number;
  /** Answers from this one on are errors, counted over all runs. */
  failFrom: number;
  failure: Error;
  nowMs: number;
  baseUrl: string;
  readonly asked: string[];
  answer?: (at: number) => string | Error | undefined;
}

const worldOf = (records: number, more: Partial<World> = {}): World => ({
  catalog: catalogOf("cursor"),
  records,
  failFrom: Number.POSITIVE_INFINITY,
  failure: new UpstreamError("UPSTREAM_UNAVAILABLE", "the source is down"),
  nowMs: NOW_MS,
  baseUrl: "https://shop.test/v1",
  asked: [],
  ...more,
});

/** A source that lists numbered records and says in every way where it goes on. */
function answerOf(world: World, request: UpstreamRequest) {
  const at = Number(request.query?.["at"] ?? 0);
  const ids = Array.from({ length: Math.max(0, Math.min(size, world.records - at)) }, (_, n) => ({ id: `a${at + n}` }));
  const next = at + size < world.records ? String(at + size) : null;
  const text = JSON.stringify({ items: ids, next, more: next !== null });
  const link = `<${world.baseUrl}/accounts?at=${next}>; rel="next", <${world.baseUrl}/accounts>; rel="first"`;
  const headers = { ...(next !== null && { "x-next": next, link }) };
  return { status: 200, headers, text, body: parseJson(text), problems: [], receivedAtMs: world.nowMs, attempts: 1 };
}

const upstreamsOf = (world: World) => (): Upstream => {
  const send = (request: UpstreamRequest) => {
    world.asked.push(String(request.query?.["at"] ?? "0"));
    world.nowMs += 1;
    const special = world.answer?.(Number(request.query?.["at"] ?? 0));
    if (special instanceof Error) return Promise.reject(special);
    if (world.asked.length > world.failFrom) return Promise.reject(world.failure);
    const answer = answerOf(world, request);
    return Promise.resolve(special === undefined ? answer : { ...answer, text: special, body: parseJson(special) });
  };
  return { source: world.catalog.sources[0]!, baseUrl: world.baseUrl, send } as unknown as Upstream;
};

async function run(world: World, home: string, more: { signal?: AbortSignal; rawKey?: RawKey } = {}) {
  const clock: Clock = { nowMs: () => world.nowMs, sleep: () => Promise.resolve() };
  world.asked.length = 0;
  const { verdicts } = await pull({ catalog: world.catalog, upstreams: upstreamsOf(world), home, clock, ...more });
  return verdicts[0]!;
}

async function keptIds(home: string): Promise<string[]> {
  const [newest] = await new RawStore(home).pulls("shop", "accounts");
  const files = newest!.paths.map(path => ({ path, sizeBytes: Number.POSITIVE_INFINITY, isOpen: false }));
  const ids: string[] = [];
  for await (const { body } of linesOf(files, undefined)) {
    const { items } = JSON.parse(body) as { items: { id: string }[] };
    ids.push(...items.map(({ id }) => id));
  }
  return ids;
}

const idsTo = (count: number) => Array.from({ length: count }, (_, n) => `a${n}`);

describe("a pull after one that broke off", () => {
  it("asks only for what is missing, and ends as if nothing had been", async () => {
    const home = await newHome();
    const world = worldOf(9, { failFrom: 3 });
    expect(await run(world, home)).toMatchObject({ verdict: "partial", pages: 3, records: 6, mayGoOn: true, keptPages: 0 });
    world.failFrom = Number.POSITIVE_INFINITY;
    expect(await run(world, home)).toMatchObject({ verdict: "complete", pages: 5, records: 9, keptPages: 3, duplicateKeys: 0 });
    expect(world.asked).toEqual(["6", "8"]);
    expect(await keptIds(home)).toEqual(idsTo(9));
    const whole = await newHome();
    await run(worldOf(9), whole);
    const evidenceOf = async (of: string) => (await new RawStore(of).pulls("shop", "accounts"))[0]!.manifest.evidence;
    expect(await evidenceOf(home)).toEqual(await evidenceOf(whole));
  });

  it("goes on over any number of breaks, whatever the style of paging: no page is asked for twice, none is lost", async () => {
    const breaks = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 5 });
    const style = fc.constantFrom(...(Object.keys(styles) as (keyof typeof styles)[]));
    await fc.assert(
      fc.asyncProperty(style, fc.integer({ min: 0, max: 21 }), breaks, async (paging, records, pagesOfRuns) => {
        const home = await newHome();
        const world = worldOf(records, { catalog: catalogOf(paging) });
        const asked: string[] = [];
        let last;
        for (const failFrom of [...pagesOfRuns, Number.POSITIVE_INFINITY]) {
          last = await run(Object.assign(world, { failFrom }), home);
          asked.push(...world.asked.slice(0, failFrom));
          if (!last.mayGoOn) break;
        }
        const undisturbed = await run(worldOf(records, { catalog: catalogOf(paging) }), await newHome());
        const { verdict, pages } = undisturbed;
        expect(last).toMatchObject({ verdict, pages, records, duplicateKeys: 0 });
        expect(await keptIds(home)).toEqual(idsTo(records));
        expect(new Set(asked).size).toBe(asked.length);
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  it("goes on where a person has stopped it", async () => {
    const home = await newHome();
    const world = worldOf(9);
    const stop = new AbortController();
    world.answer = at => (at === 4 ? (stop.abort(), new UpstreamError("UPSTREAM_CANCELLED", "stopped")) : undefined);
    expect(await run(world, home, { signal: stop.signal })).toMatchObject({ pages: 2, mayGoOn: true });
    expect(await run(world, home, { signal: AbortSignal.abort() })).toMatchObject({ verdict: "partial" });
    delete world.answer;
    expect(await run(world, home)).toMatchObject({ verdict: "complete", keptPages: 2, records: 9 });
  });

  it("notices a cursor that came before the break", async () => {
    const home = await newHome();
    const world = worldOf(99, { failFrom: 3 });
    await run(world, home);
    world.failFrom = Number.POSITIVE_INFINITY;
    world.answer = at => (at === 8 ? `{"items": [{"id": "a8"}], "next": "2"}` : undefined);
    expect(await run(world, home)).toMatchObject({
      verdict: "partial",
      keptPages: 3,
      pages: 4,
      mayGoOn: false,
      reason: { message: expect.stringMatching(/cursor came back/) },
    });
  });

  it("reads encrypted pages again under the same key", async () => {
    const home = await newHome();
    const world = worldOf(9, { failFrom: 3 });
    const rawKey = new RawKey("ab".repeat(32));
    await run(world, home, { rawKey });
    world.failFrom = Number.POSITIVE_INFINITY;
    expect(await run(world, home, { rawKey })).toMatchObject({ verdict: "complete", keptPages: 3, records: 9 });
  });
});

describe("a pull starts anew, and says why,", () => {
  async function anew(change: (world: World) => void | { rawKey: RawKey }, more: Partial<World> = {}) {
    const home = await newHome();
    const world = worldOf(9, { failFrom: 3, ...more });
    await run(world, home);
    world.failFrom = Number.POSITIVE_INFINITY;
    const options = change(world) ?? {};
    const verdict = await run(world, home, options);
    expect(verdict).toMatchObject({ verdict: "complete", records: 9, keptPages: 0 });
    expect((await readdir(`${home}/raw/shop/accounts`)).filter(name => name.startsWith("."))).toEqual([]);
    return verdict.startedAnew;
  }

  it("when the source refuses the cursor", async () => {
    let refusals = 1;
    const refusal = new UpstreamError("UPSTREAM_REJECTED", "400: cursor expired");
    expect(await anew(world => void (world.answer = at => (at === 6 && refusals-- > 0 ? refusal : undefined)))).toMatch(
      /cursor expired/,
    );
  });

  it("when the source begins again in place of going on", async () => {
    let times = 1;
    const first = `{"items": [{"id": "a0"}, {"id": "a1"}], "next": "2"}`;
    expect(await anew(world => void (world.answer = at => (at === 6 && times-- > 0 ? first : undefined)))).toMatch(/came back/);
  });

  it("when it broke off too long ago: 24 hours ago unless declared", async () => {
    expect(await anew(world => void (world.nowMs += 24 * HOUR_MS + 10))).toMatch(/more than 24 hours/);
    const catalog = catalogOf("cursor", { resumableMs: HOUR_MS });
    expect(await anew(world => void (world.nowMs += HOUR_MS + 10), { catalog })).toMatch(/more than 1 hours/);
  });

  it("when the listing is declared otherwise, or is somewhere else", async () => {
    expect(
      await anew(world => Object.assign(world, { catalog: catalogOf("cursor", { order: "newest-first" }) }) && undefined),
    ).toMatch(/declared otherwise/);
    expect(await anew(world => void (world.baseUrl = "https://other.test"))).toMatch(/declared otherwise/);
  });

  it("when what was kept is under another key", async () => {
    expect(await anew(() => ({ rawKey: new RawKey("cd".repeat(32)) }))).toMatch(/another key/);
  });
});

describe("a pull that runs", () => {
  it("keeps another one out of the same home, until it has ended", async () => {
    const home = await newHome();
    const world = worldOf(9);
    let second: Promise<unknown> | undefined;
    world.answer = at => {
      if (at === 4) second ??= expect(run(worldOf(2), home)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
      return undefined;
    };
    expect(await run(world, home)).toMatchObject({ verdict: "complete" });
    expect(second).toBeDefined();
    await second;
    expect(await run(worldOf(9), home)).toMatchObject({ verdict: "complete" });
  });
});
