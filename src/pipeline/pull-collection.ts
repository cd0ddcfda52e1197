import { lastDays } from "../core/days.ts";
import { asError, StoreError, TributaryError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import type { Completeness, Verdict } from "../core/verdict.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { DayWindow } from "../source/collection.ts";
import type { PullManifest } from "../store/raw/manifest.ts";
import type { RawPull } from "../store/raw/raw-pull.ts";
import type { RawStore } from "../store/raw/raw-store.ts";
import type { CallContext } from "../upstream/context.ts";
import { defaultCeilings } from "../upstream/listing/guard.ts";
import type { ListingUpstream } from "../upstream/listing/listing-upstream.ts";
import { readListing } from "../upstream/listing/read-listing.ts";
import { CannotGoOn, Continuation, mayGoOnAfter, openAnew, openPull, type Opened } from "./continuation.ts";
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
}

/** Lists one collection and keeps every response; goes on with what an earlier pull has left. Throws `STORE_UNAVAILABLE`. */
export async function pullCollection(run: PullRun, entry: CatalogEntry): Promise<CollectionVerdict> {
  const nowMs = run.clock.nowMs();
  const { baseUrl, source } = run.upstreams(entry.source.name);
  const window = lastDays(entry.collection.list.days ?? 30, nowMs);
  const opening = { ...run, entry, baseUrl: baseUrl ?? source.client.baseUrl, nowMs, window };
  for (let opened = await openPull(opening); ;) {
    try {
      return await settle(run, entry, opened, await readInto(run, entry, opened.raw));
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
  { source, name }: CatalogEntry,
  pull: string | undefined,
): Promise<CollectionVerdict | undefined> {
  if (pull === undefined) return undefined;
  const stored = (await store.pulls(source.name, name)).find(({ manifest }) => manifest.pull === pull);
  if (stored === undefined) return undefined;
  const { verdict, pages, records, duplicateKeys, missingKeys, brokenRecords, window } = stored.manifest;
  const counts = { pages, records, duplicateKeys, missingKeys, brokenRecords };
  return { source: source.name, collection: name, verdict, ...counts, window, pull, keptPages: pages, mayGoOn: false };
}

/** Reads a listing as far as it goes, what was kept first. Throws `CannotGoOn` when nothing can be added to what was kept. */
async function readInto(run: PullRun, entry: CatalogEntry, raw: RawPull): Promise<Reading> {
  const before = (await lastComplete(run, entry)) ?? null;
  const gathered = new PullEvidence(entry, before?.fields.after ?? null);
  const continuation = await Continuation.of(raw);
  const done = (outcome: Verdict, error: Error | null) => ({ outcome, gathered, error, isCaughtUp: continuation.isCaughtUp });
  try {
    await keepPages(run, entry, { raw, gathered, continuation });
    if (!continuation.isCaughtUp) throw new CannotGoOn("the listing is shorter than what was kept of it");
    return done(gathered.evidence.verdict({ before: before?.records ?? null }), null);
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
): Promise<void> {
  const { clock, maxPages, onProgress } = run;
  const { name, source, collection } = entry;
  const { evidence } = gathered;
  const context = contextOf(run, `pull-${raw.pull}`);
  context.signal.throwIfAborted();
  const { startedAt, window } = raw.start;
  const maxMs = defaultCeilings.maxMs + raw.pausedMs;
  const options = { context, window, evidence, nowMs: Date.parse(startedAt), clock, maxPages, maxMs };
  for await (const page of readListing(continuation.over(run.upstreams(source.name)), collection.list, options)) {
    gathered.add(page, await continuation.lineOf(page));
    context.deadlineAtMs = clock.nowMs() + run.pageDeadlineMs;
    const { pages, records, advertisedTotal } = evidence.counts();
    const total = advertisedTotal === null ? {} : { total: advertisedTotal };
    onProgress({ stage: "pull", source: source.name, collection: name, pages, records, ...total });
  }
}

/** Ends a pull. One that was stopped before it had caught up with what was kept is left as it was; of one that was stopped before anything came nothing stays. */
async function settle(
  run: PullRun,
  entry: CatalogEntry,
  { raw, startedAnew }: Opened,
  { outcome, gathered, error, isCaughtUp }: Reading,
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

/** What the last complete pull of a collection says of itself. */
async function lastComplete({ store }: PullRun, entry: CatalogEntry): Promise<PullManifest | undefined> {
  const pulls = await store.pulls(entry.source.name, entry.name);
  return pulls.find(({ manifest }) => manifest.verdict === "complete")?.manifest;
}

/** A pull takes as long as it takes; each page has its deadline, which is moved when a page has come. */
function contextOf({ signal, clock, pageDeadlineMs }: PullRun, requestId: string): CallContext & { deadlineAtMs: number } {
  return { priority: "bulk", signal, requestId, deadlineAtMs: clock.nowMs() + pageDeadlineMs };
}
