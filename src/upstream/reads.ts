import { asError, ContractError, TributaryError, UpstreamError } from "../core/errors.ts";
import { type Json, keyText, valueAt } from "../core/json.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { BatchLookup, DayWindow, EachLookup, RelatedBatch, RelatedEach } from "../source/collection.ts";
import type { UpstreamRequest } from "../source/request.ts";
import type { CallContext } from "./context.ts";
import { decode, type Decoded } from "./decode.ts";
import { readPages } from "./listing.ts";
import { itemsAt } from "./records.ts";
import type { Upstream, UpstreamResponse } from "./upstream.ts";

/** A decoded record and the moment, in ms since the epoch, at which its source answered. */
export interface Fetched extends Decoded {
  readonly fetchedAtMs: number;
}

/** Per key: the record, null when the source does not have it, or why it could not be read. Every key asked for is there. */
export type Outcomes<T> = ReadonlyMap<string, T | Error>;

/** Reads records by their keys: as many requests as the declaration needs, failures kept to the keys that they concern. */
export async function lookupRecords(
  upstream: Upstream,
  entry: CatalogEntry,
  keys: readonly string[],
  context: CallContext,
): Promise<Outcomes<Fetched | null>> {
  const { lookup } = entry.collection;
  if (lookup === undefined) throw new UpstreamError("UPSTREAM_REJECTED", `${entry.id} has no lookup by key`);
  const parts =
    lookup.mode === "batch"
      ? chunksOf(keys, lookup.max).map(chunk => lookupBatch(upstream, entry, lookup, chunk, context))
      : keys.map(key => lookupEach(upstream, entry, lookup, key, context));
  return new Map((await Promise.all(parts)).flatMap(part => [...part]));
}

async function lookupEach(
  upstream: Upstream,
  entry: CatalogEntry,
  lookup: EachLookup,
  key: string,
  context: CallContext,
): Promise<Outcomes<Fetched | null>> {
  try {
    const response = await upstream.send(lookup.request(key), context);
    if (response.problems[0]) throw response.problems[0];
    const record = lookup.item === undefined ? response.body : valueAt(response.body, lookup.item);
    if (isDeleted(entry, record)) return new Map([[key, null]]);
    const fetched = { ...decode(entry, record), fetchedAtMs: response.receivedAtMs };
    if (fetched.entity.key !== key) throw new ContractError("UPSTREAM_CONTRACT", `asked for one key, got the record of another`);
    return new Map([[key, fetched]]);
  } catch (thrown) {
    const isAbsent = thrown instanceof UpstreamError && thrown.code === "UPSTREAM_NOT_FOUND";
    return new Map([[key, isAbsent ? null : placed(thrown, entry)]]);
  }
}

async function lookupBatch(
  upstream: Upstream,
  entry: CatalogEntry,
  lookup: BatchLookup,
  keys: readonly string[],
  context: CallContext,
): Promise<Outcomes<Fetched | null>> {
  try {
    const response = await upstream.send(lookup.request(keys), context);
    const records = usableItems(response, lookup.items, entry);
    const absent = namelessIn(records, entry) ?? absentIn(response, entry);
    const outcomes = new Map<string, Fetched | Error | null>(keys.map(key => [key, absent]));
    for (const record of records) keepRecord(outcomes, entry, record, response.receivedAtMs);
    return outcomes;
  } catch (thrown) {
    return new Map(keys.map(key => [key, placed(thrown, entry)]));
  }
}

function isDeleted({ collection: { tombstone } }: CatalogEntry, record: unknown): boolean {
  return tombstone !== undefined && valueAt(record, tombstone.path) === tombstone.equals;
}

/** A record whose key cannot be read may be any of those that were asked for: then none of them is known to be absent. */
function namelessIn(records: readonly Json[], entry: CatalogEntry): Error | null {
  const nameless = records.find(record => keyText(valueAt(record, keyPathOf(entry))) === undefined);
  if (nameless === undefined) return null;
  try {
    decode(entry, nameless);
    return new ContractError("UPSTREAM_CONTRACT", `${entry.id}: a record has no key at ${keyPathOf(entry)}`);
  } catch (thrown) {
    return placed(thrown, entry);
  }
}

const keyPathOf = (entry: CatalogEntry): string => entry.collection.map["key"]?.inputs[0] ?? "";

