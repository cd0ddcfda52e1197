import { UpstreamError } from "../core/errors.ts";
import { fillCollection, type FillParts, type FillResult } from "../intake/fill.ts";
import { rebuildIndex } from "../intake/rebuild-index.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { CallContext } from "../upstream/context.ts";

/** The pause after a failed fill, in ms: it doubles with every failure up to the longest. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;
/** One collection may take this long, in ms, before its fill is given up and tried again. */
const FILL_DEADLINE_MS = 600_000;

/** Keeps the customer index up to date: fills every collection of customers, tries those that failed again, and repeats the whole regularly. */
export class Refresher {
  readonly #parts: FillParts;
  readonly #refreshMs: number;
  readonly #onFill: (result: FillResult) => void;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  /** @param onFill is told how every fill of a collection ended */
  constructor(parts: FillParts, refreshMs: number, onFill: (result: FillResult) => void) {
    this.#onFill = onFill;
    this.#parts = parts;
    this.#refreshMs = refreshMs;
  }

  /** Fills every collection once, rebuilds the index, and goes on in the background. Returns what the first round brought; failures are in it. */
  async start(onResult: (result: FillResult) => void = () => undefined): Promise<readonly FillResult[]> {
    const first = this.#round(this.#entries(), onResult);
    this.#running = first.then(results => this.#goOn(results.filter(result => !result.isComplete)));
    return first;
  }

  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Ends the background work; what is under way is cancelled. */
  async stop(): Promise<void> {
    this.#stop.abort(new UpstreamError("UPSTREAM_CANCELLED", "shutting down"));
    await this.#running;
  }

  async #goOn(failed: readonly FillResult[]): Promise<void> {
    let left = failed;
    for (let failures = 0; !this.#stop.signal.aborted; failures = left.length > 0 ? failures + 1 : 0) {
      const retryMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
      await this.#parts.clock.sleep(left.length > 0 ? retryMs : this.#refreshMs, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      const again =
        left.length > 0 ? this.#entries().filter(entry => left.some(result => result.collection === entry.id)) : this.#entries();
      left = (await this.#round(again, () => undefined)).filter(result => !result.isComplete);
    }
  }

  async #round(entries: readonly CatalogEntry[], onResult: (result: FillResult) => void): Promise<readonly FillResult[]> {
    const context: CallContext = {
      priority: "bulk",
      signal: this.#stop.signal,
      deadlineAtMs: this.#parts.clock.nowMs() + FILL_DEADLINE_MS,
      requestId: "refresh",
    };
    const results = await Promise.all(entries.map(entry => this.#fill(entry, context, onResult)));
    if (this.#stop.signal.aborted) return results;
    try {
      const { customers, records } = await rebuildIndex(this.#parts);
      this.#parts.logger.info({ customers, records }, "the customer index was rebuilt");
    } catch (error) {
      this.#parts.logger.error({ err: error }, "the customer index could not be rebuilt; the old one stays");
      return results.map(result => ({ ...result, isComplete: false }));
    }
    return results;
  }

  async #fill(entry: CatalogEntry, context: CallContext, onResult: (result: FillResult) => void): Promise<FillResult> {
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
