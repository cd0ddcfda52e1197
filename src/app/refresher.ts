import { asError, UpstreamError } from "../core/errors.ts";
import { fillCollection, type FillParts, type FillResult, learnFields } from "../intake/fill.ts";
import { rebuildIndex } from "../intake/rebuild-index.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { Database } from "../store/database.ts";
import type { CallContext } from "../upstream/context.ts";

/** The pause after a failed fill, in ms: it doubles with every failure up to the longest. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;
/** One collection may take this long, in ms, before its fill is given up and tried again. */
const FILL_DEADLINE_MS = 600_000;

/** After a change the index is rebuilt this much later, in ms, at the earliest. */
const LEAST_REINDEX_MS = 500;
/** While another process refreshes, this one asks so often, in ms, whether it is done. */
const TURN_MS = 250;

/** How a collection got up to date: as it was read here, or by another process before. */
export type Refreshed = FillResult | Pick<FillResult, "collection" | "isComplete">;

/**
 * Keeps the customer index up to date: fills every collection of customers, tries those that failed again, and repeats the whole regularly. Of several
 * processes that share a store one does so at a time; what it has read the others do not read again.
 */
export class Refresher {
  readonly #parts: FillParts;
  readonly #database: Pick<Database, "isShared" | "exclusively">;
  readonly #refreshMs: number;
  readonly #onFill: (result: Pick<FillResult, "collection" | "error">) => void;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #reindexing: Promise<void> | undefined;
  #isReindexDue = false;
  #lastRebuildMs = 0;
  #rebuilding: Promise<unknown> = Promise.resolve();
  /** Ends with the first round. */
  #first: Promise<unknown> = Promise.resolve();

  /** @param onFill is told how every fill of a collection ended, also one in another process */
  constructor(
    parts: FillParts,
    database: Pick<Database, "isShared" | "exclusively">,
    refreshMs: number,
    onFill: (result: Pick<FillResult, "collection" | "error">) => void,
  ) {
    this.#onFill = onFill;
    this.#parts = parts;
    this.#database = database;
    this.#refreshMs = refreshMs;
  }

  /** Fills every collection once, rebuilds the index, and goes on in the background. Returns what the first round brought; failures are in it. */
  async start(onResult: (result: Refreshed) => void = () => undefined): Promise<readonly Refreshed[]> {
    const first = this.#turn(this.#entries(), onResult);
    this.#first = first;
    this.#running = first.then(results => this.#goOn(results.filter(result => !result.isComplete)));
    return first;
  }

  /** Rebuilds the index soon, because a record of a customer changed: at most so often that nine tenths of the time are left for other work. */
  reindexSoon(): void {
    this.#isReindexDue = true;
    this.#reindexing ??= this.#reindex().finally(() => (this.#reindexing = undefined));
  }

