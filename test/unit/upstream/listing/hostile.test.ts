import { describe, expect, it } from "@jest/globals";
import type { Listing } from "../../../../src/source/collection.ts";
import * as t from "../../../../src/source/index.ts";
import type { UpstreamRequest } from "../../../../src/source/request.ts";
import { Evidence } from "../../../../src/upstream/listing/evidence.ts";
import type { ListingUpstream } from "../../../../src/upstream/listing/listing-upstream.ts";
import { readListing } from "../../../../src/upstream/listing/read-listing.ts";
import { context, modelStyles, modelUpstream } from "./model.ts";

const clock = { nowMs: () => Date.UTC(2026, 0, 2), sleep: () => Promise.resolve() };
const rowsFrom = (start: number, length: number) => Array.from({ length }, (_, index) => ({ id: start + index }));

async function listed(upstream: ListingUpstream, list: Listing, maxPages?: number) {
  const evidence = new Evidence(list);
  const keys: number[] = [];
  const limits = maxPages === undefined ? {} : { maxPages };
  try {
    const options = { context, window: { from: "", to: "" }, evidence, nowMs: clock.nowMs(), clock, ...limits };
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

/** Answers with one body after the other, whatever is asked. */
const inTurn = (...bodies: readonly object[]): ListingUpstream & { readonly asked: UpstreamRequest[] } => {
  const asked: UpstreamRequest[] = [];
  const upstream = modelUpstream(request => ({ body: bodies[Math.min(asked.push(request), bodies.length) - 1] }));
  return Object.assign(upstream, { asked });
};

const offset = (more: Partial<Listing> = {}): Listing => ({
  ...modelStyles["offset"]!.list,
  pages: t.offsetPages({ offsetParameter: "skip", sizeParameter: "size", maxPageSize: 2, total: "total" }),
  ...more,
});

describe("a total", () => {
  it.each([[-1], [1.5], ["many"], [null], [{}]])("of %j is no number of records", async total => {
    const { verdict, reasons } = await listed(inTurn({ rows: rowsFrom(1, 2), total }), offset());
    expect({ verdict, reasons }).toMatchObject({ verdict: "partial", reasons: [{ code: "UPSTREAM_CONTRACT" }] });
  });

  it("that only the first page states still counts at the end", async () => {
    const list = { ...modelStyles["cursor"]!.list, total: "total" };
    const upstream = inTurn({ rows: rowsFrom(1, 2), next: "a", total: 5 }, { rows: rowsFrom(3, 1), next: null });
    expect(await listed(upstream, list)).toMatchObject({ verdict: "partial", reasons: [{ guard: "advertised total" }] });
  });

  it("that shrinks to nothing while rows come is doubted", async () => {
    const list = offset({ total: "total" });
    const upstream = inTurn({ rows: rowsFrom(1, 2), total: 6 }, { rows: rowsFrom(3, 2), total: 0 });
    expect((await listed(upstream, list)).verdict).not.toBe("complete");
  });

  it("that shrinks and ends the paging is doubted though nothing else states it", async () => {
    const upstream = inTurn({ rows: rowsFrom(1, 2), total: 6 }, { rows: rowsFrom(3, 2), total: 0 });
    expect((await listed(upstream, offset())).verdict).not.toBe("complete");
  });
});

describe("a number of pages", () => {
  const list: Listing = {
    ...modelStyles["numbered"]!.list,
    pages: t.numberedPages({ pageParameter: "page", pageCount: "pages", maxPageSize: 2 }),
  };
  it.each([[0], [-3]])("of %j beside records does not end the listing quietly", async pages => {
    expect((await listed(inTurn({ rows: rowsFrom(1, 2), pages }), list)).verdict).not.toBe("complete");
  });
  it("of 0 without records is an empty listing", async () => {
    expect((await listed(inTurn({ rows: [], pages: 0 }), list)).verdict).toBe("complete");
  });
});

describe("a page cursor", () => {
  it.each([[{ id: 5 }], [[1]], [1.5], [true]])("of %j is no end of the listing", async next => {
    const { verdict, reasons } = await listed(inTurn({ rows: rowsFrom(1, 2), next }), modelStyles["cursor"]!.list);
    expect({ verdict, reasons }).toMatchObject({ verdict: "partial", reasons: [{ code: "UPSTREAM_CONTRACT" }] });
  });

  it("that is there beside an empty first page casts no doubt on a short last one", async () => {
    const upstream = inTurn({ rows: [], next: "a" }, { rows: rowsFrom(1, 3), next: null });
    expect(await listed(upstream, modelStyles["cursor"]!.list)).toMatchObject({ keys: [1, 2, 3], verdict: "complete" });
  });

  it("that got lost where the provider grants fewer than were asked for leaves a doubt", async () => {
    const upstream = inTurn({ rows: rowsFrom(1, 3), next: "a" }, { rows: rowsFrom(4, 3), next: null });
    expect(await listed(upstream, modelStyles["cursor"]!.list)).toMatchObject({
      verdict: "unknown",
      reasons: [{ guard: "open end" }],
    });
  });
});

describe("a link header", () => {
  it("for another context is not the next page", async () => {
    const asked: string[] = [];
    const upstream = modelUpstream(({ query }) => {
      asked.push(String(query?.["page"] ?? 1));
      const link = `</v1/other?page=9>; rel="next"; anchor="/v1/other", </v1/rows?page=2>; rel="NEXT"`;
      return { body: rowsFrom(asked.length, 1), headers: { link: asked.length === 1 ? link : `</v1/rows>; rel="first"` } };
    });
    expect(await listed(upstream, modelStyles["link"]!.list)).toMatchObject({ keys: [1, 2], verdict: "complete" });
    expect(asked).toEqual(["1", "2"]);
  });
});

describe("a listing that is taken apart", () => {
  const split = { fromParameter: "from", toParameter: "to", isToInclusive: false, format: "epoch-seconds", from: 0 } as const;
  it.each([[true], [false]])("and takes no notice of the range is not asked for ever (total stated: %s)", async hasTotal => {
    let asked = 0;
    const list: Listing = {
      ...modelStyles["keyset"]!.list,
      windowCap: { rows: 4, split },
      ...(hasTotal && { total: "total" }),
    };
    const upstream = modelUpstream(({ query = {} }) => {
      asked++;
      const rows = query["after"] === undefined ? rowsFrom(1, 2) : rowsFrom(3, 2);
      return { body: { rows, more: query["after"] === undefined, total: 900 } };
    });
    const { verdict, reasons } = await listed(upstream, list);
    expect({ verdict, reasons }).toMatchObject({ verdict: "partial", reasons: [{ guard: "ignored range" }, {}] });
    expect(asked).toBeLessThan(200);
  });

  it("keeps to the ceiling of pages with all its ranges", async () => {
    let id = 0;
    const list: Listing = { ...modelStyles["keyset"]!.list, windowCap: { rows: 1, split } };
    const upstream = modelUpstream(() => ({ body: { rows: rowsFrom(++id, 1), more: false } }));
    expect(await listed(upstream, list, 50)).toMatchObject({ verdict: "partial", reasons: [{ guard: "page ceiling" }, {}] });
    expect(id).toBeLessThanOrEqual(51);
  });
});

describe("short pages", () => {
  it("in the middle end nothing and are counted, the last one is not", async () => {
    const next = "x";
    const sizes = [2, 3, 1, 0, 3, 1];
    const pages = sizes.map((size, index) => ({
      rows: rowsFrom(10 * index, size),
      next: index === sizes.length - 1 ? null : `${next}${index}`,
    }));
    const { keys, verdict, evidence } = await listed(inTurn(...pages), modelStyles["cursor"]!.list);
    expect({ count: keys.length, verdict, evidence }).toMatchObject({
      count: 10,
      verdict: "complete",
      evidence: { shortPages: 2, emptyPages: 1, pages: 6 },
    });
  });
});
