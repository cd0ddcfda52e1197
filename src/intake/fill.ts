import { timeField } from "../core/canonical.ts";
import { lastDays } from "../core/days.ts";
import { asError, StoreError, TributaryError, UpstreamError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Clock, Logger } from "../core/ports.ts";
import type { Verdict } from "../core/verdict.ts";
import type { Decision } from "../identity/resolve.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import { maxMirroredOf } from "../source/collection.ts";
import type { CustomerIndex } from "../store/customer-index.ts";
import type { FieldShapes } from "../store/field-shapes.ts";
import type { ChangedRecord, Mirror, MirrorRecord } from "../store/mirror.ts";
import type { CallContext } from "../upstream/context.ts";
import { readRecord } from "../upstream/decode.ts";
import type { DriftLog, DriftWatch } from "../upstream/drift/drift-log.ts";
import { LearnedFields, knownShape } from "../upstream/drift/learned-fields.ts";
import { Evidence, type RecordFacts } from "../upstream/listing/evidence.ts";
import { readListing } from "../upstream/listing/read-listing.ts";
import { lookupRecords } from "../upstream/lookup.ts";
import { chunksOf, endsReading, isDeleted, plainText, type Reading, versionOf } from "../upstream/reads.ts";
import type { Upstream } from "../upstream/upstream.ts";

/** How the reading of one collection ended. */
export interface FillResult {
  /** `<source>.<collection>`. */
  readonly collection: string;
  readonly isComplete: boolean;
  readonly records: number;
  /** Records that broke their contract, or that the drift policy left out. */
  readonly broken: number;
  /** Records that the complete listing no longer had. */
  readonly dropped: number;
  readonly error?: { readonly code: string; readonly message: string };
  /** What the listing itself says about its completeness; only a complete one lets records be dropped. */
  readonly verdict: Verdict;
}

export interface FillParts {
  readonly catalog: Catalog;
  readonly upstreamOf: (source: string) => Upstream;
  readonly mirror: Mirror;
  readonly index: CustomerIndex;
  /** What people have decided about who is who; nothing unless given. */
  readonly decisions?: () => Promise<readonly Decision[]>;
  /** Where it is noted how records differ from what was agreed, and which fields are known; nowhere unless given. */
  readonly drift?: { readonly log: DriftLog; readonly shapes: FieldShapes };
  readonly clock: Clock;
  readonly logger: Logger;
  /** Is told of records that are others than we knew; `isFirst`: the collection was never read to its end before. */
  readonly onFound?: (entry: CatalogEntry, finding: Finding, isFirst: boolean) => Promise<void>;
}

/** What a reading of a source found to be other than we knew. */
export interface Finding {
  readonly changed: readonly ChangedRecord[];
  readonly deleted: readonly ChangedRecord[];
}

/** More of what is known than this share may be gone only with somebody looking at it. */
const MAX_GONE_SHARE = 0.2;
/** So many absent records are asked for by key after a listing at most; the rest after the next one. */
const MAX_CONFIRMED = 500;
/** Fewer than this are gone without a question. */
const MIN_GONE = 10;
/** Records that are written in one statement: embedded, the store keeps everybody waiting meanwhile. */
const WRITTEN_AT_ONCE = 200;
/** What is too large for the mirror is tried again after so long, in ms. */
const GIVEN_UP_MS = 86_400_000;

interface Tally {
  readonly evidence: Evidence;
  records: number;
  broken: number;
  /** The earliest time that a record of a dated listing has; undefined where there is none. */
  oldest: string | undefined;
  /** Keys of broken records: what the mirror has of them is kept. */
  readonly brokenKeys: string[];
  /** Whether the collection was never read to its end before. */
  readonly isFirst: boolean;
}

/** A listing that was read to its end. */
interface Ended {
  readonly tally: Tally;
  readonly fields: LearnedFields;
  readonly verdict: Verdict;
  readonly startedAtMs: number;
}

/**
 * Lists one collection into the mirror. A failure is part of the result: what came before it is kept, nothing is dropped. What a
 * listing no longer has is dropped when not much is gone and the listing is beyond doubt: its verdict is complete, no standing row can have been
 * passed over, every record has its key. Otherwise the source is asked for what is absent, and what it does not have is dropped.
 */
