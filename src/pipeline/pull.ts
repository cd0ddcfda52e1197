import { lastDays } from "../core/days.ts";
import { asError, RequestError, StoreError, UpstreamError } from "../core/errors.ts";
import { type Clock, systemClock } from "../core/ports.ts";
import type { Completeness, Verdict } from "../core/verdict.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import type { DayWindow } from "../source/collection.ts";
import { type PullManifest, type RawPull, RawStore } from "../store/raw-store.ts";
import type { CallContext } from "../upstream/context.ts";
import { readListing } from "../upstream/listing/read-listing.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { PullEvidence } from "./evidence.ts";
import type { OnProgress } from "./progress.ts";

export interface PullOptions {
  readonly catalog: Catalog;
  /** The upstream of a source, by the source's name. */
  readonly upstreams: (source: string) => Upstream;
  /** Where state is kept; responses go to `<home>/raw`. */
  readonly home: string;
  /** Names of the sources to pull; all unless given. */
  readonly only?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  readonly clock?: Clock;
  /** Pages of one collection at most; 100,000 unless given. */
  readonly maxPages?: number;
  /** How long one page may take with all its waits and retries, in ms; 15 minutes unless given. */
  readonly pageDeadlineMs?: number;
}

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
}

export interface PullResult {
  /** One for each collection, in the catalog's order. */
  readonly verdicts: readonly CollectionVerdict[];
}

interface Run extends PullOptions {
  readonly store: RawStore;
  readonly clock: Clock;
  readonly stop: AbortController;
}

const DEFAULT_PAGE_DEADLINE_MS = 15 * 60_000;

/**
 * Lists every collection and keeps every response as it came: sources side by side, the collections of a source one after another, all at
 * bulk priority. A failure of a source is a verdict, not an error. Throws `SOURCE_UNKNOWN`, and `STORE_UNAVAILABLE` when responses cannot be kept.
 */
export async function pull(options: PullOptions): Promise<PullResult> {
  const stop = new AbortController();
  const run: Run = { ...options, clock: options.clock ?? systemClock, store: new RawStore(options.home), stop };
  const onAbort = () => stop.abort(new UpstreamError("UPSTREAM_CANCELLED", "the pull was stopped"));
  if (options.signal?.aborted) onAbort();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const ends = await Promise.allSettled(chosenSources(run).map(entries => pullSource(run, entries)));
    const failure = ends.find(end => end.status === "rejected");
    if (failure) throw failure.reason;
    return { verdicts: ends.flatMap(end => (end.status === "fulfilled" ? end.value : [])) };
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

function chosenSources({ catalog, only }: PullOptions): (readonly CatalogEntry[])[] {
  const names = catalog.sources.map(source => source.name);
  const unknown = only?.filter(name => !names.includes(name)) ?? [];
  if (unknown.length > 0)
    throw new RequestError("SOURCE_UNKNOWN", `there is no source ${unknown.join(", ")}; there are ${names.join(", ")}`);
  const chosen = names.filter(name => only === undefined || only.includes(name));
  return chosen.map(name => catalog.entries.filter(entry => entry.source.name === name));
}

async function pullSource(run: Run, entries: readonly CatalogEntry[]): Promise<CollectionVerdict[]> {
  const verdicts: CollectionVerdict[] = [];
  try {
    for (const entry of entries) verdicts.push(await pullCollection(run, entry));
    return verdicts;
  } catch (thrown) {
    run.stop.abort(new UpstreamError("UPSTREAM_CANCELLED", "the pull was stopped: responses cannot be kept"));
    throw thrown;
  }
}

async function pullCollection(run: Run, entry: CatalogEntry): Promise<CollectionVerdict> {
  const startedAtMs = run.clock.nowMs();
  const window = lastDays(entry.collection.list.days ?? 30, startedAtMs);
  const raw = await run.store.begin(entry.source.name, entry.name, startedAtMs);
  try {
    const gathered = new PullEvidence(entry, (await manifestBefore(run, entry))?.fields?.after ?? null);
    const { verdict, reasons, evidence } = await keepListing(run, entry, { window, raw, gathered, startedAtMs });
    const [reason = null] = reasons.map(({ code, message }) => ({ code, message }));
    const { pages, records, duplicateKeys, missingKeys, brokenRecords, advertisedTotal } = evidence;
    const counts = { pages, records, duplicateKeys, missingKeys, brokenRecords, advertisedTotal };
    const times = { startedAt: instant(startedAtMs), finishedAt: instant(run.clock.nowMs()) };
    await raw.finish({
      verdict,
      reason,
      reasons,
      evidence,
      ...times,
      window,
      ...counts,
      broken: gathered.broken,
      fields: gathered.fields,
    });
    return {
      source: entry.source.name,
      collection: entry.name,
      verdict,
      ...(reason && { reason }),
      pages,
      records,
      duplicateKeys,
      missingKeys,
      brokenRecords,
      window,
      pull: raw.pull,
    };
  } catch (thrown) {
    await raw.abandon();
    throw thrown;
  }
}

const instant = (atMs: number): string => new Date(atMs).toISOString();

interface Kept {
  readonly window: DayWindow;
  readonly raw: RawPull;
  readonly gathered: PullEvidence;
  readonly startedAtMs: number;
}

/** Reads a listing as far as it goes; what came before a failure is kept. */
async function keepListing(run: Run, entry: CatalogEntry, { window, raw, gathered, startedAtMs }: Kept): Promise<Verdict> {
  const { list } = entry.collection;
  const { evidence } = gathered;
  const context = contextOf(run, `pull-${raw.pull}`);
  const limits = run.maxPages === undefined ? {} : { maxPages: run.maxPages };
  const options = { context, window, evidence, nowMs: startedAtMs, clock: run.clock, ...limits };
  try {
    context.signal.throwIfAborted();
    for await (const page of readListing(run.upstreams(entry.source.name), list, options)) {
      gathered.add(page, await raw.append(page.request, page.response));
      context.deadlineAtMs = deadlineOf(run);
      const { pages, records } = evidence.counts();
      run.onProgress?.({ stage: "pull", source: entry.source.name, collection: entry.name, pages, records });
    }
    return evidence.verdict({ before: (await manifestBefore(run, entry))?.records ?? null });
  } catch (thrown) {
    if (thrown instanceof StoreError) throw thrown;
    return evidence.verdict({ error: asError(thrown) });
  }
}

/** What the last complete pull of a collection says of itself. */
async function manifestBefore({ store }: Run, entry: CatalogEntry): Promise<PullManifest | undefined> {
  const pulls = await store.pulls(entry.source.name, entry.name);
  return pulls.find(({ manifest }) => manifest.verdict === "complete")?.manifest;
}

const deadlineOf = (run: Run): number => run.clock.nowMs() + (run.pageDeadlineMs ?? DEFAULT_PAGE_DEADLINE_MS);

/** A pull takes as long as it takes; each page has its deadline, which is moved when a page has come. */
function contextOf(run: Run, requestId: string): CallContext & { deadlineAtMs: number } {
  return { priority: "bulk", signal: run.stop.signal, requestId, deadlineAtMs: deadlineOf(run) };
}
