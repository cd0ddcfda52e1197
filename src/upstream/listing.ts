import { createHash } from "node:crypto";
import { ContractError, UpstreamError } from "../core/errors.ts";
import { isJsonObject, type Json, keyText, valueAt } from "../core/json.ts";
import type { Pagination } from "../source/pagination.ts";
import type { Parameters, UpstreamRequest } from "../source/request.ts";
import type { CallContext } from "./context.ts";
import { itemsAt } from "./records.ts";
import type { Upstream, UpstreamResponse } from "./upstream.ts";

/** A listing that can be walked, apart from what its records mean. */
export interface Walk {
  readonly request: UpstreamRequest;
  readonly items: string;
  readonly pages: Pagination;
  /** Records a page; the provider's maximum unless stated. */
  readonly pageSize?: number;
  /** Where to go on: a page cursor that an earlier walk gave. */
  readonly from?: string;
  /** Pages at most; more end the walk with `UPSTREAM_LISTING`. */
  readonly maxPages?: number;
}

export interface Page {
  /** The request as it was sent for this page. */
  readonly request: UpstreamRequest;
  readonly response: UpstreamResponse;
  readonly records: readonly Json[];
  /** The cursor that leads to the next page, or null at the end. */
  readonly next: string | null;
  /** False for a last page that is full and that no flag calls the last: the listing may have been cut. */
  readonly isEndCertain: boolean;
}

const MAX_PAGES = 100_000;

/**
 * Every page of a listing in the provider's order. Ends when the provider says so, never because a page is short or empty. Throws
 * `UPSTREAM_LISTING` when a cursor or a page's content comes back, whatever the length of the cycle, or when there are too many pages.
 */
export async function* readPages(upstream: Upstream, walk: Walk, context: CallContext): AsyncGenerator<Page> {
  const guard = new ListingGuard(walk, upstream.source.name);
  let cursor: string | null = walk.from ?? null;
  do {
    const request = pageRequest(walk, cursor);
    const response = await upstream.send(request, context);
    if (response.problems[0]) throw response.problems[0];
    const records = itemsAt(response.body, walk.items, `${upstream.source.name} ${request.operation}`);
    const next = nextCursor(walk.pages, response.body, records);
    guard.check(cursor, next, records);
    yield { request, response, records, next, isEndCertain: !mayBeCut(walk, records.length) };
    cursor = next;
  } while (cursor !== null);
}

const pageSizeOf = ({ pages, pageSize }: Walk): number => Math.min(pageSize ?? pages.maxPageSize, pages.maxPageSize);

const mayBeCut = (walk: Walk, records: number): boolean =>
  walk.pages.style === "cursor" && walk.pages.more === undefined && records >= pageSizeOf(walk);

/** The request for one page: the listing's own, with page size and cursor where the strategy puts them. */
export function pageRequest(walk: Walk, cursor: string | null): UpstreamRequest {
  const { pages, request } = walk;
  if (pages.style === "one") return request;
  const size = pageSizeOf(walk);
  const cursorParameter = pages.style === "cursor" ? pages.cursorParameter : pages.afterParameter;
  const added: Parameters = { [pages.sizeParameter]: size, ...(cursor === null ? {} : { [cursorParameter]: cursor }) };
  if (request.body?.type === "graphql") {
    const body = { ...request.body, variables: { ...request.body.variables, ...added } };
    return { ...request, body };
  }
  return { ...request, query: { ...request.query, ...added } };
}

/**
 * Where the next page starts, or null at the end. The end is what the provider says it is: throws `UPSTREAM_CONTRACT` when the flag that
 * says so is not there, and `UPSTREAM_LISTING` when it promises more without saying where.
 */
export function nextCursor(pages: Pagination, body: Json, records: readonly Json[]): string | null {
  switch (pages.style) {
    case "one":
      return null;
    case "cursor":
      if (pages.more === undefined) return cursorOrEnd(body, pages.next);
      return hasMore(body, pages.more) ? promised(valueAt(body, pages.next), pages.next) : null;
    case "keyset":
      return hasMore(body, pages.more) ? promised(valueAt(records.at(-1), pages.key), pages.key) : null;
    case "relay":
      return hasMore(body, `${pages.pageInfo}.hasNextPage`)
        ? promised(valueAt(body, `${pages.pageInfo}.endCursor`), "endCursor")
        : null;
  }
}

/** Without a flag, the end is that there is no cursor at all; what should hold one but does not is a change of shape. */
function cursorOrEnd(body: Json, path: string): string | null {
  const parent = path.includes(".") ? valueAt(body, path.slice(0, path.lastIndexOf("."))) : undefined;
  const cursor = valueAt(body, path);
  if (isJsonObject(parent) && cursor === undefined)
    throw new ContractError(
      "UPSTREAM_CONTRACT",
      `${path}: there is no page cursor where it should be; the source changed its shape`,
    );
  return keyText(cursor) ?? null;
}

function hasMore(body: Json, path: string): boolean {
  const flag = valueAt(body, path);
  if (typeof flag === "boolean") return flag;
  throw new ContractError("UPSTREAM_CONTRACT", `${path}: no flag says whether the listing goes on; the source changed its shape`);
}

function promised(cursor: unknown, path: string): string {
  const text = keyText(cursor);
  if (text !== undefined) return text;
  throw new UpstreamError("UPSTREAM_LISTING", `the source promises a further page, but ${path} does not say where it starts`);
}

/** Notices a listing that turns in circles. Holds one hash for each page. */
class ListingGuard {
  readonly #seen = new Set<string>();
  readonly #maxPages: number;
  readonly #place: { source: string; operation: string };
  #pages = 0;

  constructor(walk: Walk, source: string) {
    this.#maxPages = walk.maxPages ?? MAX_PAGES;
    this.#place = { source, operation: walk.request.operation };
  }

  check(cursor: string | null, next: string | null, records: readonly Json[]): void {
    if (++this.#pages > this.#maxPages) throw this.#stop(`more than ${this.#maxPages} pages`);
    if (next !== null && (next === cursor || !this.#isNew(`cursor ${next}`))) throw this.#stop("a page cursor came back");
    if (records.length > 0 && !this.#isNew(`content ${fingerprint(records)}`)) {
      throw this.#stop("the content of a page came back");
    }
  }

  #isNew(mark: string): boolean {
    const isNew = !this.#seen.has(mark);
    this.#seen.add(mark);
    return isNew;
  }

  #stop(guard: string): UpstreamError {
    return new UpstreamError("UPSTREAM_LISTING", `${this.#place.source} ${this.#place.operation}: ${guard}`, {
      details: this.#place,
    });
  }
}

/** Stands for a page's content: how many records, the first and the last. The cursors around them may be new each time. */
function fingerprint(records: readonly Json[]): string {
  const ends = JSON.stringify([records.length, records[0], records.at(-1)], (_name, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
  return createHash("sha256").update(ends).digest("base64");
}
