import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { z } from "zod";
import type { Listing } from "../../../../src/source/collection.ts";
import { createCatalog } from "../../../../src/source/catalog.ts";
import type { Watermark } from "../../../../src/source/increment.ts";
import * as t from "../../../../src/source/index.ts";
import type { UpstreamRequest } from "../../../../src/source/request.ts";
import { readPages } from "../../../../src/upstream/listing.ts";
import { type Checkpoint, readChanges } from "../../../../src/upstream/listing/changes.ts";
import { Evidence } from "../../../../src/upstream/listing/evidence.ts";
import type { ListingUpstream } from "../../../../src/upstream/listing/listing-upstream.ts";
import { readListing } from "../../../../src/upstream/listing/read-listing.ts";
import { BASE, context, modelStyles, modelUpstream } from "./model.ts";

const clock = { nowMs: () => Date.UTC(2026, 0, 2), sleep: () => Promise.resolve() };

/** Reads a listing with its evidence, as a pull does. */
async function listed(upstream: ListingUpstream, list: Listing) {
  const evidence = new Evidence(list);
  const keys: number[] = [];
  const options = { context, window: { from: "", to: "" }, evidence, nowMs: clock.nowMs(), clock };
  try {
    for await (const page of readListing(upstream, list, options)) {
      const ids = page.records.map(record => (record as { id: number }).id);
      keys.push(...ids);
      evidence.add(
        page,
        ids.map(id => ({ key: String(id), isBroken: false })),
      );
    }
    return { keys, ...evidence.verdict() };
  } catch (error) {
    return { keys, ...evidence.verdict({ error: error as Error }) };
  }
}

describe("a next link", () => {
  const away = [
    "https://evil.example/v1/rows",
    "//evil.example/v1/rows",
    "http://api.example.com/v1/rows",
    "https://api.example.com/admin",
    "../admin",
    "https://user:pw@api.example.com/v1/rows?after=1",
  ];
  it.each(away)("is not followed to %s", async href => {
    const asked: string[] = [];
    const upstream = modelUpstream(({ path }) => {
      asked.push(path);
      return { body: { rows: [{ id: 1 }], next: href } };
    });
    const { verdict, reasons } = await listed(upstream, modelStyles["next-url"]!.list);
    expect({ verdict, reasons, asked }).toMatchObject({
      verdict: "partial",
      reasons: [{ guard: "next link" }],
      asked: ["/rows"],
    });
  });

  it("is followed under the base URL, whatever its form", async () => {
    for (const href of [`${BASE}/rows?page=2`, "/v1/rows?page=2", "?page=2", "rows?page=2"]) {
      const upstream = modelUpstream(({ query }) => ({
        body: { rows: [{ id: query?.["page"] === "2" ? 2 : 1 }], next: query?.["page"] === "2" ? null : href },
      }));
      expect((await listed(upstream, modelStyles["next-url"]!.list)).keys).toEqual([1, 2]);
    }
  });
});

describe("a listing with a window cap", () => {
  const split = {
    fromParameter: "from",
    toParameter: "to",
    isToInclusive: false,
    format: "integer",
    from: 0,
    to: 1_000,
  } as const;
  const capped = (rows: number, more: Partial<Listing> = {}): Listing => ({
    ...modelStyles["keyset"]!.list,
    windowCap: { rows, split },
    ...more,
  });
  /** Shows no more rows of a range than the cap, and says nothing of the rest. */
  const truncating = (ids: readonly number[], cap: number, hasTotal: boolean) =>
    modelUpstream(({ query = {} }) => {
      const all = ids.filter(id => id >= Number(query["from"]) && id < Number(query["to"]));
      const shown = all.slice(0, cap).filter(id => id > Number(query["after"] ?? -1));
      const rows = shown.slice(0, 4).map(id => ({ id }));
      return { body: { rows, more: shown.length > 4, ...(hasTotal && { total: all.length }) } };
    });

  it("is taken apart until every row has come", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(999), { maxLength: 60 }),
        fc.integer({ min: 2, max: 20 }),
        fc.boolean(),
        async (ids, cap, hasTotal) => {
          const sorted = ids.toSorted((a, b) => a - b);
          const list = capped(cap, hasTotal ? { total: "total" } : {});
          const { keys, verdict } = await listed(truncating(sorted, cap, hasTotal), list);
          expect([...new Set(keys)].toSorted((a, b) => a - b)).toEqual(sorted);
          expect(verdict).toBe("complete");
        },
      ),
    );
  });

  it("says what is missing when a range at its floor still holds too much, and when it cannot be taken apart", async () => {
    const ids = [1, 2, 3, 4, 5, 6, 7, 8];
    const wide = capped(3, { windowCap: { rows: 3, split: { ...split, floor: 500 } } });
    for (const list of [wide, capped(3, { windowCap: { rows: 3 } })]) {
      const upstream =
        list === wide
          ? truncating(ids, 3, false)
          : modelUpstream(() => ({ body: { rows: [{ id: 1 }, { id: 2 }, { id: 3 }], more: false } }));
      const { verdict, reasons, evidence } = await listed(upstream, list);
      expect({ verdict, reasons, evidence }).toMatchObject({
        verdict: "partial",
        reasons: [{ guard: "window cap" }],
        evidence: { windows: { capped: 1 } },
      });
    }
  });
});

