import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { parseJson } from "../../../src/core/json.ts";
import { cursorPages, keysetPages, onePage, type Pagination, relayPages } from "../../../src/source/pagination.ts";
import { get, graphqlQuery, type UpstreamRequest } from "../../../src/source/request.ts";
import type { CallContext } from "../../../src/upstream/context.ts";
import { readPages } from "../../../src/upstream/listing.ts";
import type { Walk } from "../../../src/upstream/listing/walk.ts";
import type { Upstream, UpstreamResponse } from "../../../src/upstream/upstream.ts";

const context: CallContext = {
  priority: "bulk",
  signal: new AbortController().signal,
  deadlineAtMs: Number.POSITIVE_INFINITY,
  requestId: "test",
};

/** What a fake source is asked for, and what it answers. */
interface Asked {
  readonly cursor: string | null;
  readonly size: number;
}
interface Served {
  readonly keys: readonly string[];
  /** Null at the end. */
  readonly next: string | null;
}

/** A pagination strategy with the way a source that follows it is written down. */
interface Style {
  readonly walk: Pick<Walk, "request" | "items" | "pages">;
  readonly read: (request: UpstreamRequest) => Asked;
  readonly body: (served: Served) => object;
}

const MAX_SIZE = 7;
const sized = { sizeParameter: "size", maxPageSize: MAX_SIZE };
const rows = (keys: readonly string[]) => keys.map(id => ({ id }));
const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);

const queryOf =
  (parameter: string) =>
  ({ query = {} }: UpstreamRequest): Asked => ({ cursor: textOrNull(query[parameter]), size: Number(query["size"]) });
const listing = (pages: Pagination) => ({ request: get("things.list", "/things"), items: "things[*]", pages });

const styles: Readonly<Record<string, Style>> = {
  cursor: {
    walk: listing(cursorPages({ next: "paging.next", cursorParameter: "from", ...sized })),
    read: queryOf("from"),
    body: ({ keys, next }) => ({ things: rows(keys), ...(next === null ? {} : { paging: { next } }) }),
  },
  "cursor that only a flag ends": {
    walk: listing(cursorPages({ next: "meta.after", more: "meta.more", cursorParameter: "from", ...sized })),
    read: queryOf("from"),
    body: ({ keys, next }) => ({ things: rows(keys), meta: { after: next ?? "the end has a cursor too", more: next !== null } }),
  },
  relay: {
    walk: {
      request: graphqlQuery("things", "/graphql", "query", { kind: "all" }),
      items: "data.things.nodes[*]",
      pages: relayPages({ pageInfo: "data.things.pageInfo", afterParameter: "after", ...sized }),
    },
    read: ({ body }) => {
      const variables = body?.type === "graphql" ? body.variables : {};
      return { cursor: textOrNull(variables["after"]), size: Number(variables["size"]) };
    },
    body: ({ keys, next }) => ({
      data: { things: { nodes: rows(keys), pageInfo: { hasNextPage: next !== null, endCursor: next ?? "end" } } },
    }),
  },
  keyset: {
    walk: listing(keysetPages({ more: "more", key: "id", afterParameter: "after", ...sized })),
    read: queryOf("after"),
    body: ({ keys, next }) => ({ things: rows(keys), more: next !== null }),
  },
};
const styleNames = Object.keys(styles);
const styleOf = (name: string): Style => styles[name]!;

/** Stands in for the one thing that `readPages` asks of an upstream. */
function fakeUpstream(answer: (request: UpstreamRequest) => object): Upstream {
  const send = async (request: UpstreamRequest): Promise<UpstreamResponse> => {
    const text = JSON.stringify(answer(request));
    return { status: 200, headers: {}, text, body: parseJson(text), problems: [], receivedAtMs: 0, attempts: 1 };
  };
  return { source: { name: "fake" }, send } as unknown as Upstream;
}

const serving = (style: Style, serve: (asked: Asked) => Served): Upstream =>
  fakeUpstream(request => style.body(serve(style.read(request))));