export async function fillCollection(parts: FillParts, entry: CatalogEntry, context: CallContext): Promise<FillResult> {
  const startedAtMs = parts.clock.nowMs();
  const isFirst = !(await parts.mirror.fills()).has(entry.id);
  const tally: Tally = {
    evidence: new Evidence(entry.collection.list),
    records: 0,
    broken: 0,
    oldest: undefined,
    brokenKeys: [],
    isFirst,
  };
  const result = (verdict: Verdict, more: { dropped?: number; error?: FillResult["error"] }): FillResult => ({
    collection: entry.id,
    isComplete: more.error === undefined,
    records: tally.records,
    broken: tally.broken,
    dropped: more.dropped ?? 0,
    ...(more.error && { error: more.error }),
    verdict,
  });
  try {
    const fields = new LearnedFields(entry.collection, (await parts.drift?.shapes.all())?.get(entry.id) ?? null);
    await readInto(parts, entry, { ...context, drift: watchFor(parts, fields) }, { tally, fields });
    const verdict = tally.evidence.verdict();
    const [reason] = verdict.reasons;
    if (verdict.verdict === "partial" && reason)
      return result(verdict, { error: { code: reason.code, message: `${entry.id}: ${reason.message}; nothing was dropped` } });
    return result(verdict, { dropped: await concludeFill(parts, entry, context, { tally, fields, verdict, startedAtMs }) });
  } catch (thrown) {
    const error = asError(thrown);
    const code = error instanceof TributaryError ? error.code : "INTERNAL";
    return result(tally.evidence.verdict({ error }), { error: { code, message: error.message } });
  }
}

/** Holds the records of collections against the fields that their last complete readings have found, in whichever process. */
export async function learnFields(
  { log, shapes }: NonNullable<FillParts["drift"]>,
  entries: readonly CatalogEntry[],
): Promise<void> {
  const known = await shapes.all();
  for (const { id, collection } of entries) {
    const fields = known.get(id);
    if (fields) log.learn(id, knownShape(collection, fields));
  }
}

/** Every record of a whole reading is held against the fields that are known. */
const watchFor = ({ drift }: FillParts, fields: LearnedFields): DriftWatch => ({
  known: () => fields.known,
  note: (...found) => drift?.log.note(...found),
});

async function readInto(
  parts: FillParts,
  entry: CatalogEntry,
  context: CallContext,
  { tally, fields }: Pick<Ended, "tally" | "fields">,
): Promise<void> {
  const { clock } = parts;
  const window = lastDays(entry.collection.list.days ?? 30, clock.nowMs());
  const options = { context, window, evidence: tally.evidence, nowMs: clock.nowMs(), clock };
  for await (const page of readListing(parts.upstreamOf(entry.source.name), entry.collection.list, options)) {
    const read = page.records.map(record => mirrorRecord(parts, entry, record, { context, response: page.response }));
    for (const record of page.records) fields.add(record);
    const records = read.flatMap(({ record }) => record ?? []);
    for (const some of chunksOf(records, WRITTEN_AT_ONCE)) {
      const changed = await parts.mirror.put(entry.id, some);
      if (changed.length > 0) await parts.onFound?.(entry, { changed, deleted: [] }, tally.isFirst);
    }
    tally.oldest = oldestOf(entry, records, tally.oldest);
    tally.records += records.length;
    tally.broken += read.filter(({ isBroken }) => isBroken).length;
    tally.brokenKeys.push(...read.flatMap(({ key, isRefused }) => (isRefused && key !== null ? [key] : [])));
    tally.evidence.add(page, read);
    if (tally.records > maxMirroredOf(entry.collection)) await giveUp(parts, entry);
  }
}

/** Of a listing of the last days, where a source's memory begins. */
function oldestOf({ collection }: CatalogEntry, records: readonly MirrorRecord[], known: string | undefined): string | undefined {
  const field = timeField[collection.canonical];
  if (collection.list.days === undefined || field === undefined) return undefined;
  const times = records.flatMap(({ entity }) => (typeof entity[field] === "string" ? [entity[field]] : []));
  return [...times, ...(known === undefined ? [] : [known])].reduce<string | undefined>(
    (least, time) => (least === undefined || time < least ? time : least),
    undefined,
  );
}

async function giveUp({ mirror, clock }: FillParts, { id, collection }: CatalogEntry): Promise<never> {
  await mirror.giveUp(id, clock.nowMs() + GIVEN_UP_MS);
  throw new StoreError("MIRROR_FULL", `${id} has more than ${maxMirroredOf(collection)} records: too many for the mirror`);
}

