import { UpstreamError } from "../core/errors.ts";
import { type Json, keyText, valuesAt } from "../core/json.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { DayWindow, RelatedBatch, RelatedEach } from "../source/collection.ts";
import type { CallContext } from "./context.ts";
import { readPages } from "./listing.ts";
import {
  absentIn,
  breach,
  chunksOf,
  endsReading,
  type Fetched,
  fetched,
  type Outcomes,
  placed,
  plainText,
  type Reading,
  usableItems,
} from "./reads.ts";
import type { Upstream, UpstreamResponse } from "./upstream.ts";

/**
 * The records of one owner, in the provider's order, read page by page as far as the reader asks. A record of somebody else, as from a source
 * that overlooks its own filter, is an `UPSTREAM_CONTRACT` error.
 */
export async function* relatedPages(
  upstream: Upstream,
  entry: CatalogEntry,
  related: RelatedEach,
  ownerKey: string,
  options: { context: CallContext; pageSize: number; from?: string },
): AsyncGenerator<{ readonly records: readonly Fetched[]; readonly next: string | null }> {
  const walk = { request: related.request(ownerKey), items: related.items, pages: related.pages, pageSize: options.pageSize };
  try {
    const from = options.from === undefined ? walk : { ...walk, from: options.from };
    for await (const { records, response, next } of readPages(upstream, from, options.context)) {
      const reading = { response, context: options.context };
      yield { records: records.flatMap(record => ownRecord(entry, record, ownerKey, reading) ?? []), next };
    }
  } catch (thrown) {
    throw placed(thrown, entry);
  }
}

function ownRecord(entry: CatalogEntry, record: Json, ownerKey: string, reading: Reading): Fetched | null {
  const found = fetched(entry, record, reading);
  if (found === null || found.entity["customer"] === ownerKey) return found;
  throw breach(entry, `asked for one owner's ${entry.name}, got a record of another`, reading.response);
}

/** The records of many owners in as few requests as the declaration allows, matched by the owner that each record names. */
export async function relatedRecords(
  upstream: Upstream,
  entry: CatalogEntry,
  related: RelatedBatch,
  ownerKeys: readonly string[],
  options: { context: CallContext; window: DayWindow },
): Promise<Outcomes<readonly Fetched[]>> {
  const parts = chunksOf(ownerKeys, related.max(options.window)).map(chunk =>
    relatedBatch(upstream, entry, related, chunk, options),
  );
  return new Map((await Promise.all(parts)).flatMap(part => [...part]));
}

async function relatedBatch(
  upstream: Upstream,
  entry: CatalogEntry,
  related: RelatedBatch,
  ownerKeys: readonly string[],
  { context, window }: { context: CallContext; window: DayWindow },
): Promise<Outcomes<readonly Fetched[]>> {
  try {
    const response = await upstream.send(related.request(ownerKeys, window), context, answer => {
      usableItems(answer, related.items, entry);
    });
    const records = usableItems(response, related.items, entry);
    const outcomes = new Map<string, Fetched[] | Error>(startOf(entry, related, ownerKeys, response));
    for (const record of records) give(outcomes, entry, record, { response, context });
    return outcomes;
  } catch (thrown) {
    return new Map(ownerKeys.map(key => [key, placed(thrown, entry)]));
  }
}

/** An owner that the answer names begins with no records; of one that it does not name nothing is known. */
function startOf(
  entry: CatalogEntry,
  related: RelatedBatch,
  ownerKeys: readonly string[],
  response: UpstreamResponse,
): [string, Fetched[] | Error][] {
  const named = new Set(valuesAt(response.body, related.owners).map(keyText));
  const gone = new UpstreamError(
    "UPSTREAM_NOT_FOUND",
    `${entry.source.title}: the owner of these ${entry.name} is not in the answer`,
  );
  const unknown = absentIn(response, entry) ?? placed(gone, entry, response);
  return ownerKeys.map(key => [key, named.has(key) ? [] : unknown]);
}

/** Gives a record to the owner that it names; throws when that is nobody who was asked for. A record that cannot be read fails its owner alone. */
function give(outcomes: Map<string, Fetched[] | Error>, entry: CatalogEntry, record: Json, reading: Reading): void {
  const owner = plainText(entry, "customer", record) ?? "";
  const so = outcomes.get(owner);
  if (so === undefined) {
    if (fetched(entry, record, reading) === null) return; // names the field when it is the owner that cannot be read
    throw breach(entry, `a record of ${entry.name} names an owner that was not asked for`, reading.response);
  }
  if (so instanceof Error) return;
  try {
    const found = fetched(entry, record, reading);
    if (found !== null) so.push(found);
  } catch (thrown) {
    if (endsReading(thrown)) throw thrown;
    outcomes.set(owner, placed(thrown, entry, reading.response));
  }
}