describe("an export", () => {
  const list: Listing = {
    request: () => t.readByPost("rows.export", "/exports", {}),
    items: "[*]",
    order: "unordered",
    pages: t.exportPages({
      id: "id",
      poll: id => t.get("rows.poll", `/exports/${id}`),
      cancel: id => t.readByPost("rows.cancel", `/exports/${id}/cancel`, {}),
      status: "status",
      done: ["DONE"],
      failed: ["FAILED"],
      url: "url",
      count: "count",
      maxPageSize: 2,
      deadlineMs: 10_000,
    }),
  };
  async function* linesOf(lines: readonly string[]) {
    for (const line of lines) yield await Promise.resolve(line);
  }
  function exporting(states: readonly object[], lines: readonly string[]) {
    const asked: string[] = [];
    let polls = 0;
    const upstream = modelUpstream(({ operation }: UpstreamRequest) => {
      asked.push(operation);
      return { body: operation === "rows.poll" ? states[Math.min(polls++, states.length - 1)] : { id: "e1" } };
    });
    const download = async (from: object) => {
      asked.push(JSON.stringify(from));
      return { status: 200, headers: {}, lines: () => linesOf(lines), text: async () => "" };
    };
    return { asked, upstream: { ...upstream, download } };
  }
  const done = { status: "DONE", url: "https://files.example/x", count: 3 };

  it("is created, waited for and read line by line", async () => {
    const { asked, upstream } = exporting([{ status: "RUNNING" }, done], ['{"id":1}', '{"id":2}', '{"id":3}']);
    expect(await listed(upstream, list)).toMatchObject({
      keys: [1, 2, 3],
      verdict: "complete",
      evidence: { pages: 2, advertisedTotal: 3 },
    });
    expect(asked).toEqual(["rows.export", "rows.poll", "rows.poll", '{"href":"https://files.example/x"}']);
  });

  it("whose last line is cut keeps the whole ones and is partial", async () => {
    const { upstream } = exporting([done], ['{"id":1}', '{"id":2}', '{"id":']);
    expect(await listed(upstream, list)).toMatchObject({
      keys: [1, 2],
      verdict: "partial",
      reasons: [{ guard: "truncated line" }],
    });
  });

  it("that is short of its advertised count is partial", async () => {
    expect(await listed(exporting([done], ['{"id":1}']).upstream, list)).toMatchObject({
      verdict: "partial",
      reasons: [{ guard: "advertised total" }],
    });
  });

  it("that found nothing is complete, one that failed is not", async () => {
    expect(await listed(exporting([{ status: "DONE", url: null }], []).upstream, list)).toMatchObject({
      keys: [],
      verdict: "complete",
    });
    const failed = exporting([{ status: "FAILED" }], []);
    expect(await listed(failed.upstream, list)).toMatchObject({ verdict: "partial", reasons: [{ guard: "export failed" }] });
    expect(failed.asked).not.toContain("rows.cancel");
  });

  it("is given up at the provider when nobody waits any longer", async () => {
    const stop = new AbortController();
    const { asked, upstream } = exporting([{ status: "RUNNING" }], []);
    const stopping = { nowMs: clock.nowMs, sleep: async () => stop.abort(new Error("gone")) };
    const walk = { request: list.request({ from: "", to: "" }), items: "[*]", pages: list.pages, clock: stopping };
    await expect(readPages(upstream, walk, { ...context, signal: stop.signal }).next()).rejects.toThrow("gone");
    expect(asked.at(-1)).toBe("rows.cancel");
  });
});

describe("changes since a checkpoint", () => {
  const watermark: Watermark = {
    field: "at",
    parameter: "since",
    format: "epoch-seconds",
    sees: "updates",
    isInclusive: true,
    safetyLagMs: 5_000,
    lookbackMs: 2_000,
  };
  const nothing = t.literal(null);
  const entryFor = (more: Partial<Watermark>) => {
    const list: Listing = { ...modelStyles["keyset"]!.list, pages: t.onePage(), watermark: { ...watermark, ...more } };
    const people = t.collection({
      canonical: "Customer",
      contract: z.object({ id: t.wireInteger() }),
      list,
      lookup: t.eachLookup({ request: key => t.get("row.get", `/rows/${key}`) }),
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
    const client = { baseUrl: BASE, auth: t.bearer({ secret: "TOKEN" }), limits: [] };
    return createCatalog([t.defineSource({ name: "model", title: "model", version: "1", client, collections: { people } })])
      .entries[0]!;
  };

  it("lose no row and no edit, with ties and clocks that are behind, and repeat none while the boundary is known", async () => {
    const step = fc.array(fc.record({ id: fc.nat(5), skew: fc.integer({ min: 0, max: 9 }) }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        fc.constantFrom(2, 1_000),
        async (steps, isInclusive, maxBoundary) => {
          const entry = entryFor({ isInclusive });
          const rows = new Map<number, { id: number; at: number; edit: number }>();
          const written = new Set<string>();
          const came: string[] = [];
          let nowSeconds = 1_000_000;
          let checkpoint: Checkpoint | null = null;
          let isEverUnknown = false;
          const upstream = modelUpstream(({ query = {} }) => {
            const since = Number(query["since"] ?? 0);
            return { body: { rows: [...rows.values()].filter(({ at }) => (isInclusive ? at >= since : at > since)) } };
          });
          for (const [index, edits] of [...steps, [], []].entries()) {
            nowSeconds += 3;
            for (const { id, skew } of edits) rows.set(id, { id, at: nowSeconds - skew, edit: index });
            for (const row of rows.values()) written.add(JSON.stringify(row));
            const options = { context, clock: { ...clock, nowMs: () => nowSeconds * 1_000 }, maxBoundary };
            for await (const page of readChanges(upstream, entry, checkpoint, options)) {
              came.push(...page.records.map(record => JSON.stringify(record)));
              checkpoint = page.checkpoint;
            }
            isEverUnknown ||= checkpoint?.isBoundaryKnown === false;
          }
          expect([...written].filter(row => !came.includes(row))).toEqual([]);
          if (!isEverUnknown) expect(new Set(came).size).toBe(came.length);
        },
      ),
      { numRuns: 200 },
    );
  });
});
