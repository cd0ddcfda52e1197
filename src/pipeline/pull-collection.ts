import { lastDays } from "../core/days.ts";
import { asError, StoreError, TributaryError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import type { Completeness, Verdict } from "../core/verdict.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { DayWindow } from "../source/collection.ts";
import type { PullManifest, Since, StoredPull } from "../store/raw/manifest.ts";
import type { RawPull } from "../store/raw/raw-pull.ts";
import type { RawStore } from "../store/raw/raw-store.ts";
import type { CallContext } from "../upstream/context.ts";
import { defaultCeilings } from "../upstream/listing/guard.ts";
import type { ListingUpstream } from "../upstream/listing/listing-upstream.ts";
import { readChanges } from "../upstream/listing/changes.ts";
import { type ListingOptions, readListing } from "../upstream/listing/read-listing.ts";
import type { Page } from "../upstream/listing/walk.ts";
import {
  CannotGoOn,
  Continuation,
  declarationHash,
  listedBy,
  mayGoOnAfter,
  openAnew,
  openPull,
  type Opened,
} from "./continuation.ts";
import { chainOf } from "./chain.ts";
import { mayMiss, type Plan, planOf } from "./increment.ts";
import { doubtAbsence } from "./absence.ts";
import { PullEvidence } from "./evidence.ts";
import type { OnProgress } from "./progress.ts";

/** How the listing of one collection ended. */
export interface CollectionVerdict {
  readonly source: string;
  readonly collection: string;
  readonly verdict: Completeness;
  /** Why the verdict is not `complete`. */
  readonly reason?: { readonly code: string; readonly message: string };
  readonly pages: number;
  readonly records: number;
  readonly duplicateKeys: number;
  readonly missingKeys: number;
  /** Records that broke their contract. */
  readonly brokenRecords: number;
  /** The days that a dated listing was asked for. */
  readonly window: DayWindow;
  /** The name under which the responses are kept. */
  readonly pull: string;
  /** Pages that an earlier pull, which broke off, had kept. */
  readonly keptPages: number;
  /** Whether the next pull can go on where this one stopped. */
  readonly mayGoOn: boolean;
  /** Why what an earlier pull had left was not gone on with. */
  readonly startedAnew?: string;
  /** When the source may be asked again, where its quota is spent or it asked for a long rest; RFC 3339, UTC. */
  readonly pausedUntil?: string;
  /** Where only what changed was listed. */
  readonly increment?: Increment;
  /** Why everything was listed, where what changed might have done. */
  readonly fullBecause?: string;
}

/** What changed since an earlier pull, as a part of what a collection holds. */
export interface Increment {
  /** The pull of everything that it adds to. */
  readonly base: string;
  /** From when on it was asked for, without the lookback; RFC 3339, UTC. */
  readonly since: string;
  /** What it cannot see, and is seen when everything is listed again. */
  readonly mayMiss: readonly string[];
}

/** What pulls of several collections have in common. */
export interface PullRun {
  readonly store: RawStore;
  /** Of the key that new segments are encrypted under. */
  readonly keyId: string | null;
  readonly upstreams: (source: string) => ListingUpstream;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
  readonly maxPages: number;
  readonly pageDeadlineMs: number;
  /** Whether everything is listed even where what changed would do. */
  readonly isFull: boolean;
  /** Whether what a complete pull does not have any more is gone, however much that is. */
  readonly acceptsDeletions: boolean;
}

/** A rest that is asked for is believed up to a year. */
const MAX_PAUSE_MS = 366 * 86_400_000;

/** What a reading of a listing brought. */
interface Reading {
  readonly outcome: Verdict;
  readonly gathered: PullEvidence;
  /** What ended it before its time. */
  readonly error: Error | null;
  /** False when it ended before everything that was kept had been read again. */
  readonly isCaughtUp: boolean;
  /** How far a listing of what changed has come; null before its end. */
  readonly watermarkMs: number | null;
}

/** Lists one collection and keeps every response; goes on with what an earlier pull has left. Throws `STORE_UNAVAILABLE`. */
export async function pullCollection(run: PullRun, entry: CatalogEntry): Promise<CollectionVerdict> {
  const nowMs = run.clock.nowMs();
  const { baseUrl, source } = run.upstreams(entry.source.name);
  const window = lastDays(entry.collection.list.days ?? 30, nowMs);
  const address = baseUrl ?? source.client.baseUrl;
  const plan = planOf({
    entry,
    pulls: await run.store.pulls(source.name, entry.name),
    nowMs,
    isFullWanted: run.isFull,
    isSameListing: ({ manifest }) => manifest.declaration === declarationHash(entry, address, manifest.window),
  });
  const opening = { ...run, entry, baseUrl: address, nowMs, window, since: plan.since, isFullWanted: run.isFull };
  for (let opened = await openPull(opening); ;) {
    try {
      const listed = listedBy(entry, opened.raw.start.since ?? null);
      return await settle(run, listed, { ...opened, plan }, await readInto(run, listed, opened.raw));
    } catch (thrown) {
      await opened.raw.leave();
      if (!(thrown instanceof CannotGoOn)) throw thrown;
      opened = await openAnew(opening, thrown.message);
    }
  }
}

/** The verdict of a pull that an earlier run has finished; undefined when it is not there any more. */
export async function finishedPull(
  { store }: PullRun,
  { source, name, collection }: CatalogEntry,
  pull: string | undefined,
): Promise<CollectionVerdict | undefined> {
  if (pull === undefined) return undefined;
  const stored = (await store.pulls(source.name, name)).find(({ manifest }) => manifest.pull === pull);
  if (stored === undefined) return undefined;
  const { verdict, pages, records, duplicateKeys, missingKeys, brokenRecords, window, since } = stored.manifest;
  const counts = { pages, records, duplicateKeys, missingKeys, brokenRecords };
  const facts = { source: source.name, collection: name, verdict, ...counts, window, pull, keptPages: pages, mayGoOn: false };
  return { ...facts, ...incrementOf(collection, since ?? null) };
}

/** What a verdict says of a pull that listed what changed; nothing of one of everything. */
function incrementOf({ list }: CatalogEntry["collection"], since: Since | null): { readonly increment?: Increment } {
  if (since === null) return {};
  const from = new Date(since.watermarkMs).toISOString();
  return { increment: { base: since.base, since: from, mayMiss: list.watermark ? mayMiss(list.watermark) : [] } };
}

/** Reads a listing as far as it goes, what was kept first. Throws `CannotGoOn` when nothing can be added to what was kept. */
async function readInto(run: PullRun, entry: CatalogEntry, raw: RawPull): Promise<Reading> {
  const before = await lastComplete(run, entry);
  const gathered = new PullEvidence(entry, before.any?.fields.after ?? null);
  const continuation = await Continuation.of(raw);
  const done = (outcome: Verdict, error: Error | null, watermarkMs: number | null = null) => {
    return { outcome, gathered, error, isCaughtUp: continuation.isCaughtUp, watermarkMs };
  };
  try {
    const watermarkMs = await keepPages(run, entry, { raw, gathered, continuation });
    if (!continuation.isCaughtUp) throw new CannotGoOn("the listing is shorter than what was kept of it");
    const full = raw.start.since || run.acceptsDeletions ? undefined : before.full;
    const verdict = gathered.evidence.verdict({ before: full?.manifest.records ?? null });
    // What was kept under another key, or listed otherwise, cannot be held against this one.
    const isComparable = full?.manifest.keyId === run.keyId && full.manifest.declaration === raw.start.declaration;
    const outcome = isComparable ? await doubtAbsence(verdict, { store: run.store, entry, before: full, gathered }) : verdict;
    return done(outcome, null, watermarkMs);
  } catch (thrown) {
    if (thrown instanceof StoreError || thrown instanceof CannotGoOn) throw thrown;
    const error = asError(thrown);
    const isRefused = raw.keptLines > 0 && continuation.newPages === 0 && !mayGoOnAfter(error);
    if (isRefused) throw new CannotGoOn(`the source did not go on from where it broke off: ${error.message}`, { cause: error });
    return done(gathered.evidence.verdict({ error }), error);
  }
}

async function keepPages(
  run: PullRun,
  entry: CatalogEntry,
  { raw, gathered, continuation }: { raw: RawPull; gathered: PullEvidence; continuation: Continuation },
): Promise<number | null> {
  const { clock, maxPages, onProgress } = run;
  const { name, source } = entry;
  const { evidence } = gathered;
  const context = contextOf(run, `pull-${raw.pull}`);
  context.signal.throwIfAborted();
  const { startedAt, window, since } = raw.start;
  const maxMs = defaultCeilings.maxMs + raw.pausedMs;
  const options = { context, window, evidence, nowMs: Date.parse(startedAt), clock, maxPages, maxMs };
  let watermarkMs: number | null = null;
  for await (const { page, reachedMs } of pagesOf(continuation.over(run.upstreams(source.name)), entry, {
    since: since ?? null,
    options,
  })) {
    watermarkMs = reachedMs;
    gathered.add(page, await continuation.lineOf(page));
    context.deadlineAtMs = clock.nowMs() + run.pageDeadlineMs;
    const { pages, records, advertisedTotal } = evidence.counts();
    const total = advertisedTotal === null ? {} : { total: advertisedTotal };
    onProgress({ stage: "pull", source: source.name, collection: name, pages, records, ...total });
  }
  return watermarkMs;
}

/** The pages of everything, or of what changed; then the last one says how far that came. */
async function* pagesOf(
  upstream: ListingUpstream,
  entry: CatalogEntry,
  { since, options }: { readonly since: Since | null; readonly options: ListingOptions },
): AsyncGenerator<{ readonly page: Page; readonly reachedMs: number | null }> {
  if (since === null) {
    for await (const page of readListing(upstream, entry.collection.list, options)) yield { page, reachedMs: null };
    return;
  }
  // What comes again at the boundary is told apart by the build, which keeps the newest of each key.
  const { evidence: _evidence, window: _window, ...shared } = options;
  const from = { watermarkMs: since.watermarkMs, boundary: [], isBoundaryKnown: false };
  for await (const { page, checkpoint } of readChanges(upstream, entry, from, { ...shared, maxBoundary: 0 }))
    yield { page, reachedMs: checkpoint?.watermarkMs ?? null };
}

/** Ends a pull. One that was stopped before it had caught up with what was kept is left as it was; of one that was stopped before anything came nothing stays. */
async function settle(
  run: PullRun,
  entry: CatalogEntry,
  { raw, startedAnew, plan }: Opened & { readonly plan: Plan },
  { outcome, gathered, error, isCaughtUp, watermarkMs }: Reading,
): Promise<CollectionVerdict> {
  const { verdict, reasons, evidence } = outcome;
  const [reason = null] = reasons.map(({ code, message }) => ({ code, message }));
  const { pages, records, duplicateKeys, missingKeys, brokenRecords, advertisedTotal } = evidence;
  const counts = { pages, records, duplicateKeys, missingKeys, brokenRecords };
  const { broken, fields } = gathered;
  const mayGoOn = error !== null && entry.collection.list.pages.style !== "export" && mayGoOnAfter(error);
  const pausedUntil = error && pauseAfter(error, run);
  const finishedAt = new Date(run.clock.nowMs()).toISOString();
  const facts = {
    verdict,
    reason,
    reasons,
    evidence,
    finishedAt,
    ...counts,
    advertisedTotal,
    broken,
    fields,
    mayGoOn,
    startedAnew,
    pausedUntil,
    watermarkMs,
  };
  const isStopped = error instanceof TributaryError && error.code === "UPSTREAM_CANCELLED";
  if (!isCaughtUp) await raw.leave();
  else if (isStopped && pages === 0) await raw.abandon();
  else await raw.finish(facts);
  return {
    source: entry.source.name,
    collection: entry.name,
    verdict,
    ...(reason && { reason }),
    ...counts,
    window: raw.start.window,
    pull: raw.pull,
    keptPages: raw.keptLines,
    mayGoOn,
    ...(startedAnew !== null && { startedAnew }),
    ...(pausedUntil !== null && { pausedUntil }),
    ...incrementOf(entry.collection, raw.start.since ?? null),
    ...(plan.fullBecause !== null && !raw.start.since && { fullBecause: plan.fullBecause }),
  };
}

/** When a source that ended a pull may be asked again: its quota is spent, or it asked for a rest that no page waits for. */
function pauseAfter(error: Error, { clock, pageDeadlineMs }: PullRun): string | null {
  if (!(error instanceof TributaryError)) return null;
  const { retryAfterMs = 0, resumesAt } = error.details;
  if (error.code === "UPSTREAM_QUOTA_SPENT" && typeof resumesAt === "string") return resumesAt;
  if (error.code !== "UPSTREAM_THROTTLED" || retryAfterMs < pageDeadlineMs) return null;
  return new Date(clock.nowMs() + Math.min(retryAfterMs, MAX_PAUSE_MS)).toISOString();
}

/** What the last complete pull of a collection says of itself, and the last one of everything. */
async function lastComplete(
  { store }: PullRun,
  entry: CatalogEntry,
): Promise<{ readonly any: PullManifest | undefined; readonly full: StoredPull | undefined }> {
  const pulls = await store.pulls(entry.source.name, entry.name);
  const any = pulls.find(({ manifest }) => manifest.verdict === "complete")?.manifest;
  return { any, full: chainOf(pulls)?.base };
}

/** A pull takes as long as it takes; each page has its deadline, which is moved when a page has come. */
function contextOf({ signal, clock, pageDeadlineMs }: PullRun, requestId: string): CallContext & { deadlineAtMs: number } {
  return { priority: "bulk", signal, requestId, deadlineAtMs: clock.nowMs() + pageDeadlineMs };
}
