import { invalidAttribute, Refusal } from "./sandbox-answers.ts";
import type { Query } from "./sandbox-answers.ts";
import type { Listing, Records } from "./sandbox-records.ts";

/** A page as it goes over the wire. */
export type PageBody = Readonly<Record<string, unknown>>;

const MOST_PER_PAGE = 100;
const OFFSET_REACH = 10_000;
const MOST_PER_EXPORT = 1000;
const SETTLING_SECONDS = 60;
const AFTER = "page[after]";
const BEFORE = "page[before]";
const SIZE = "page[size]";

const encode = (text: string) => Buffer.from(text).toString("base64url");

/** Reads what {@link encode} wrote under a tag, or refuses. */
function decode(tag: string, cursor: string, name: string): string {
  const [found, value] = Buffer.from(cursor, "base64url").toString().split(":");
  if (found !== tag || value === undefined || !/^-?\d+$/.test(value))
    throw invalidAttribute(name, `Invalid parameter: ${name} is not valid`);
  return value;
}

const rowsOf = <R>(listing: Listing<R>, from: number, to: number): R[] =>
  Array.from({ length: Math.max(0, to - from) }, (_empty, at) => listing.at(from + at));

/** Where a cursor points: the index of its record, which is never deleted. */
function indexOfCursor<R>(name: string, listing: Listing<R>, cursor: string): number {
  const index = listing.indexOf(decode(name, cursor, "page"));
  if (index < 0) throw invalidAttribute("page", "Invalid parameter: page cursor is not valid");
  return index;
}

/** The half-open range of indices a request with `page[size]` asks for. */
function rangeOf<R>(name: string, listing: Listing<R>, query: Query): { from: number; to: number } {
  const size = query.integer(SIZE, MOST_PER_PAGE);
  if (size > MOST_PER_PAGE) throw invalidAttribute(SIZE, `Invalid parameter: ${SIZE} must be at most ${MOST_PER_PAGE}`);
  const before = query.text(BEFORE);
  if (before !== undefined) {
    const to = indexOfCursor(name, listing, before);
    return { from: Math.max(0, to - size), to };
  }
  const after = query.text(AFTER);
  const from = after === undefined ? 0 : indexOfCursor(name, listing, after) + 1;
  return { from, to: Math.min(listing.length, from + size) };
}

/** One page by cursor. The last page keeps its cursor and its next link: only `has_more` tells the end. */
function cursorPage<R>(name: string, listing: Listing<R>, query: Query): PageBody {
  const { from, to } = rangeOf(name, listing, query);
  const isBackward = query.text(BEFORE) !== undefined;
  const cursorAt = (index: number) => (to > from ? encode(`${name}:${listing.idAt(index)}`) : null);
  const after = cursorAt(to - 1);
  const before = cursorAt(from);
  return {
    [name]: rowsOf(listing, from, to),
    meta: { has_more: isBackward ? from > 0 : to < listing.length, after_cursor: after, before_cursor: before },
    links: {
      prev: before === null ? null : query.with({ [BEFORE]: before, [AFTER]: null }),
      next: after === null ? null : query.with({ [AFTER]: after, [BEFORE]: null }),
    },
  };
}

/** One page by number; `limit` is the most records it reaches. */
function numberedPage<R>(name: string, listing: Listing<R>, query: Query): PageBody {
  const size = Math.min(query.integer("per_page", MOST_PER_PAGE), MOST_PER_PAGE);
  const page = query.integer("page", 1);
  if (page * size > OFFSET_REACH)
    throw new Refusal(400, {
      error: "InvalidPaginationDepth",
      description: `Requests beyond the first ${OFFSET_REACH} records are not served. Use cursor pagination.`,
    });
  const from = Math.min((page - 1) * size, listing.length);
  const to = Math.min(from + size, listing.length);
  return {
    [name]: rowsOf(listing, from, to),
    count: listing.length,
    next_page: to < listing.length ? query.with({ page: String(page + 1) }) : null,
    previous_page: page > 1 ? query.with({ page: String(page - 1) }) : null,
  };
}

/** One page of a listing: by cursor when `page[size]` or a cursor is there, else by number. */
export const pageOf = <R>(name: string, listing: Listing<R>, query: Query): PageBody =>
  [SIZE, AFTER, BEFORE].some(parameter => query.text(parameter) !== undefined)
    ? cursorPage(name, listing, query)
    : numberedPage(name, listing, query);

/** One numbered page of what was found by a search. */
export const foundPage = (name: string, found: readonly object[], query: Query): PageBody => {
  const at = (index: number) => found[index];
  return numberedPage(name, { length: found.length, at, idAt: index => index, indexOf: () => -1 }, query);
};

function startOf<R>(name: string, records: Records<R>, query: Query, nowSeconds: number): number {
  const cursor = query.text("cursor");
  if (cursor !== undefined) return Number(decode(`${name}-changes`, cursor, "cursor"));
  const start = query.text("start_time");
  if (start === undefined || !/^\d{1,12}$/.test(start))
    throw new Refusal(400, { error: "StartTimeMissing", description: "Specify start_time in epoch seconds, or a cursor" });
  if (Number(start) > nowSeconds - SETTLING_SECONDS)
    throw new Refusal(422, {
      error: "StartTimeTooRecent",
      description: "Too recent start_time. Use a start_time older than 60 seconds",
    });
  return records.placeBefore(Number(start));
}

/** One page of the incremental export: what changed last comes last, and the latest minute is held back. */
export function exportPage<R>(name: string, records: Records<R>, query: Query, nowMs: number): PageBody {
  const nowSeconds = Math.floor(nowMs / 1000);
  const size = Math.min(query.integer("per_page", MOST_PER_EXPORT), MOST_PER_EXPORT);
  const after = startOf(name, records, query, nowSeconds);
  const page = records.changes({ after, size, beforeSeconds: nowSeconds - SETTLING_SECONDS });
  const cursor = encode(`${name}-changes:${page.after}`);
  return {
    [name]: page.records,
    after_url: query.with({ cursor, start_time: null }),
    after_cursor: cursor,
    before_url: null,
    before_cursor: null,
    end_of_stream: page.isEnd,
  };
}
