import type { Listing } from "../../source/collection.ts";
import type { Pagination, PaginationStyle } from "../../source/pagination.ts";

/** What may happen to a row that is there all the time when others come, go or change between two pages. */
export interface Standing {
  readonly mayMiss: boolean;
  readonly mayRepeat: boolean;
}

/** How a style of paging finds its next page. */
type Footing = "whole" | "count" | "place" | "cursor";

interface StyleFacts {
  readonly footing: Footing;
  /** For people. */
  readonly name: string;
  readonly nextPage: string;
  readonly end: string;
}

/** What each style of paging goes by. */
export const styleFacts: Readonly<Record<PaginationStyle, StyleFacts>> = {
  one: { footing: "whole", name: "`onePage`", nextPage: "there is none", end: "after the first answer" },
  offset: {
    footing: "count",
    name: "`offsetPages`",
    nextPage: "after as many records as have come",
    end: "`more`, else `total`, else an empty page",
  },
  numbered: {
    footing: "count",
    name: "`numberedPages`",
    nextPage: "the next number",
    end: "`more`, else `pageCount`, else an empty page",
  },
  cursor: { footing: "cursor", name: "`cursorPages`", nextPage: "a cursor in the body", end: "`more`, else no cursor" },
  "header-cursor": { footing: "cursor", name: "`headerCursorPages`", nextPage: "a cursor in a header", end: "no such header" },
  link: { footing: "cursor", name: "`linkPages`", nextPage: "the header `Link`, `rel=next`", end: "no such link" },
  "next-url": { footing: "cursor", name: "`nextUrlPages`", nextPage: "an address in the body", end: "`more`, else no address" },
  keyset: {
    footing: "place",
    name: "`keysetPages`",
    nextPage: "after the last record's key",
    end: "`more`, else an empty page",
  },
  relay: { footing: "cursor", name: "`relayPages`", nextPage: "`pageInfo.endCursor`", end: "`pageInfo.hasNextPage`" },
  export: { footing: "whole", name: "`exportPages`", nextPage: "the file goes on", end: "the end of the file" },
};

const footingOf = (pages: Pagination): "whole" | "count" | "place" => {
  const { footing } = styleFacts[pages.style];
  if (footing !== "cursor") return footing;
  return "marks" in pages && pages.marks === "offset" ? "count" : "place";
};

/** Whether the next page is found by counting. */
export const isCounted = (pages: Pagination): boolean => footingOf(pages) === "count";

/**
 * What a listing of several pages may do to a row that stands all the time. A count shifts when rows come or go before it. A place holds, but a row
 * that an edit moves behind it is passed over, and one that is moved before it comes again: in a newest-first order by the last change edited rows
 * move behind, oldest-first they move ahead.
 */
export function standingOf({
  pages,
  order,
  isOrderChangedByEdits = false,
}: Pick<Listing, "pages" | "order" | "isOrderChangedByEdits">): Standing {
  const footing = footingOf(pages);
  if (footing === "whole") return { mayMiss: false, mayRepeat: false };
  if (footing === "count" || (isOrderChangedByEdits && order === "unordered")) return { mayMiss: true, mayRepeat: true };
  if (!isOrderChangedByEdits) return { mayMiss: false, mayRepeat: false };
  return { mayMiss: order === "newest-first", mayRepeat: order === "oldest-first" };
}
