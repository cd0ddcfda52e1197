import type { EntityName } from "../core/canonical.ts";
import { RequestError } from "../core/errors.ts";
import type { Completeness } from "../core/verdict.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import type { DayWindow } from "../source/collection.ts";
import type { PullManifest, StoredPull } from "../store/raw/manifest.ts";
import { chainOf, isFull, updatesAfter } from "./chain.ts";
import { RawStore } from "../store/raw/raw-store.ts";

/** The pulls that a build takes for one collection. */
export interface BuildInput {
  readonly entry: CatalogEntry;
  /** The pull of everything; null when there is none with any response. */
  readonly pull: StoredPull | null;
  /** What changed after it, oldest first: pulls of what changed, and updates. */
  readonly increments: readonly StoredPull[];
  /** Newer pulls that were passed over because they are not complete, newest first. */
  readonly passedOver: readonly StoredPull[];
}

/** What a dataset's manifest says about an input. */
export interface InputReport {
  readonly source: string;
  readonly collection: string;
  readonly entity: EntityName;
  readonly pull: string | null;
  /** Pulls of what changed after it, oldest first. */
  readonly increments: readonly string[];
  readonly verdict: Completeness | "missing";
  readonly window: DayWindow | null;
}

/** A pull that is newer than the one that was taken, but was not read to its end. */
export interface PassedOver {
  readonly source: string;
  readonly collection: string;
  readonly pull: string;
  readonly verdict: Completeness;
  readonly reason: PullManifest["reason"];
}

/**
 * Chooses pulls for every collection: the newest complete one with its increments, else the newest that has any response. Throws `REQUEST_INVALID` when nothing was
 * ever pulled.
 * @param asOf RFC 3339, UTC: only pulls that had ended by then; null: all
 */
export async function chooseInputs(catalog: Catalog, home: string, asOf: string | null = null): Promise<readonly BuildInput[]> {
  const store = new RawStore(home);
  const knownThen = ({ manifest }: StoredPull) => asOf === null || manifest.finishedAt <= asOf;
  const inputs = await Promise.all(
    catalog.entries.map(async entry => {
      const pulls = (await store.pulls(entry.source.name, entry.name)).filter(knownThen);
      return chooseAmong(entry, pulls, (await store.updates(entry.source.name, entry.name)).filter(knownThen));
    }),
  );
  if (inputs.every(({ pull }) => pull === null)) throw nothingToBuildFrom(home, asOf);
  return inputs;
}

function nothingToBuildFrom(home: string, asOf: string | null): RequestError {
  const problem =
    asOf === null
      ? `there is nothing to build from in ${home}: run a pull first`
      : `nothing in ${home} was known at ${asOf}: no pull had ended by then (\`tributary runs\` lists them)`;
  return new RequestError("REQUEST_INVALID", problem);
}

/** When the last of the pulls ended that a build takes: RFC 3339, UTC. */
export const knownAtOf = (inputs: readonly BuildInput[]): string =>
  inputs
    .flatMap(({ pull, increments }) => [...(pull === null ? [] : [pull]), ...increments])
    .map(({ manifest }) => manifest.finishedAt)
    .reduce((latest, each) => (each > latest ? each : latest), "");

function chooseAmong(entry: CatalogEntry, pulls: readonly StoredPull[], updates: readonly StoredPull[]): BuildInput {
  const chain = chainOf(pulls);
  const pull = chain?.base ?? pulls.find(each => isFull(each) && each.manifest.pages > 0) ?? null;
  const changes = chain?.increments ?? [];
  const newest = changes.at(-1) ?? pull;
  const increments = [...changes, ...updatesAfter(pull, updates)].toSorted(byEnd);
  return { entry, pull, increments, passedOver: newest === null ? [] : pulls.slice(0, pulls.indexOf(newest)) };
}

const byEnd = (a: StoredPull, b: StoredPull): number => (endOf(a) < endOf(b) ? -1 : 1);
const endOf = ({ manifest }: StoredPull): string => `${manifest.finishedAt} ${manifest.pull}`;

export const reportInput = ({ entry, pull, increments }: BuildInput): InputReport => ({
  source: entry.source.name,
  collection: entry.name,
  entity: entry.collection.canonical,
  pull: pull?.manifest.pull ?? null,
  increments: increments.map(({ manifest }) => manifest.pull),
  verdict: pull?.manifest.verdict ?? "missing",
  window: pull?.manifest.window ?? null,
});

export const reportPassedOver = ({ entry, passedOver }: BuildInput): readonly PassedOver[] =>
  passedOver.map(({ manifest: { pull, verdict, reason } }) => ({
    source: entry.source.name,
    collection: entry.name,
    pull,
    verdict,
    reason,
  }));
