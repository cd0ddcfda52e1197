import Link from "http-link-header";
import { ContractError } from "../../core/errors.ts";
import { type Json, valueAt } from "../../core/json.ts";
import type { Pagination, PaginationStyle } from "../../source/pagination.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import { targetOf, underBase } from "../target.ts";
import {
  type Answer,
  certainEnd,
  countAt,
  cursorOrEnd,
  goesOn,
  hasMore,
  listingError,
  promised,
  silentEnd,
  sized,
  type Step,
  type Strategy,
  withParameters,
} from "./strategy.ts";

type Of<S extends PaginationStyle> = Extract<Pagination, { style: S }>;
/** Exports are read from a file, not page by page. */
type PagedStyle = Exclude<PaginationStyle, "export">;

/** Adds the cursor as a parameter, after the first page. */
const withCursor = (parameter: string, request: UpstreamRequest, cursor: string | null): UpstreamRequest =>
  cursor === null ? request : withParameters(request, { [parameter]: cursor });

const one: Strategy<Of<"one">> = {
  request: (_pages, request) => request,
  next: () => certainEnd,
};

const offset: Strategy<Of<"offset">> = {
  request: (pages, request, cursor, size) =>
    withParameters(request, { [pages.offsetParameter]: Number(cursor ?? 0), ...sized(pages, size) }),
  next({ more, total }, { body, records, cursor, size }) {
    const came = records.length;
    const after = Number(cursor ?? 0) + came;
    // By what came, not by what was asked for: a page that was cut short is repeated in part rather than passed over in part.
    if (more !== undefined) return hasMore(body, more) ? goesOn(String(came === 0 ? after + size : after)) : certainEnd;
    if (came === 0) return certainEnd;
    return total !== undefined && after >= countAt(body, total) ? certainEnd : goesOn(String(after));
  },
};

const numbered: Strategy<Of<"numbered">> = {
  request: (pages, request, cursor, size) =>
    withParameters(request, { [pages.pageParameter]: Number(cursor ?? pages.firstPage ?? 1), ...sized(pages, size) }),
  next({ more, pageCount, firstPage = 1 }, { body, records, cursor }) {
    const page = Number(cursor ?? firstPage);
    const isOver =
      more !== undefined
        ? !hasMore(body, more)
        : pageCount === undefined
          ? records.length === 0
          : page - firstPage + 1 >= pagesIn(body, pageCount, records);
    return isOver ? certainEnd : goesOn(String(page + 1));
  },
};

/** The number of pages; throws `UPSTREAM_CONTRACT` when it denies the records beside it. */
function pagesIn(body: Json, path: string, records: readonly Json[]): number {
  const count = countAt(body, path);
  if (count > 0 || records.length === 0) return count;
  throw new ContractError("UPSTREAM_CONTRACT", `${path}: no pages, but records; the source changed its shape`);
}

const cursor: Strategy<Of<"cursor">> = {
  request: (pages, request, at, size) => withCursor(pages.cursorParameter, withParameters(request, sized(pages, size)), at),
  next(pages, answer) {
    const { body } = answer;
    const flag = pages.more ?? pages.last;
    if (flag !== undefined)
      return hasMore(body, flag) === (pages.more !== undefined)
        ? goesOn(promised(valueAt(body, pages.next), pages.next))
        : certainEnd;
    const next = cursorOrEnd(body, pages.next);
    return next === null ? silentEnd(answer) : goesOn(next);
  },
};

const headerCursor: Strategy<Of<"header-cursor">> = {
  request: (pages, request, at, size) => withCursor(pages.cursorParameter, withParameters(request, sized(pages, size)), at),
  next(pages, answer) {
    const next = answer.headers[pages.nextHeader.toLowerCase()]?.trim() ?? "";
    return next === "" ? silentEnd(answer) : goesOn(next);
  },
};

/** A cursor that is path and query of the next page, relative to the base URL. */
function leadTo(request: UpstreamRequest, at: string): UpstreamRequest {
  const [path = "", query = ""] = at.split(/\?(.*)/s, 2);
  const parameters = [...new URLSearchParams(query)];
  const isPlain = new Set(parameters.map(([name]) => name)).size === parameters.length;
  // A name that is there several times cannot be said as parameters.
  return isPlain ? { ...request, path, query: Object.fromEntries(parameters) } : { ...request, path: at, query: {} };
}

/** Where an address leads; throws `UPSTREAM_LISTING` when that is not under the base URL. */
function followed(href: string, { baseUrl, request }: Answer): Step {
  const target = URL.parse(href, targetOf(baseUrl(), request).href);
  const next = target === null ? undefined : underBase(baseUrl(), target.href);
  if (next !== undefined) return goesOn(next);
  throw listingError("next link", "the next page's address leads away from the declared base URL");
}

const addressed = (pages: Of<"link" | "next-url">, request: UpstreamRequest, at: string | null, size: number) =>
  at === null ? withParameters(request, sized(pages, size)) : leadTo(request, at);

const link: Strategy<Of<"link">> = {
  request: addressed,
  next(_pages, answer) {
    const header = answer.headers["link"]?.trim() ?? "";
    const links = header === "" ? undefined : linksIn(header);
    const next = links?.rel("next").find(each => each["anchor"] === undefined)?.uri;
    if (next !== undefined) return followed(next, answer);
    // Other links without a `next` say that this is the last page; no links at all may be a header that got lost.
    return links === undefined ? silentEnd(answer) : certainEnd;
  },
};

function linksIn(header: string): Link {
  try {
    return Link.parse(header);
  } catch (cause) {
    throw Object.assign(listingError("next link", "the header Link cannot be read"), { cause });
  }
}

const nextUrl: Strategy<Of<"next-url">> = {
  request: addressed,
  next(pages, answer) {
    const { body } = answer;
    if (pages.more !== undefined)
      return hasMore(body, pages.more) ? followed(promised(valueAt(body, pages.next), pages.next), answer) : certainEnd;
    const next = cursorOrEnd(body, pages.next);
    return next === null ? silentEnd(answer) : followed(next, answer);
  },
};

const keyset: Strategy<Of<"keyset">> = {
  request: (pages, request, at, size) => withCursor(pages.afterParameter, withParameters(request, sized(pages, size)), at),
  next({ more, key }, { body, records }) {
    const goes = more === undefined ? records.length > 0 : hasMore(body, more);
    return goes ? goesOn(promised(valueAt(records.at(-1), key), key)) : certainEnd;
  },
};

const relay: Strategy<Of<"relay">> = {
  request: (pages, request, at, size) => withCursor(pages.afterParameter, withParameters(request, sized(pages, size)), at),
  next: ({ pageInfo }, { body }) =>
    hasMore(body, `${pageInfo}.hasNextPage`) ? goesOn(promised(valueAt(body, `${pageInfo}.endCursor`), "endCursor")) : certainEnd,
};

/** Every style of paging that goes from page to page. */
const strategies: { readonly [S in PagedStyle]: Strategy<Of<S>> } = {
  one,
  offset,
  numbered,
  cursor,
  "header-cursor": headerCursor,
  link,
  "next-url": nextUrl,
  keyset,
  relay,
};

/** The strategy of a listing's pages, ready to be used with them. */
export function strategyOf(pages: Of<PagedStyle>): Strategy<Of<PagedStyle>> {
  return strategies[pages.style];
}
