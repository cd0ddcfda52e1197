import { UpstreamError } from "../core/errors.ts";
import { type Json, keyText, valueAt, valuesAt } from "../core/json.ts";
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
import type { Upstream, UpstreamResponse } from "./upstream.ts";

type Found = Outcomes<Fetched | null>;
type Asked = Pick<Upstream, "send">;

/** What an answer leaves out is asked for again so often at most. */
const MAX_CONFIRMATIONS = 3;

/** Reads records by their keys: as many requests as the declaration needs, failures kept to the keys that they concern. */
export async function lookupRecords(
  upstream: Asked,
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
  upstream: Asked,
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

type Ask = (keys: readonly string[]) => Promise<Answered>;

/** What one request brought: an outcome for every key, and the keys that the answer says nothing of. */
interface Answered {
  readonly outcomes: Found;
  readonly silent: readonly string[];
}

/** A batch, asked for in parts again where an answer does not say whether what it leaves out exists. */
async function lookupBatch(
  upstream: Asked,
  entry: CatalogEntry,
  lookup: BatchLookup,
  keys: readonly string[],
  context: CallContext,
): Promise<Found> {
  const ask: Ask = some => askBatch(upstream, entry, lookup, some, context);
  const first = await ask(keys);
  const isTold = lookup.missing !== undefined && lookup.missing !== "left-out";
  // A request for one key alone is as good as a lookup.
  return isTold || keys.length === 1 ? first.outcomes : settled(entry, ask, first);
}

/**
 * Asks again for what was left out, until an answer brings none of it: then that is absent. A source that keeps answering for a part has not said of the rest
 * whether it exists.
 */
async function settled(entry: CatalogEntry, ask: Ask, { outcomes, silent }: Answered): Promise<Found> {
  const all = new Map(outcomes);
  let left = silent;
  for (let round = 0; left.length > 0; round++) {
    if (round === MAX_CONFIRMATIONS) {
      for (const key of left) all.set(key, unanswered(entry));
      return all;
    }
    const again = await ask(left);
    for (const [key, outcome] of again.outcomes) all.set(key, outcome);
    if (again.silent.length === left.length) return all;
    left = again.silent;
  }
  return all;
}

const unanswered = (entry: CatalogEntry, response?: UpstreamResponse): Error =>
  placed(
    new UpstreamError(
      "UPSTREAM_MALFORMED",
      `${entry.source.title}: a batch of ${entry.name} was answered for a part of its keys only`,
    ),
    entry,
    response,
  );

async function askBatch(
  upstream: Asked,
  entry: CatalogEntry,
  lookup: BatchLookup,
  keys: readonly string[],
  context: CallContext,
): Promise<Answered> {
  try {
    const response = await upstream.send(lookup.request(keys), context, answer => {
      usableItems(answer, lookup.items, entry);
    });
    const records = usableItems(response, lookup.items, entry);
    const reading = { response, context };
    const absent = namelessIn(records, entry, reading) ?? absentIn(response, entry);
    const outcomes = new Map<string, Fetched | Error | null>(keys.map(key => [key, absent]));
    for (const record of records) keepRecord(outcomes, entry, record, reading);
    const came = new Set(records.map(record => plainText(entry, "key", record)));
    const silent = absent === null ? keys.filter(key => !came.has(key)) : [];
    for (const key of unlisted(lookup, response, silent)) outcomes.set(key, unanswered(entry, response));
    return { outcomes, silent };
  } catch (thrown) {
    return { outcomes: new Map(keys.map(key => [key, placed(thrown, entry)])), silent: [] };
  }
}

/** Of the keys without a record those that the answer should name as absent, and does not. */
function unlisted({ missing }: BatchLookup, { body }: UpstreamResponse, silent: readonly string[]): readonly string[] {
  if (typeof missing !== "object") return [];
  const listed = new Set(valuesAt(body, missing.listed).map(keyText));
  return silent.filter(key => !listed.has(key));
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
