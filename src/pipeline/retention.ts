import type { CatalogEntry } from "../source/catalog.ts";
import type { StoredPull } from "../store/raw/manifest.ts";
import type { RawStore } from "../store/raw/raw-store.ts";
import { chainFrom, isFull, updatesAfter } from "./chain.ts";
import { DatasetStore } from "./dataset.ts";

/** Which old pulls of a collection stay. */
export interface Retention {
  /** The newest so many; 10 unless given. */
  readonly keepPulls?: number;
  /** Those that began this many days ago or later; 90 unless given. */
  readonly keepDays?: number;
}

const DAY_MS = 86_400_000;
/** Complete pulls that stay whatever their age: a build may be reading the one before the newest. */
const COMPLETE_KEPT = 2;

/**
 * Removes pulls that are beyond the number or the age to keep. Never one that a dataset was built from, that the next pull can go on with, or that the
 * next build would take. Updates go with the pulls of everything that they added to.
 */
export async function pruneRaw(
  store: RawStore,
  entries: readonly CatalogEntry[],
  { home, retention = {}, nowMs }: { readonly home: string; readonly retention?: Retention; readonly nowMs: number },
): Promise<void> {
  const { keepPulls = 10, keepDays = 90 } = retention;
  const inUse = await pullsInDatasets(home);
  const oldestMs = nowMs - keepDays * DAY_MS;
  for (const { source, name } of entries) {
    const pulls = await store.pulls(source.name, name);
    const needed = new Set([...neededOf(pulls), ...pulls.filter(each => inUse.has(idOf(source.name, name, each.manifest.pull)))]);
    const old = pulls.filter((each, index) => index >= keepPulls || Date.parse(each.manifest.startedAt) < oldestMs);
    for (const each of old) if (!needed.has(each)) await store.remove(each);
    const oldest = neededOf(pulls).findLast(isFull) ?? null;
    const updates = await store.updates(source.name, name);
    const live = new Set(updatesAfter(oldest, updates));
    for (const each of updates)
      if (oldest !== null && !live.has(each) && !inUse.has(idOf(source.name, name, each.manifest.pull))) await store.remove(each);
  }
}

/** The newest pull, the newest with any response, and the newest complete ones of everything with what changed after them. */
function neededOf(pulls: readonly StoredPull[]): readonly StoredPull[] {
  const full = pulls.filter(isFull);
  const complete = full.filter(({ manifest }) => manifest.verdict === "complete").slice(0, COMPLETE_KEPT);
  const increments = complete.flatMap(base => chainFrom(base, pulls).increments);
  const withPages = full.filter(({ manifest }) => manifest.pages > 0).slice(0, 1);
  return [...pulls.slice(0, 1), ...withPages, ...complete, ...increments];
}

async function pullsInDatasets(home: string): Promise<ReadonlySet<string>> {
  const datasets = await new DatasetStore(home).all();
  return new Set(
    datasets.flatMap(({ inputs, history }) =>
      // A dataset of an earlier release has no history.
      [...inputs, ...(history ?? []).flatMap(known => known.inputs)].flatMap(({ source, collection, pull, increments }) =>
        [pull ?? "", ...(increments ?? [])].map(each => idOf(source, collection, each)),
      ),
    ),
  );
}

const idOf = (source: string, collection: string, pull: string): string => `${source}/${collection}/${pull}`;
