import { responsePathAsArray } from "graphql";
import { TributaryError, UpstreamError } from "../core/errors.ts";
import type { CatalogEntry } from "../source/catalog.ts";

/** How old what is answered may be: as the collections declare, unless a query says otherwise. */
export interface Freshness {
  /** In ms, in place of what the collections declare; null: as each declares. */
  readonly maxAgeMs: number | null;
  /** Whether older data is better than none when a source cannot be asked. */
  readonly isStaleAllowed: boolean;
}

export const declaredFreshness: Freshness = { maxAgeMs: null, isStaleAllowed: true };

/** How old, in ms, what is read now may be: from the mirror, where that is as young. */
export const readAgeMs = ({ collection }: CatalogEntry, { maxAgeMs }: Freshness): number =>
  maxAgeMs ?? collection.freshness.mirrorMs ?? 0;

/** How old, in ms, what was read before and kept may be. */
export const keptAgeMs = ({ collection: { freshness } }: CatalogEntry, { maxAgeMs }: Freshness): number =>
  maxAgeMs ?? (freshness.mirrorMs ?? 0) + freshness.cacheMs;

/** Where an answer holds data that is older than its collection declares, and why. */
export interface StaleFact {
  readonly entry: CatalogEntry;
  /** From when it is, in ms since the epoch. */
  readonly asOfMs: number;
  /** Why the source did not give it. */
  readonly failure: Error;
}

/** What of an answer is stale, as it is told under `extensions.freshness`. */
export interface StaleField {
  /** As in `errors`; what is below the field is as old. */
  readonly path: readonly (string | number)[];
  readonly source: string;
  readonly collection: string;
  /** Seconds since the source gave it. */
  readonly age: number;
  /** RFC 3339, UTC. */
  readonly asOf: string;
  /** The code of the error for which the source did not give it anew. */
  readonly reason: string;
}

/** The place of a field in an answer. */
export type Place = Parameters<typeof responsePathAsArray>[0];

/** Collects which fields of one answer are stale. */
export class StaleFields {
  readonly #nowMs: () => number;
  readonly #found = new Map<string, StaleField>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Notes a field; of several facts about one field the oldest of each collection counts. */
  note(place: Place, { entry, asOfMs, failure }: StaleFact): void {
    const path = responsePathAsArray(place);
    const name = `${entry.id} ${JSON.stringify(path)}`;
    const asOf = new Date(asOfMs).toISOString();
    const known = this.#found.get(name);
    if (known && known.asOf <= asOf) return;
    this.#found.set(name, {
      path,
      source: entry.source.name,
      collection: entry.name,
      age: Math.max(0, Math.round((this.#nowMs() - asOfMs) / 1_000)),
      asOf,
      reason: failure instanceof TributaryError ? failure.code : "INTERNAL",
    });
  }

  get all(): readonly StaleField[] {
    return [...this.#found.values()];
  }
}

/** Whether a source could not be asked, so that what is known of it from before is better than nothing. */
export const isOutage = (thrown: unknown): thrown is UpstreamError =>
  thrown instanceof UpstreamError && thrown.retryable && thrown.code !== "UPSTREAM_CANCELLED";
