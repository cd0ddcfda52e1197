import { stat } from "node:fs/promises";
import { DatasetStore } from "./dataset.ts";
import { heldVersions } from "./holds.ts";

/** Which old versions stay. */
export interface DatasetRetention {
  /** The newest so many; 10 unless given. */
  readonly keepVersions?: number;
  /** Those that were built this many days ago or later; 90 unless given. */
  readonly keepDays?: number;
}

const DAY_MS = 86_400_000;

/** Removes versions that are beyond the number or the age to keep; never the current one, nor one that somebody reads. Returns those that went. */
export async function pruneDatasets(
  home: string,
  { keepVersions = 10, keepDays = 90, nowMs }: DatasetRetention & { readonly nowMs: number },
): Promise<readonly string[]> {
  const store = new DatasetStore(home);
  const kept = await heldVersions(store.root);
  const current = await store.currentVersion();
  const built = await Promise.all(
    (await store.all()).map(async ({ version }) => ({ version, builtAtMs: (await stat(store.manifestOf(version))).mtimeMs })),
  );
  const newestFirst = built.toSorted((a, b) => b.builtAtMs - a.builtAtMs);
  const old = newestFirst.filter(({ builtAtMs }, index) => index >= keepVersions || builtAtMs < nowMs - keepDays * DAY_MS);
  const removed: string[] = [];
  for (const { version } of old)
    if (version !== current && !kept.has(version) && (await store.remove(version))) removed.push(version);
  return removed;
}
