import { RequestError, UpstreamError } from "../core/errors.ts";
import { type Clock, systemClock } from "../core/ports.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import { claim } from "../store/claim.ts";
import { guarded } from "../store/raw/durable.ts";
import type { RawKey } from "../store/raw/raw-key.ts";
import { RawStore } from "../store/raw/raw-store.ts";
import { RunRecord } from "../store/raw/run-record.ts";
import { defaultCeilings } from "../upstream/listing/guard.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { OnProgress } from "./progress.ts";
import { type CollectionVerdict, finishedPull, pullCollection, type PullRun } from "./pull-collection.ts";
import { pruneRaw, type Retention } from "./retention.ts";

export type { CollectionVerdict } from "./pull-collection.ts";

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
  /** Encrypts what is kept. */
  readonly rawKey?: RawKey;
  /** Which old pulls stay. */
  readonly retention?: Retention;
  /** Whether everything is listed even where what changed since the last pull would do. */
  readonly isFull?: boolean;
  /** Whether what a complete pull does not have any more is gone, however much that is; else more than a fifth makes its verdict `unknown`. */
  readonly acceptsDeletions?: boolean;
  /** How long one page may take with all its waits and retries, in ms; 15 minutes unless given. */
  readonly pageDeadlineMs?: number;
}

export interface PullResult {
  /** One for each collection, in the catalog's order. */
  readonly verdicts: readonly CollectionVerdict[];
}

const DEFAULT_PAGE_DEADLINE_MS = 15 * 60_000;

/**
 * Lists every collection, or what changed in it where it declares how that is seen and a complete pull is there, and keeps every response as it came: sources side by side, the collections of a source one after another, all at
 * bulk priority. Goes on with what pulls have left that broke off, and removes old pulls that nothing needs. A failure of a source is a verdict, not
 * an error. Throws `SOURCE_UNKNOWN`, and `STORE_UNAVAILABLE` when responses cannot be kept or another pull runs in the same home.
 */
export async function pull(options: PullOptions): Promise<PullResult> {
  const chosen = chosenSources(options);
  const store = new RawStore(options.home, options.rawKey);
  const release = await guarded(store.root, () => claim(store.root));
  const stop = new AbortController();
  const onAbort = () => stop.abort(new UpstreamError("UPSTREAM_CANCELLED", "the pull was stopped"));
  if (options.signal?.aborted) onAbort();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  const run = runOf(options, store, stop.signal);
  try {
    const verdicts = await pullAll(run, chosen, stop);
    await pruneRaw(store, chosen.flat(), { ...options, nowMs: run.clock.nowMs() });
    return { verdicts };
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
    await release();
  }
}

/** A run that is stopped or killed leaves its record, so that the next one does not read again what was finished. */
async function pullAll(
  run: PullRun,
  chosen: readonly (readonly CatalogEntry[])[],
  stop: AbortController,
): Promise<readonly CollectionVerdict[]> {
  const ids = [...chosen.flat().map(({ id }) => id), ...(run.isFull ? ["all of each"] : [])];
  const record = await RunRecord.open(run.store.root, ids, run.clock.nowMs());
  const giveUp = () => stop.abort(new UpstreamError("UPSTREAM_CANCELLED", "the pull was stopped: responses cannot be kept"));
  const ends = await Promise.allSettled(chosen.map(entries => pullSource(run, entries, { record, giveUp })));
  const failure = ends.find(end => end.status === "rejected");
  if (failure) throw failure.reason;
  if (!run.signal.aborted) await record.end();
  return ends.flatMap(end => (end.status === "fulfilled" ? end.value : []));
}

const runOf = (options: PullOptions, store: RawStore, signal: AbortSignal): PullRun => ({
  store,
  signal,
  keyId: options.rawKey?.id ?? null,
  upstreams: options.upstreams,
  clock: options.clock ?? systemClock,
  onProgress: options.onProgress ?? (() => undefined),
  maxPages: options.maxPages ?? defaultCeilings.maxPages,
  isFull: options.isFull ?? false,
  acceptsDeletions: options.acceptsDeletions ?? false,
  pageDeadlineMs: options.pageDeadlineMs ?? DEFAULT_PAGE_DEADLINE_MS,
});

function chosenSources({ catalog, only }: Pick<PullOptions, "catalog" | "only">): (readonly CatalogEntry[])[] {
  const names = catalog.sources.map(source => source.name);
  const unknown = only?.filter(name => !names.includes(name)) ?? [];
  if (unknown.length > 0)
    throw new RequestError("SOURCE_UNKNOWN", `there is no source ${unknown.join(", ")}; there are ${names.join(", ")}`);
  const chosen = names.filter(name => only === undefined || only.includes(name));
  return chosen.map(name => catalog.entries.filter(entry => entry.source.name === name));
}

async function pullSource(
  run: PullRun,
  entries: readonly CatalogEntry[],
  { record, giveUp }: { readonly record: RunRecord; readonly giveUp: () => void },
): Promise<CollectionVerdict[]> {
  const verdicts: CollectionVerdict[] = [];
  try {
    for (const entry of entries) {
      const done = await finishedPull(run, entry, record.doneOf(entry.id));
      const verdict = done ?? (await pullCollection(run, entry));
      if (verdict.verdict === "complete" && done === undefined) await record.note(entry.id, verdict.pull);
      verdicts.push(verdict);
    }
    return verdicts;
  } catch (thrown) {
    giveUp();
    throw thrown;
  }
}