/** Puts a record where its own key says; one that was not asked for, or has no key that can be read, is left out. */
function keepRecord(outcomes: Map<string, Fetched | Error | null>, entry: CatalogEntry, record: Json, fetchedAtMs: number): void {
  const key = keyText(valueAt(record, keyPathOf(entry)));
  if (key === undefined || !outcomes.has(key)) return;
  try {
    outcomes.set(key, isDeleted(entry, record) ? null : { ...decode(entry, record), fetchedAtMs });
  } catch (thrown) {
    outcomes.set(key, placed(thrown, entry));
  }
}

/** The records of one owner, in the provider's order, read page by page as far as the reader asks. */
export async function* relatedPages(
  upstream: Upstream,
  entry: CatalogEntry,
  related: RelatedEach,
  ownerKey: string,
  options: { context: CallContext; pageSize: number; from?: string },
): AsyncGenerator<{ readonly records: readonly Fetched[]; readonly next: string | null }> {
  const walk = { request: related.request(ownerKey), items: related.items, pages: related.pages, pageSize: options.pageSize };
  try {
    for await (const page of readPages(
      upstream,
      options.from === undefined ? walk : { ...walk, from: options.from },
      options.context,
    )) {
      const fetchedAtMs = page.response.receivedAtMs;
      yield { records: page.records.map(record => ({ ...decode(entry, record), fetchedAtMs })), next: page.next };
    }
  } catch (thrown) {
    throw placed(thrown, entry);
  }
}

/** The records of many owners in as few requests as the declaration allows, matched by the owner that each record names. */
export async function relatedRecords(
  upstream: Upstream,
  entry: CatalogEntry,
  related: RelatedBatch,
  ownerKeys: readonly string[],
  options: { context: CallContext; window: DayWindow },
): Promise<Outcomes<readonly Fetched[]>> {
  const parts = chunksOf(ownerKeys, related.max(options.window)).map(chunk => {
    const request = related.request(chunk, options.window);
    return relatedBatch(upstream, entry, { request, items: related.items, ownerKeys: chunk }, options.context);
  });
  return new Map((await Promise.all(parts)).flatMap(part => [...part]));
}

async function relatedBatch(
  upstream: Upstream,
  entry: CatalogEntry,
  read: { request: UpstreamRequest; items: string; ownerKeys: readonly string[] },
  context: CallContext,
): Promise<Outcomes<readonly Fetched[]>> {
  try {
    const response = await upstream.send(read.request, context);
    const byOwner = new Map<string, Fetched[]>(read.ownerKeys.map(key => [key, []]));
    for (const record of usableItems(response, read.items, entry)) {
      const fetched = { ...decode(entry, record), fetchedAtMs: response.receivedAtMs };
      byOwner.get(String(fetched.entity["customer"]))?.push(fetched);
    }
    const problem = absentIn(response, entry);
    return new Map([...byOwner].map(([key, records]) => [key, problem !== null && records.length === 0 ? problem : records]));
  } catch (thrown) {
    return new Map(read.ownerKeys.map(key => [key, placed(thrown, entry)]));
  }
}

/** The records in an answer; with errors beside data, a list that is missing altogether is the errors' doing. */
function usableItems(response: UpstreamResponse, items: string, entry: CatalogEntry): readonly Json[] {
  try {
    return itemsAt(response.body, items, entry.id).filter(record => record !== null);
  } catch (thrown) {
    throw response.problems[0] ?? thrown;
  }
}

/** What a record's absence from an answer means: that it does not exist, or that the source failed for it. */
const absentIn = (response: UpstreamResponse, entry: CatalogEntry): Error | null =>
  response.problems[0] === undefined ? null : placed(withAttempts(response.problems[0], response), entry);

const withAttempts = (error: UpstreamError, response: UpstreamResponse): UpstreamError =>
  new UpstreamError(error.code, error.message, {
    details: { ...error.details, attempts: response.attempts },
    cause: error.cause,
    retryable: error.retryable,
  });

/** An error together with the collection it happened in. */
export function placed(thrown: unknown, entry: CatalogEntry): Error {
  if (!(thrown instanceof TributaryError)) return asError(thrown);
  const options = {
    details: { ...thrown.details, source: entry.source.name, collection: entry.name },
    cause: thrown.cause,
    retryable: thrown.retryable,
  };
  const Class = thrown.constructor as new (code: string, message: string, options: object) => TributaryError;
  return new Class(thrown.code, thrown.message, options);
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));
}