  /** Whatever else rebuilds the index meanwhile does it too; before the first round has ended nobody does, lest half of what is there be taken for all. */
  async #reindex(): Promise<void> {
    const { clock, index, logger } = this.#parts;
    await this.#first;
    while (this.#isReindexDue && !this.isStopped) {
      await clock.sleep(Math.max(LEAST_REINDEX_MS, 9 * this.#lastRebuildMs), this.#stop.signal);
      if (!this.#isReindexDue || this.isStopped) return;
      try {
        await index.markBehind();
        await this.#turn([], () => undefined);
      } catch (thrown) {
        logger.warn({ problem: asError(thrown).message }, "the customer index could not be marked as behind; trying again");
      }
    }
  }

  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Ends the background work; what is under way is cancelled. */
  async stop(): Promise<void> {
    this.#stop.abort(new UpstreamError("UPSTREAM_CANCELLED", "shutting down"));
    await Promise.all([this.#running, this.#reindexing]);
  }

  async #goOn(failed: readonly Refreshed[]): Promise<void> {
    let left = failed;
    for (let failures = 0; !this.#stop.signal.aborted; failures = left.length > 0 ? failures + 1 : 0) {
      const retryMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
      await this.#parts.clock.sleep(left.length > 0 ? retryMs : this.#refreshMs, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      const again =
        left.length > 0 ? this.#entries().filter(entry => left.some(result => result.collection === entry.id)) : this.#entries();
      left = (await this.#turn(again, () => undefined)).filter(result => !result.isComplete);
    }
  }

  /** Waits until no other process refreshes. A store that is lost meanwhile makes it a round that failed. */
  async #turn(entries: readonly CatalogEntry[], onResult: (result: Refreshed) => void): Promise<readonly Refreshed[]> {
    try {
      while (!this.#stop.signal.aborted) {
        const done = await this.#database.exclusively("refresh", () => this.#round(entries, onResult));
        if (done) return done.value;
        await this.#parts.clock.sleep(TURN_MS, this.#stop.signal);
      }
    } catch (thrown) {
      this.#parts.logger.error({ problem: asError(thrown).message }, "the customer index could not be refreshed; trying again");
    }
    return entries.map(({ id }) => ({ collection: id, isComplete: false }));
  }

  async #round(entries: readonly CatalogEntry[], onResult: (result: Refreshed) => void): Promise<readonly Refreshed[]> {
    const context: CallContext = {
      priority: "bulk",
      signal: this.#stop.signal,
      deadlineAtMs: this.#parts.clock.nowMs() + FILL_DEADLINE_MS,
      requestId: "refresh",
    };
    const adopted = await this.#adopt(entries);
    for (const result of adopted) onResult(result);
    const due = entries.filter(({ id }) => !adopted.some(({ collection }) => collection === id));
    const results = [...adopted, ...(await Promise.all(due.map(entry => this.#fill(entry, context, onResult))))];
    if (this.#stop.signal.aborted || (due.length === 0 && !(await this.#parts.index.isBehind()))) return results;
    return (await this.#rebuild()) ? results : results.map(result => ({ ...result, isComplete: false }));
  }

  /** The collections that another process has read to their end not long ago. */
  async #adopt(entries: readonly CatalogEntry[]): Promise<readonly Refreshed[]> {
    if (!this.#database.isShared) return [];
    const { mirror, clock, drift } = this.#parts;
    const fills = await mirror.fills();
    const sinceMs = clock.nowMs() - this.#refreshMs;
    const adopted = entries.filter(({ id }) => (fills.get(id) ?? -Infinity) > sinceMs);
    if (drift) await learnFields(drift, adopted);
    for (const { id } of adopted) this.#onFill({ collection: id });
    return adopted.map(({ id }) => ({ collection: id, isComplete: true }));
  }

  /** One after another: the one that began last knows the most. */
  #rebuild(): Promise<boolean> {
    const rebuilt = this.#rebuilding.then(() => this.#rebuildNow());
    this.#rebuilding = rebuilt;
    return rebuilt;
  }

  async #rebuildNow(): Promise<boolean> {
    const startedAtMs = this.#parts.clock.nowMs();
    this.#isReindexDue = false;
    try {
      const { customers, records } = await rebuildIndex(this.#parts);
      this.#lastRebuildMs = this.#parts.clock.nowMs() - startedAtMs;
      this.#parts.logger.info({ customers, records }, "the customer index was rebuilt");
      return true;
    } catch (error) {
      this.#parts.logger.error({ err: error }, "the customer index could not be rebuilt; the old one stays");
      return false;
    }
  }

  async #fill(entry: CatalogEntry, context: CallContext, onResult: (result: Refreshed) => void): Promise<FillResult> {
    const result = await fillCollection(this.#parts, entry, context);
    const level = result.isComplete ? "info" : "warn";
    if (!this.#stop.signal.aborted)
      this.#parts.logger[level]({ ...result }, result.isComplete ? "collection filled" : "collection not filled; trying again");
    this.#onFill(result);
    onResult(result);
    return result;
  }

  #entries(): readonly CatalogEntry[] {
    return this.#parts.catalog.of("Customer");
  }
}
