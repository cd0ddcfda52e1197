/** How a listing is paged: a closed set of named strategies. They say where things stand; `src/upstream/listing.ts` walks them. */
export type Pagination = OnePage | CursorPages | KeysetPages | RelayPages;

/** A listing that comes whole in one answer. */
export interface OnePage {
  readonly style: "one";
  /** There is no page size to ask for. */
  readonly maxPageSize: number;
}

interface PageSize {
  /** The parameter that asks for a page size. */
  readonly sizeParameter: string;
  /** The largest page that the provider grants. */
  readonly maxPageSize: number;
}

/** The response carries an opaque cursor for the next page; it ends when there is none, or when `more` says so. */
export interface CursorPages extends PageSize {
  readonly style: "cursor";
  /** Path of the next page's cursor in the body. */
  readonly next: string;
  /** Path of a boolean that says whether there are more pages; where given it decides, and a cursor alone does not. */
  readonly more?: string;
  /** The parameter that takes the cursor. */
  readonly cursorParameter: string;
}

/** The next page starts after the last record's key. */
export interface KeysetPages extends PageSize {
  readonly style: "keyset";
  /** Path of a boolean in the body: whether there are more. */
  readonly more: string;
  /** Path of the key in a record. */
  readonly key: string;
  readonly afterParameter: string;
}

/** A Relay connection; parameters are GraphQL variables. @see https://relay.dev/graphql/connections.htm */
export interface RelayPages extends PageSize {
  readonly style: "relay";
  /** Path of `pageInfo` in the body. */
  readonly pageInfo: string;
  readonly afterParameter: string;
}

export const onePage = (): OnePage => ({ style: "one", maxPageSize: Number.POSITIVE_INFINITY });
export const cursorPages = (options: Omit<CursorPages, "style">): CursorPages => ({ style: "cursor", ...options });
export const keysetPages = (options: Omit<KeysetPages, "style">): KeysetPages => ({ style: "keyset", ...options });
export const relayPages = (options: Omit<RelayPages, "style">): RelayPages => ({ style: "relay", ...options });
