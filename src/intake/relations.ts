import { asError } from "../core/errors.ts";
import type { Clock, Logger } from "../core/ports.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import { isMirrored } from "../source/collection.ts";
import type { CallContext } from "../upstream/context.ts";
import { type Part, reconcileCollection, type ReconcileParts } from "./reconcile.ts";

/** One collection may take this long, in ms. */
const DEADLINE_MS = 1_800_000;
/** It is looked whether a collection is due at least, and at most, after so long, in ms. */
const LONGEST_PAUSE_MS = 60_000;
const SHORTEST_PAUSE_MS = 1_000;

export interface RelationsParts extends ReconcileParts {
  /** Does work while no other process does; undefined when one does already. */
  readonly exclusively: <T>(name: string, work: () => Promise<T>) => Promise<{ readonly value: T } | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Keeps what belongs to customers in the mirror, as fresh as each collection declares: what changed is read where its source tells, everything where it does
 * not. Of several processes that share a store one does so at a time.
 */
export class Relations {
  readonly #parts: RelationsParts;
  readonly #entries: readonly CatalogEntry[];
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: RelationsParts) {
    this.#parts = parts;
    this.#entries = parts.fill.catalog.entries.filter(
      ({ collection }) => isMirrored(collection) && collection.canonical !== "Customer",
    );
  }

  /** Goes on in the background until it is stopped. */
  start(): void {
    this.#running = this.#keep();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error("shutting down"));
    await this.#running;
  }

  /** Reads what is due: all that is half as old as it may be. Failures are logged and tried again. Returns whether there were none. */
  async round(): Promise<boolean> {
    const bySource = [...Map.groupBy(this.#entries, ({ source }) => source).values()];
    const rounds = bySource.map(async entries => {
      let isWell = true;
      for (const entry of entries) isWell = (await this.#refresh(entry)) && isWell;
      return isWell;
    });
    return (await Promise.all(rounds)).every(Boolean);
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted;) {
      failures = (await this.round()) ? 0 : failures + 1;
      const pauseMs = failures === 0 ? LONGEST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** failures);
      await this.#parts.clock.sleep(Math.min(pauseMs, this.#soonestMs), signal);
    }
  }

  /** The least of the times after which a collection may be due again. */
  get #soonestMs(): number {
    const least = Math.min(...this.#entries.map(({ collection }) => (collection.freshness.mirrorMs ?? 0) / 2));
    return Math.max(SHORTEST_PAUSE_MS, least);
  }

  async #refresh(entry: CatalogEntry): Promise<boolean> {
    const { exclusively, logger } = this.#parts;
    if (this.#stop.signal.aborted) return true;
    try {
      const done = await exclusively(`relations ${entry.id}`, () => this.#readIfDue(entry));
      const part = done?.value ?? null;
      if (part !== null && !this.#stop.signal.aborted) this.#tell(entry, part);
      return (part?.problem ?? null) === null;
    } catch (thrown) {
      logger.error({ collection: entry.id, problem: asError(thrown).message }, "the mirror could not be written; trying again");
      return false;
    }
  }

  async #readIfDue(entry: CatalogEntry): Promise<Part | null> {
    const { clock, fill } = this.#parts;
    const nowMs = clock.nowMs();
    if (fill.mirror.isGivenUp(entry.id, nowMs)) return null;
    const ageMs = nowMs - ((await fill.mirror.asOf(entry.id)) ?? -Infinity);
    if (ageMs < (entry.collection.freshness.mirrorMs ?? 0) / 2) return null;
    const context: CallContext = {
      priority: "bulk",
      signal: this.#stop.signal,
      deadlineAtMs: nowMs + DEADLINE_MS,
      requestId: "mirror",
      ...(fill.drift && { drift: fill.drift.log }),
    };
    return reconcileCollection(this.#parts, entry, { isFull: false, sinceMs: undefined }, context);
  }

  #tell({ id }: CatalogEntry, { records, isFull, problem }: Part): void {
    const facts = { collection: id, records, isFull };
    if (problem === null) this.#parts.logger.info(facts, "relations were mirrored");
    else this.#parts.logger.warn({ ...facts, problem }, "relations were not mirrored; trying again");
  }
}
