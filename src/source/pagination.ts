import type { UpstreamRequest } from "./request.ts";

/** How a listing is paged: a closed set of named strategies. They say where things stand; `src/upstream/listing.ts` walks them. */
export type Pagination =
  | OnePage
  | OffsetPages
  | NumberedPages
  | CursorPages
  | HeaderCursorPages
  | LinkPages
  | NextUrlPages
  | KeysetPages
  | RelayPages
  | ExportPages;

export type PaginationStyle = Pagination["style"];

/** A listing that comes whole in one answer. */
export interface OnePage {
  readonly style: "one";
  /** There is no page size to ask for. */
  readonly maxPageSize: number;
}

interface PageSize {
  /** The parameter that asks for a page size; none where the provider alone decides. */
  readonly sizeParameter?: string;
  /** The largest page that the provider grants. */
  readonly maxPageSize: number;
}

interface OpaqueCursor {
  /**
   * What the provider's cursor stands for: a place that it finds again whatever comes and goes before it, or merely a number of records. A place
   * unless stated.
   */
  readonly marks?: "place" | "offset";
}

/**
 * The next page starts after as many records as have come. Ends when `more` says so or `total` is reached; where neither is declared, at an empty
 * page, never at a short one.
 */
export interface OffsetPages extends PageSize {
  readonly style: "offset";
  readonly offsetParameter: string;
  /** Path of a boolean in the body: whether there are more. */
  readonly more?: string;
  /** Path of the number of all records; used where there is no `more`. */
  readonly total?: string;
}

/** Pages have numbers. Ends when `more` says so or at the last of `pageCount` pages; where neither is declared, at an empty page. */
export interface NumberedPages extends PageSize {
  readonly style: "numbered";
  readonly pageParameter: string;
  /** The number of the first page; 1 unless stated. */
  readonly firstPage?: number;
  /** Path of a boolean in the body: whether there are more. */
  readonly more?: string;
  /** Path of the number of pages; used where there is no `more`. */
  readonly pageCount?: string;
}

/** The response carries an opaque cursor for the next page; it ends when there is none, or when `more` or `last` says so. */
export interface CursorPages extends PageSize, OpaqueCursor {
  readonly style: "cursor";
  /** Path of the next page's cursor in the body. */
  readonly next: string;
  /** Path of a boolean that says whether there are more pages; where given it decides, and a cursor alone does not. */
  readonly more?: string;
  /** The reverse of `more`: path of a boolean that is true on the last page. */
  readonly last?: string;
  /** The parameter that takes the cursor. */
  readonly cursorParameter: string;
}

/** As `CursorPages`, with the cursor in a header of the response; it ends when the header is absent or empty. */
export interface HeaderCursorPages extends PageSize, OpaqueCursor {
  readonly style: "header-cursor";
  /** Name of the header. */
  readonly nextHeader: string;
  readonly cursorParameter: string;
}

/**
 * The header `Link` leads to the next page. Only path and query of the link are used, and only under the declared base URL.
 * @see https://www.rfc-editor.org/rfc/rfc8288
 */
export interface LinkPages extends PageSize, OpaqueCursor {
  readonly style: "link";
}

/** The body has the address of the next page, absolute or relative. Only its path and query are used, and only under the declared base URL. */
export interface NextUrlPages extends PageSize, OpaqueCursor {
  readonly style: "next-url";
  /** Path of the address in the body. */
  readonly next: string;
  /** Path of a boolean that says whether there are more pages; where given it decides. */
  readonly more?: string;
}

/** The next page starts after the last record's key, which no two records share. */
export interface KeysetPages extends PageSize {
  readonly style: "keyset";
  /** Path of a boolean in the body: whether there are more; where not declared, an empty page is the end. */
  readonly more?: string;
  /** Path of the key in a record. */
  readonly key: string;
  readonly afterParameter: string;
}

/** A Relay connection; parameters are GraphQL variables. @see https://relay.dev/graphql/connections.htm */
export interface RelayPages extends PageSize, OpaqueCursor {
  readonly style: "relay";
  /** Path of `pageInfo` in the body. */
  readonly pageInfo: string;
  readonly afterParameter: string;
}

/**
 * The provider writes everything into a file of JSON lines: the listing's own request creates the export, `poll` asks how far it is, the file is
 * read line by line. The listing's `items` is then `[*]`.
 */
export interface ExportPages {
  readonly style: "export";
  /** Lines that are handed on together at most; 1,000 unless stated. */
  readonly maxPageSize: number;
  /** Path of the export's id in the answer to its creation. */
  readonly id: string;
  readonly poll: (id: string) => UpstreamRequest;
  /** Gives an export up that nobody waits for any more. */
  readonly cancel?: (id: string) => UpstreamRequest;
  /** Path of the state in the answer to `poll`. */
  readonly status: string;
  readonly done: readonly string[];
  readonly failed: readonly string[];
  /** Path of the file's address in the answer to `poll`; null there means that nothing was found. Under the base URL, or on one of the client's `otherHosts`. */
  readonly url: string;
  /** Path of the number of records in the file, without lines that `childMark` leaves out. */
  readonly count?: string;
  /** A member that only lines of a record's own parts have, e.g. `__parentId`: they are left out. */
  readonly childMark?: string;
  /** In ms between two polls: the first wait, doubled up to the longest; 1,000 and 30,000 unless stated. */
  readonly pollMs?: { readonly first: number; readonly longest: number };
  /** In ms until the export must be done; one hour unless stated. */
  readonly deadlineMs?: number;
}

type Options<P extends Pagination> = Omit<P, "style">;

export const onePage = (): OnePage => ({ style: "one", maxPageSize: Number.POSITIVE_INFINITY });
export const offsetPages = (options: Options<OffsetPages>): OffsetPages => ({ style: "offset", ...options });
export const numberedPages = (options: Options<NumberedPages>): NumberedPages => ({ style: "numbered", ...options });
export const cursorPages = (options: Options<CursorPages>): CursorPages => ({ style: "cursor", ...options });
export const headerCursorPages = (options: Options<HeaderCursorPages>): HeaderCursorPages => ({
  style: "header-cursor",
  ...options,
});
export const linkPages = (options: Options<LinkPages>): LinkPages => ({ style: "link", ...options });
export const nextUrlPages = (options: Options<NextUrlPages>): NextUrlPages => ({ style: "next-url", ...options });
export const keysetPages = (options: Options<KeysetPages>): KeysetPages => ({ style: "keyset", ...options });
export const relayPages = (options: Options<RelayPages>): RelayPages => ({ style: "relay", ...options });
export const exportPages = (
  options: Omit<ExportPages, "style" | "maxPageSize"> & { readonly maxPageSize?: number },
): ExportPages => ({
  style: "export",
  maxPageSize: 1_000,
  ...options,
});
