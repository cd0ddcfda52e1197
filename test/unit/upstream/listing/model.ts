import { parseJson } from "../../../../src/core/json.ts";
import type { Listing } from "../../../../src/source/collection.ts";
import type { UpstreamRequest } from "../../../../src/source/request.ts";
import * as t from "../../../../src/source/index.ts";
import type { CallContext } from "../../../../src/upstream/context.ts";
import type { ListingUpstream } from "../../../../src/upstream/listing/listing-upstream.ts";
import type { UpstreamResponse } from "../../../../src/upstream/upstream.ts";

export const context: CallContext = {
  priority: "bulk",
  signal: new AbortController().signal,
  deadlineAtMs: Number.POSITIVE_INFINITY,
  requestId: "test",
};

export interface Row {
  readonly id: number;
  readonly at: number;
}

/** A provider's table, sorted by id as it is listed. */
export class Table {
  rows: Row[] = [];
  constructor(ids: readonly number[]) {
    for (const id of ids) this.insert(id);
  }
  insert(id: number): void {
    if (!this.rows.some(row => row.id === id)) this.rows = [...this.rows, { id, at: id }].sort((a, b) => a.id - b.id);
  }
  delete(id: number): void {
    this.rows = this.rows.filter(row => row.id !== id);
  }
  from(start: number, size: number): { rows: Row[]; isMore: boolean } {
    return { rows: this.rows.slice(start, start + size), isMore: start + size < this.rows.length };
  }
  after(id: number, size: number): { rows: Row[]; isMore: boolean } {
    const rest = this.rows.filter(row => row.id > id);
    return { rows: rest.slice(0, size), isMore: rest.length > size };
  }
}

interface Answered {
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ModelStyle {
  readonly list: Listing;
  readonly answer: (table: Table, request: UpstreamRequest) => Answered;
}

export const BASE = "https://api.example.com/v1";
const listed = (pages: Listing["pages"], items = "rows[*]"): Listing => ({
  request: () => t.get("rows.list", "/rows"),
  items,
  pages,
  order: "oldest-first",
});
const sized = { sizeParameter: "size", maxPageSize: 50 };
const parametersOf = ({ path, query }: UpstreamRequest): Record<string, string> => ({
  ...Object.fromEntries(new URL(path, "http://x").searchParams),
  ...Object.fromEntries(Object.entries(query ?? {}).map(([name, value]) => [name, String(value)])),
});
/** Rows after the cursor `after`, which is a key. */
const keyed = (table: Table, request: UpstreamRequest) => {
  const { after = "-1", size = "50" } = parametersOf(request);
  const { rows, isMore } = table.after(Number(after), Number(size));
  return { rows, size, last: isMore ? String(rows.at(-1)?.id) : null };
};

/** Every style that goes from page to page, with a provider that follows it. */
export const modelStyles: Readonly<Record<string, ModelStyle>> = {
  one: { list: listed(t.onePage(), "[*]"), answer: table => ({ body: table.rows }) },
  offset: {
    list: listed(t.offsetPages({ offsetParameter: "skip", ...sized })),
    answer: (table, request) => {
      const { skip, size } = parametersOf(request);
      return { body: { rows: table.from(Number(skip), Number(size)).rows } };
    },
  },
  numbered: {
    list: listed(t.numberedPages({ pageParameter: "page", more: "more", ...sized })),
    answer: (table, request) => {
      const { page, size } = parametersOf(request);
      const { rows, isMore } = table.from((Number(page) - 1) * Number(size), Number(size));
      return { body: { rows, more: isMore } };
    },
  },
  cursor: {
    list: listed(t.cursorPages({ next: "next", cursorParameter: "after", ...sized })),
    answer: (table, request) => {
      const { rows, last } = keyed(table, request);
      return { body: { rows, next: last } };
    },
  },
  "header-cursor": {
    list: listed(t.headerCursorPages({ nextHeader: "X-Next", cursorParameter: "after", ...sized })),
    answer: (table, request) => {
      const { rows, last } = keyed(table, request);
      return { body: { rows }, headers: last === null ? {} : { "x-next": last } };
    },
  },
  link: {
    list: listed(t.linkPages(sized), "[*]"),
    answer: (table, request) => {
      const { rows, last, size } = keyed(table, request);
      const first = `<${BASE}/rows?size=${size}>; rel="first"`;
      const next = last === null ? "" : `, <${BASE}/rows?after=${last}&size=${size}>; rel="next"`;
      return { body: rows, headers: { link: first + next } };
    },
  },
  "next-url": {
    list: listed(t.nextUrlPages({ next: "next", ...sized })),
    answer: (table, request) => {
      const { rows, last, size } = keyed(table, request);
      return { body: { rows, next: last === null ? null : `?after=${last}&size=${size}` } };
    },
  },
  keyset: {
    list: listed(t.keysetPages({ more: "more", key: "id", afterParameter: "after", ...sized })),
    answer: (table, request) => {
      const { rows, last } = keyed(table, request);
      return { body: { rows, more: last !== null } };
    },
  },
  relay: {
    list: {
      ...listed(t.relayPages({ pageInfo: "data.rows.pageInfo", afterParameter: "after", ...sized }), "data.rows.nodes[*]"),
      request: () => t.graphqlQuery("rows", "/graphql", "query", {}),
    },
    answer: (table, request) => {
      const variables = request.body?.type === "graphql" ? request.body.variables : {};
      const { after = "-1", size } = variables as { after?: string; size: number };
      const { rows, isMore } = table.after(Number(after), size);
      return {
        body: { data: { rows: { nodes: rows, pageInfo: { hasNextPage: isMore, endCursor: String(rows.at(-1)?.id ?? after) } } } },
      };
    },
  },
};

/** An upstream that answers from a function. */
export function modelUpstream(answer: (request: UpstreamRequest) => Answered): ListingUpstream {
  const send = async (request: UpstreamRequest): Promise<UpstreamResponse> => {
    const { body, headers = {} } = answer(request);
    const text = JSON.stringify(body);
    return { status: 200, headers, text, body: parseJson(text), problems: [], receivedAtMs: 0, attempts: 1 };
  };
  return { baseUrl: BASE, source: { name: "model", client: { baseUrl: BASE } }, send } as unknown as ListingUpstream;
}
