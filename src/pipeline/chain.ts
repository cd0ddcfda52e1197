import type { StoredPull } from "../store/raw/manifest.ts";

/** A complete pull of everything, and the complete pulls of what changed after it, each begun where the one before it ended. */
export interface Chain {
  readonly base: StoredPull;
  /** Oldest first. */
  readonly increments: readonly StoredPull[];
}

/** Whether a pull listed everything. */
export const isFull = ({ manifest }: StoredPull): boolean => (manifest.since ?? null) === null;

const isComplete = ({ manifest }: StoredPull): boolean => manifest.verdict === "complete";

/** The newest complete pull of everything among those of a collection (newest first), with its increments; null when there is none. */
export function chainOf(pulls: readonly StoredPull[]): Chain | null {
  const base = pulls.find(pull => isComplete(pull) && isFull(pull));
  return base === undefined ? null : chainFrom(base, pulls);
}

/** A base with its increments. */
export function chainFrom(base: StoredPull, pulls: readonly StoredPull[]): Chain {
  const increments: StoredPull[] = [];
  for (const pull of pulls.filter(isComplete).toReversed()) {
    const tip = increments.at(-1) ?? base;
    const { since } = pull.manifest;
    if (since?.base === base.manifest.pull && since.after === tip.manifest.pull) increments.push(pull);
  }
  return { base, increments };
}

export const tipOf = ({ base, increments }: Chain): StoredPull => increments.at(-1) ?? base;

/** The updates that may know more than a pull of everything: those that ended after it began. */
export const updatesAfter = (base: StoredPull | null, updates: readonly StoredPull[]): readonly StoredPull[] =>
  base === null ? [] : updates.filter(({ manifest }) => manifest.finishedAt >= base.manifest.startedAt);
