import { UpstreamError } from "../core/errors.ts";
import { type Json, valueAt } from "../core/json.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { BatchLookup, EachLookup } from "../source/collection.ts";
import type { CallContext } from "./context.ts";
import {
  absentIn,
  breach,
  chunksOf,
  endsReading,
  type Fetched,
  fetched,
  isDeleted,
  type Outcomes,
  placed,
  plainText,
  type Reading,
  usableItems,
} from "./reads.ts";
import type { Upstream } from "./upstream.ts";

type Found = Outcomes<Fetched | null>;

/** Reads records by their keys: as many requests as the declaration needs, failures kept to the keys that they concern. */
export async function lookupRecords(
  upstream: Upstream,
  entry: CatalogEntry,
  keys: readonly string[],
  context: CallContext,
): Promise<Found> {
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
): Promise<Found> {
  try {
    const response = await upstream.send({ ...lookup.request(key), mayBeAbsent: true }, context);
    if (response.problems[0]) throw response.problems[0];
    const record = (lookup.item === undefined ? response.body : valueAt(response.body, lookup.item)) as Json;
    if (isDeleted(entry, record)) return new Map([[key, null]]);
    const found = fetched(entry, record, { response, context });
    if (found !== null && found.entity.key !== key)
      throw breach(entry, `asked for one key of ${entry.name}, got the record of another`, response);
    return new Map([[key, found]]);
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
): Promise<Found> {
  try {
    const response = await upstream.send(lookup.request(keys), context, answer => {
      usableItems(answer, lookup.items, entry);
    });
    const records = usableItems(response, lookup.items, entry);
    const reading = { response, context };
    const absent = namelessIn(records, entry, reading) ?? absentIn(response, entry);
    const outcomes = new Map<string, Fetched | Error | null>(keys.map(key => [key, absent]));
    for (const record of records) keepRecord(outcomes, entry, record, reading);
    return outcomes;
  } catch (thrown) {
    return new Map(keys.map(key => [key, placed(thrown, entry)]));
  }
}

/** A record whose key cannot be read may be any of those that were asked for: then none of them is known to be absent. */
function namelessIn(records: readonly Json[], entry: CatalogEntry, reading: Reading): Error | null {
  const nameless = records.find(record => plainText(entry, "key", record) === undefined);
  if (nameless === undefined) return null;
  try {
    fetched(entry, nameless, reading);
    return breach(entry, `a record of ${entry.name} has no key`, reading.response);
  } catch (thrown) {
    return placed(thrown, entry, reading.response);
  }
}

/** Puts a record where its own key says; one that was not asked for is left out. */
function keepRecord(outcomes: Map<string, Fetched | Error | null>, entry: CatalogEntry, record: Json, reading: Reading): void {
  const key = plainText(entry, "key", record);
  if (key === undefined || !outcomes.has(key)) return;
  try {
    outcomes.set(key, isDeleted(entry, record) ? null : fetched(entry, record, reading));
  } catch (thrown) {
    if (endsReading(thrown)) throw thrown;
    outcomes.set(key, placed(thrown, entry, reading.response));
  }
}
