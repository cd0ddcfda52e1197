import { stat } from "node:fs/promises";
import type { Completeness } from "../core/verdict.ts";
import { foldersIn, guarded } from "../store/raw/durable.ts";
import type { StoredPull } from "../store/raw/manifest.ts";
import { RawStore, type Unfinished } from "../store/raw/raw-store.ts";
import { type DatasetManifest, DatasetStore } from "./dataset.ts";

/** A pull of one collection, as it is kept. */
export interface KeptPull {
  readonly source: string;
  readonly collection: string;
  readonly pull: string;
  /** `unfinished`: it was killed; the next pull goes on with it or removes it. */
  readonly verdict: Completeness | "unfinished";
  readonly reason: { readonly code: string; readonly message: string } | null;
  /** RFC 3339, UTC. */
  readonly startedAt: string;
  /** RFC 3339, UTC; of an unfinished one when it was last saved. */
  readonly finishedAt: string;
  readonly pages: number;
  /** Null where nobody has counted. */
  readonly records: number | null;
  /** Of its segments, as they are on disk. */
  readonly sizeBytes: number;
  /** Whether the next pull can go on with it. */
  readonly mayGoOn: boolean;
  /** The pull of everything that it adds what changed to; null when it is one itself. */
  readonly base: string | null;
  /** When its source may be asked again, where a spent quota ended it; RFC 3339, UTC. */
  readonly pausedUntil: string | null;
  readonly isEncrypted: boolean;
}

/** A dataset that was built. */
export interface KeptBuild {
  readonly version: string;
  /** RFC 3339, UTC. */
  readonly builtAt: string;
  readonly isComplete: boolean;
  /** Whether it is the one that was built last. */
  readonly isCurrent: boolean;
  readonly rows: number;
  readonly sizeBytes: number;
  readonly inputs: DatasetManifest["inputs"];
}

export interface Runs {
  /** By source and collection, newest first. */
  readonly pulls: readonly KeptPull[];
  /** Newest first. */
  readonly builds: readonly KeptBuild[];
}

/** Every pull and build that a home has. Throws `STORE_UNAVAILABLE`. */
export async function listRuns(home: string): Promise<Runs> {
  const store = new RawStore(home);
  const pulls: KeptPull[] = [];
  for (const source of (await foldersOf(store.root)).toSorted())
    for (const collection of (await foldersOf(`${store.root}/${source}`)).toSorted())
      pulls.push(...(await pullsOf(store, source, collection)));
  return { pulls, builds: await buildsOf(new DatasetStore(home)) };
}

const foldersOf = (path: string): Promise<string[]> => guarded(path, () => foldersIn(path));
const sizeOf = (files: readonly { readonly sizeBytes: number }[]): number =>
  files.reduce((total, file) => total + file.sizeBytes, 0);

async function pullsOf(store: RawStore, source: string, collection: string): Promise<readonly KeptPull[]> {
  const killed = await store.killed({ source, collection });
  const kept = await store.pulls(source, collection);
  return [...killed.map(each => ({ source, collection, ...unfinishedFacts(each) })), ...kept.map(finishedFacts)];
}

const finishedFacts = ({ manifest }: StoredPull): KeptPull => {
  const { source, collection, pull, verdict, reason, startedAt, finishedAt, pages, records, mayGoOn, keyId, segments } = manifest;
  const { pausedUntil, since } = manifest;
  const facts = { source, collection, pull, verdict, reason, startedAt, finishedAt, pages, records, mayGoOn };
  return { ...facts, base: since?.base ?? null, pausedUntil, sizeBytes: sizeOf(segments), isEncrypted: keyId !== null };
};

const unfinishedFacts = ({
  pull,
  lines,
  savedAt,
  start,
  keyId,
  sizeBytes,
}: Unfinished): Omit<KeptPull, "source" | "collection"> => ({
  pull,
  verdict: "unfinished",
  reason: null,
  startedAt: start.startedAt,
  finishedAt: savedAt,
  pages: lines,
  records: null,
  sizeBytes,
  mayGoOn: lines > 0,
  base: start.since?.base ?? null,
  pausedUntil: null,
  isEncrypted: keyId !== null,
});

async function buildsOf(store: DatasetStore): Promise<readonly KeptBuild[]> {
  const current = await store.currentVersion();
  const builds = (await store.all()).map(async ({ version, isComplete, tables, inputs }): Promise<KeptBuild> => {
    const { mtime } = await stat(store.manifestOf(version));
    return {
      version,
      builtAt: mtime.toISOString(),
      isComplete,
      isCurrent: version === current,
      rows: tables.reduce((total, table) => total + table.rows, 0),
      sizeBytes: sizeOf(tables.flatMap(({ files }) => files)),
      inputs,
    };
  });
  return (await Promise.all(builds)).toSorted((a, b) => b.builtAt.localeCompare(a.builtAt));
}