async function walkThrough(upstream: Upstream, walk: Walk): Promise<{ keys: string[]; pages: number; error: unknown }> {
  const keys: string[] = [];
  let pages = 0;
  try {
    for await (const page of readPages(upstream, walk, context)) {
      pages++;
      keys.push(...page.records.map(record => (record as { id: string }).id));
      if (pages > 10_000) throw new Error("it does not end");
    }
    return { keys, pages, error: null };
  } catch (error) {
    return { keys, pages, error };
  }
}

const keysTo = (count: number): string[] => Array.from({ length: count }, (_, index) => `k${index}`);

/** A sound source that answers with fewer records than it may: `given[n]` is how many the n-th page leaves out. */
function reluctant(name: string, keys: readonly string[], given: readonly number[]): Upstream {
  let served = 0;
  return serving(styleOf(name), ({ cursor, size }) => {
    const least = name === "keyset" ? 1 : 0;
    const from = startAfter(name, keys, cursor);
    const to = Math.min(keys.length, from + Math.max(least, size - (given[served++] ?? 0)));
    return { keys: keys.slice(from, to), next: to < keys.length ? cursorAt(name, keys, to, served) : null };
  });
}

/** A keyset source goes by the key; the others by a cursor that differs from page to page, even after an empty one. */
const cursorAt = (name: string, keys: readonly string[], to: number, served: number): string =>
  name === "keyset" ? keys[to - 1]! : `${to}/${served}`;
const startAfter = (name: string, keys: readonly string[], cursor: string | null): number =>
  cursor === null ? 0 : name === "keyset" ? keys.indexOf(cursor) + 1 : Number.parseInt(cursor, 10);

describe.each(styleNames)("pages by %s", name => {
  it("visit each record once at any page size, whatever pages are short or empty", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(40),
        fc.integer({ min: 1, max: 2 * MAX_SIZE }),
        fc.array(fc.nat(MAX_SIZE), { maxLength: 60 }),
        async (count, pageSize, given) => {
          const keys = keysTo(count);
          const walked = await walkThrough(reluctant(name, keys, given), { ...styleOf(name).walk, pageSize });
          expect(walked.error).toBeNull();
          expect(walked.keys).toEqual(keys);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("never ask for more than the provider grants", async () => {
    const sizes: number[] = [];
    const upstream = serving(styleOf(name), ({ size }) => {
      sizes.push(size);
      return { keys: [], next: null };
    });
    for (const pageSize of [1, MAX_SIZE, MAX_SIZE + 1]) await walkThrough(upstream, { ...styleOf(name).walk, pageSize });
    await walkThrough(upstream, styleOf(name).walk);
    expect(sizes).toEqual([1, MAX_SIZE, MAX_SIZE, MAX_SIZE]);
  });

  it("go on from a cursor that an earlier walk gave", async () => {
    const keys = keysTo(10);
    const upstream = reluctant(name, keys, []);
    const walk = { ...styleOf(name).walk, pageSize: 4 };
    let from: string | null = null;
    for await (const page of readPages(upstream, walk, context)) {
      from = page.next;
      break;
    }
    expect((await walkThrough(upstream, { ...walk, from: from! })).keys).toEqual(keys.slice(4));
  });

  it("end with UPSTREAM_LISTING when a page leads back to an earlier one, however long the cycle", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), fc.nat(11), async (length, backTo) => {
        const keys = keysTo(length);
        const target = backTo % length;
        const upstream = serving(styleOf(name), ({ cursor }) => {
          const at = cursor === null ? 0 : name === "keyset" ? (keys.indexOf(cursor) + 1) % length : Number(cursor);
          const next = at + 1 < length ? at + 1 : target;
          return { keys: keys.slice(at, at + 1), next: name === "keyset" ? keys[at]! : String(next) };
        });
        const walked = await walkThrough(upstream, styleOf(name).walk);
        expect(walked.error).toMatchObject({ code: "UPSTREAM_LISTING", details: { source: "fake" } });
        expect(new Set(walked.keys).size).toBe(walked.keys.length);
      }),
    );
  });

  it("end with UPSTREAM_LISTING when there are more pages than allowed", async () => {
    const upstream = reluctant(name, keysTo(30), []);
    const walked = await walkThrough(upstream, { ...styleOf(name).walk, pageSize: 1, maxPages: 5 });
    expect(walked.error).toMatchObject({ code: "UPSTREAM_LISTING", message: expect.stringContaining("5 pages") });
    expect(walked.keys).toEqual(keysTo(5));
    expect(
      (await walkThrough(reluctant(name, keysTo(5), []), { ...styleOf(name).walk, pageSize: 1, maxPages: 5 })).error,
    ).toBeNull();
  });
});

