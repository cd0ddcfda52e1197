import { StoreError } from "../core/errors.ts";
import type { Arrival, Inbox } from "../store/inbox.ts";

/** Events that wait to be made durable at most, and the bytes of their texts; more is refused. */
const MAX_WAITING = 10_000;
const MAX_WAITING_BYTES = 64 * 1024 ** 2;
/** Events that are made durable together. */
const MAX_TOGETHER = 1_000;

interface Waiting {
  readonly arrivals: readonly Arrival[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (problem: unknown) => void;
}

/**
 * Takes events in. What comes while the store is writing is written together with what else comes then, so that the number of events a second does not depend
 * on how long one write takes. Bounded: what the store cannot keep up with is refused.
 */
export class Reception {
  readonly #inbox: Pick<Inbox, "accept">;
  readonly #onKept: () => void;
  #waiting: Waiting[] = [];
  #events = 0;
  #bytes = 0;
  #isWriting = false;

  /** @param onKept is called when new events are durable */
  constructor(inbox: Pick<Inbox, "accept">, onKept: () => void) {
    this.#inbox = inbox;
    this.#onKept = onKept;
  }

  /** Resolves when the events are durable. Throws `STORE_UNAVAILABLE` when they are not, also when too many wait: then nothing of them is kept. */
  async take(arrivals: readonly Arrival[]): Promise<void> {
    if (arrivals.length === 0) return;
    const bytes = arrivals.reduce((total, { body }) => total + Buffer.byteLength(body), 0);
    if (this.#events + arrivals.length > MAX_WAITING || this.#bytes + bytes > MAX_WAITING_BYTES)
      throw new StoreError("STORE_UNAVAILABLE", "too many events wait to be written; deliver this one again later");
    this.#events += arrivals.length;
    this.#bytes += bytes;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ arrivals, bytes, resolve, reject });
    if (!this.#isWriting) void this.#write();
    await promise;
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    // What arrives in the same turn of the event loop goes into the same write.
    await new Promise(resolve => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#writeSome(this.#next());
    this.#isWriting = false;
  }

  #next(): readonly Waiting[] {
    let events = 0;
    const end = this.#waiting.findIndex(({ arrivals }) => (events += arrivals.length) > MAX_TOGETHER);
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : Math.max(1, end));
  }

  async #writeSome(together: readonly Waiting[]): Promise<void> {
    try {
      const isNew = await this.#inbox.accept(together.flatMap(({ arrivals }) => arrivals));
      for (const { resolve } of together) resolve();
      if (isNew > 0) this.#onKept();
    } catch (thrown) {
      for (const { reject } of together) reject(thrown);
    }
    for (const { arrivals, bytes } of together) {
      this.#events -= arrivals.length;
      this.#bytes -= bytes;
    }
  }
}
