import { asError } from "../core/errors.ts";
import type { Clock, Logger } from "../core/ports.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { ChangedRecord, Mirror } from "../store/mirror.ts";
import type { Fetched } from "../upstream/reads.ts";

/** What was read is written so much later, in ms, together with what is read meanwhile. */
const GATHER_MS = 250;
/** Records that wait to be written at most; what comes then is not written: its source has it. */
const MAX_WAITING = 20_000;
const BATCH = 500;

export interface WriteBehindParts {
  readonly mirror: Pick<Mirror, "put">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Is told of records that are others than the mirror had. */
  readonly onFound: (entry: CatalogEntry, changed: readonly ChangedRecord[]) => Promise<void>;
}

/** Writes what live requests have read into the mirror, after they were answered. */
export class WriteBehind {
  readonly #parts: WriteBehindParts;
  readonly #waiting = new Map<CatalogEntry, Map<string, Fetched>>();
  readonly #stop = new AbortController();
  #count = 0;
  #writing: Promise<void> | undefined;

  constructor(parts: WriteBehindParts) {
    this.#parts = parts;
  }

  /** Takes records to be written soon. */
  add(entry: CatalogEntry, records: readonly Fetched[]): void {
    const known = this.#waiting.get(entry) ?? new Map<string, Fetched>();
    this.#waiting.set(entry, known);
    for (const record of records) {
      if (!known.has(record.entity.key) && this.#count >= MAX_WAITING) continue;
      if (!known.has(record.entity.key)) this.#count++;
      known.set(record.entity.key, record);
    }
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  /** Writes what waits, and ends. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { clock, logger } = this.#parts;
    while (this.#count > 0) {
      await clock.sleep(GATHER_MS, this.#stop.signal);
      const taken = [...this.#waiting].flatMap(([entry, records]) => (records.size > 0 ? [{ entry, records }] : []));
      this.#waiting.clear();
      this.#count = 0;
      for (const { entry, records } of taken) {
        try {
          await this.#put(entry, [...records.values()]);
        } catch (thrown) {
          logger.warn({ collection: entry.id, problem: asError(thrown).message }, "what was read live was not mirrored");
        }
      }
    }
  }

  async #put(entry: CatalogEntry, records: readonly Fetched[]): Promise<void> {
    for (let start = 0; start < records.length; start += BATCH) {
      const changed = await this.#parts.mirror.put(entry.id, records.slice(start, start + BATCH));
      if (changed.length > 0) await this.#parts.onFound(entry, changed);
    }
  }
}