describe.each(styleNames.filter(name => name !== "keyset"))("pages by %s", name => {
  it("end with UPSTREAM_LISTING when the same pages come again under ever new cursors", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), async length => {
        let served = 0;
        const upstream = serving(styleOf(name), () => ({ keys: [`k${served % length}`], next: `c${served++}` }));
        const walked = await walkThrough(upstream, { ...styleOf(name).walk, maxPages: 50 });
        expect(walked.error).toMatchObject({ code: "UPSTREAM_LISTING" });
        expect(walked.pages).toBe(length);
      }),
    );
  });
});

describe("a listing of one page", () => {
  it("is read once, as it was declared, to a certain end", async () => {
    const asked: UpstreamRequest[] = [];
    const upstream = fakeUpstream(request => {
      asked.push(request);
      return rows(["k0", "k1"]);
    });
    const request = get("things.all", "/things", { kind: "all" });
    for await (const page of readPages(upstream, { request, items: "[*]", pages: onePage() }, context))
      expect(page).toMatchObject({ records: rows(["k0", "k1"]), next: null, isEndCertain: true });
    expect(asked).toEqual([request]);
  });
});

/** What a listing that promises more must not do: end there, as if that had been all. */
const promises: readonly [string, string, object][] = [
  ["a flag promises more without a cursor", "cursor that only a flag ends", { things: rows(["k0"]), meta: { more: true } }],
  [
    "a connection promises more without a cursor",
    "relay",
    { data: { things: { nodes: rows(["k0"]), pageInfo: { hasNextPage: true, endCursor: null } } } },
  ],
  ["an empty page promises more, and there is no key to go on from", "keyset", { things: [], more: true }],
  ["the last record has no key to go on from", "keyset", { things: [{ uid: "k0" }], more: true }],
];

/** Answers without the flag that says whether there is more: nobody can tell a last page from a renamed flag. */
const flagless: readonly [string, object][] = [
  ["cursor that only a flag ends", { things: rows(["k0"]), meta: { after: "c1" } }],
  ["relay", { data: { things: { nodes: rows(["k0"]), pageInfo: { endCursor: "c1" } } } }],
  ["keyset", { things: rows(["k0"]) }],
];

describe("a listing that is not over", () => {
  it.each(flagless)("is not taken for complete when the flag is gone: %s", async (name, body) => {
    const walked = await walkThrough(
      fakeUpstream(() => body),
      styleOf(name).walk,
    );
    expect(walked.error).toMatchObject({ code: "UPSTREAM_CONTRACT" });
  });

  it.each(promises)("is not taken for complete when %s", async (_name, name, body) => {
    const walked = await walkThrough(
      fakeUpstream(() => body),
      styleOf(name).walk,
    );
    expect(walked.error).toMatchObject({ code: "UPSTREAM_LISTING" });
  });

  it.each(styleNames)("is not taken for complete when what says so is gone: %s", async name => {
    const { walk } = styleOf(name);
    const walked = await walkThrough(
      fakeUpstream(() => ({ renamed: [] })),
      walk,
    );
    expect(walked.error).toMatchObject({ code: "UPSTREAM_CONTRACT" });
  });
});
