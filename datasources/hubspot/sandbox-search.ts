import { z } from "zod";
import type { Contact, ContactBook } from "./sandbox-contacts.ts";
import { invalid } from "./sandbox-errors.ts";

const operators = ["EQ", "NEQ", "GT", "GTE", "LT", "LTE", "IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY"] as const;
const value = z.union([z.string(), z.number()]).transform(String);

const filter = z.object({
  propertyName: z.string().min(1),
  operator: z.enum(operators),
  value: value.optional(),
  values: z.array(value).optional(),
});
const sort = z.object({ propertyName: z.string().min(1), direction: z.enum(["ASCENDING", "DESCENDING"]).default("ASCENDING") });

const searchContract = z.object({
  filterGroups: z
    .array(z.object({ filters: z.array(filter).min(1).max(6) }))
    .max(5)
    .default([]),
  sorts: z.array(sort).max(1).default([]),
  properties: z.array(z.string()).optional(),
  limit: z.int().min(0).max(200).default(10),
  after: z.union([z.string(), z.number()]).optional(),
});

type Filter = z.infer<typeof filter>;
type Search = z.infer<typeof searchContract>;

/** What a search found. */
export interface SearchAnswer {
  readonly total: number;
  readonly found: readonly Contact[];
  readonly properties: readonly string[] | undefined;
  /** Where the next page begins; undefined on the last. */
  readonly next: number | undefined;
}

/** The provider never shows more than this many rows of a search. */
const SEARCH_WINDOW = 10_000;
const MAX_FILTERS = 18;

const isInstant = (name: string) => name === "createdate" || name === "lastmodifieddate";

/** Instants compare as times whether asked in epoch milliseconds or ISO text; everything else as text in lower case. */
function comparable(name: string, text: string): number | string {
  if (!isInstant(name)) return text.toLowerCase();
  return /^\d+$/.test(text) ? Number(text) : Date.parse(text);
}

function passes({ properties }: Contact, { propertyName, operator, value: wanted, values = [] }: Filter): boolean {
  const stored = properties[propertyName] ?? null;
  if (operator === "HAS_PROPERTY") return stored !== null;
  if (operator === "NOT_HAS_PROPERTY") return stored === null;
  if (stored === null) return operator === "NEQ";
  const have = comparable(propertyName, stored);
  if (operator === "IN") return values.some(one => comparable(propertyName, one) === have);
  const want = comparable(propertyName, wanted ?? "");
  const compared = have === want ? 0 : have < want ? -1 : 1;
  const by = {
    EQ: compared === 0,
    NEQ: compared !== 0,
    GT: compared > 0,
    GTE: compared >= 0,
    LT: compared < 0,
    LTE: compared <= 0,
  };
  return by[operator];
}

/** The addresses that a group of filters asks for, or undefined when it does not ask by address. */
function addressesOf(filters: readonly Filter[]): readonly string[] | undefined {
  const byEmail = filters.find(
    ({ propertyName, operator }) => propertyName === "email" && (operator === "EQ" || operator === "IN"),
  );
  return byEmail && (byEmail.operator === "EQ" ? [byEmail.value ?? ""] : (byEmail.values ?? []));
}

/** Positions worth looking at: by address when every group asks by one, else all. */
function candidates(book: ContactBook, { filterGroups }: Search): Iterable<number> {
  const addresses = filterGroups.map(({ filters }) => addressesOf(filters));
  if (addresses.length === 0 || addresses.includes(undefined)) return Array(book.length).keys();
  const positions = addresses.flatMap(list => (list ?? []).flatMap(email => book.withEmail(email)));
  return new Set(positions.sort((a, b) => a - b));
}

function matching(book: ContactBook, search: Search, nowMs: number): readonly number[] {
  const found: { readonly position: number; readonly rank: number | string }[] = [];
  const [order] = search.sorts;
  for (const position of candidates(book, search)) {
    const contact = book.indexed(position, nowMs);
    const groups = search.filterGroups;
    if (contact.archived || (groups.length > 0 && !groups.some(({ filters }) => filters.every(one => passes(contact, one)))))
      continue;
    const rank = order === undefined ? 0 : comparable(order.propertyName, contact.properties[order.propertyName] ?? "");
    found.push({ position, rank });
  }
  const sign = order?.direction === "DESCENDING" ? -1 : 1;
  if (order !== undefined) found.sort((a, b) => (a.rank === b.rank ? 0 : a.rank < b.rank ? -sign : sign));
  return found.map(({ position }) => position);
}

function readSearch(body: unknown): Search {
  const read = searchContract.safeParse(body ?? {});
  const [issue] = read.error?.issues ?? [];
  if (issue !== undefined) throw invalid(`Invalid input JSON on ${issue.path.join(".") || "body"}: ${issue.message}`);
  const search = read.data as Search;
  const filters = search.filterGroups.reduce((sum, group) => sum + group.filters.length, 0);
  if (filters > MAX_FILTERS) throw invalid(`Search requests may have at most ${MAX_FILTERS} filters, not ${filters}.`);
  return search;
}

function offsetOf({ after, limit }: Search): number {
  const offset = after === undefined || after === "" ? 0 : Number(after);
  if (!Number.isInteger(offset) || offset < 0) throw invalid(`Invalid after: ${after}`);
  if (offset + limit > SEARCH_WINDOW)
    throw invalid(`The search window ends at ${SEARCH_WINDOW} results: after + limit may not exceed it.`);
  return offset;
}

/** Makes `POST …/search`. What the last search matched is kept until its index changes, so that its pages agree. */
export function createSearch(book: ContactBook, clock: () => number): (body: unknown) => SearchAnswer {
  let kept: { readonly asked: string; readonly positions: readonly number[] } | undefined;
  return body => {
    const search = readSearch(body);
    const offset = offsetOf(search);
    const nowMs = clock();
    const asked = JSON.stringify([search.filterGroups, search.sorts, book.version(), book.indexedVersion(nowMs)]);
    if (kept?.asked !== asked) kept = { asked, positions: matching(book, search, nowMs) };
    const { positions } = kept;
    const found = positions.slice(offset, offset + search.limit).map(position => book.indexed(position, nowMs));
    const next = offset + found.length;
    return { total: positions.length, found, properties: search.properties, next: next < positions.length ? next : undefined };
  };
}
