import type { EntityName } from "../core/canonical.ts";
import { RequestError } from "../core/errors.ts";
import type { Completeness } from "../core/verdict.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import type { DayWindow } from "../source/collection.ts";
import type { PullManifest, StoredPull } from "../store/raw/manifest.ts";
import { RawStore } from "../store/raw/raw-store.ts";

/** The pull that a build takes for one collection; null when there is none with any response. */
export interface BuildInput {
  readonly entry: CatalogEntry;
  readonly pull: StoredPull | null;
  /** Newer pulls that were passed over for an older complete one, newest first. */
  readonly passedOver: readonly StoredPull[];
}

/** What a dataset's manifest says about an input. */
export interface InputReport {
  readonly source: string;
  readonly collection: string;
  readonly entity: EntityName;
  readonly pull: string | null;
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
 * Chooses a pull for every collection: the newest complete one, else the newest that has any response. Throws `REQUEST_INVALID` when nothing was
 * ever pulled.
 */
export async function chooseInputs(catalog: Catalog, home: string): Promise<readonly BuildInput[]> {
  const store = new RawStore(home);
  const inputs = await Promise.all(
    catalog.entries.map(async entry => chooseAmong(entry, await store.pulls(entry.source.name, entry.name))),
  );
  if (inputs.every(({ pull }) => pull === null))
    throw new RequestError("REQUEST_INVALID", `there is nothing to build from in ${home}: run a pull first`);
  return inputs;
}

function chooseAmong(entry: CatalogEntry, pulls: readonly StoredPull[]): BuildInput {
  const complete = pulls.find(({ manifest }) => manifest.verdict === "complete");
  const pull = complete ?? pulls.find(({ manifest }) => manifest.pages > 0) ?? null;
  return { entry, pull, passedOver: pull === null ? [] : pulls.slice(0, pulls.indexOf(pull)) };
}

export const reportInput = ({ entry, pull }: BuildInput): InputReport => ({
  source: entry.source.name,
  collection: entry.name,
  entity: entry.collection.canonical,
  pull: pull?.manifest.pull ?? null,
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