/** Notes the end of a listing and drops what is gone; throws, and drops nothing, when too much is. Returns how many were dropped. */
async function concludeFill(
  parts: FillParts,
  entry: CatalogEntry,
  context: CallContext,
  { tally, fields, verdict, startedAtMs }: Ended,
): Promise<number> {
  const { mirror, clock } = parts;
  const field = timeField[entry.collection.canonical];
  // What is older than all that the source still has was not deleted: it is not kept so long.
  if (tally.oldest !== undefined && field !== undefined && verdict.verdict === "complete")
    await mirror.expire(entry.id, field, tally.oldest);
  const broken = new Set(tally.brokenKeys);
  const unseen = (await mirror.unseen(entry.id, startedAtMs)).filter(key => !broken.has(key));
  const known = await mirror.count(entry.id);
  if (unseen.length > Math.max(MIN_GONE, MAX_GONE_SHARE * known)) {
    const message = `${unseen.length} of ${known} known records are not in the listing of ${entry.id}; nothing was dropped. If that is right, start with an empty store`;
    throw new UpstreamError("UPSTREAM_LISTING", message);
  }
  const { mayHaveMissed, missingKeys } = verdict.evidence;
  const isBeyondDoubt = verdict.verdict === "complete" && !mayHaveMissed && missingKeys === 0;
  await keepFields(parts, entry, fields.after());
  const gone = isBeyondDoubt ? unseen : await confirmedGone(parts, entry, unseen.slice(0, MAX_CONFIRMED), context);
  const isIndexed = entry.collection.canonical === "Customer";
  const deleted = await mirror.completeFill(entry.id, { gone, sinceMs: startedAtMs, completedAtMs: clock.nowMs(), isIndexed });
  if (deleted.length > 0) await parts.onFound?.(entry, { changed: [], deleted }, tally.isFirst);
  return deleted.length;
}

/** From now on the records of a collection are held against these fields. */
async function keepFields({ drift }: FillParts, { id, collection }: CatalogEntry, fields: readonly string[]): Promise<void> {
  await drift?.shapes.put(id, fields);
  drift?.log.learn(id, knownShape(collection, fields));
}

/**
 * Keys that the source, asked for each of them, does not have. A listing that may pass over a row does not tell what is gone; a lookup does. What is
 * there after all, cannot be read, or cannot be asked for by key is kept.
 */
async function confirmedGone(
  parts: FillParts,
  entry: CatalogEntry,
  keys: readonly string[],
  context: CallContext,
): Promise<readonly string[]> {
  if (keys.length === 0 || entry.collection.lookup === undefined) return [];
  const outcomes = await lookupRecords(parts.upstreamOf(entry.source.name), entry, keys, context);
  const problem = [...outcomes.values()].find(outcome => outcome instanceof Error);
  if (problem)
    parts.logger.warn({ collection: entry.id, problem: problem.message }, "some absent records could not be asked for");
  return [...outcomes].flatMap(([key, outcome]) => (outcome === null ? [key] : []));
}

interface Held extends RecordFacts {
  readonly isDeleted?: boolean;
  /** What the mirror has of a refused record is kept; of one that is left out nothing is. */
  readonly isRefused?: boolean;
  readonly record?: MirrorRecord;
}

/** A record as the mirror holds it; none for one that breaks its contract or is left out. Throws `UPSTREAM_FROZEN`. */
export function mirrorRecord(
  parts: FillParts,
  entry: CatalogEntry,
  record: Json,
  { context, response }: Pick<Reading, "context"> & { readonly response: { readonly receivedAtMs: number } },
): Held {
  // What was deleted is as good as not there: the mirror drops it with everything that the listing no longer has.
  if (isDeleted(entry, record)) return { key: plainText(entry, "key", record) ?? null, isBroken: false, isDeleted: true };
  try {
    const read = readRecord(entry, record, context.drift);
    if (read === null) return { key: plainText(entry, "key", record) ?? null, isBroken: true };
    return {
      key: read.entity.key,
      isBroken: false,
      record: { ...read, fetchedAtMs: response.receivedAtMs, ...versionOf(entry, record) },
    };
  } catch (thrown) {
    if (endsReading(thrown)) throw thrown;
    parts.logger.error({ collection: entry.id, problem: asError(thrown).message }, "a record was left out of the mirror");
    return { key: plainText(entry, "key", record) ?? null, isBroken: true, isRefused: true };
  }
}
