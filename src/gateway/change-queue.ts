import type { Change, ChangeFeed } from "../core/changes.ts";
import { RequestError } from "../core/errors.ts";

/** Changes that wait for a subscriber at most. */
const MAX_WAITING = 1_000;

/** The changes that one subscriber wants, from when it began; bounded, whatever the subscriber does. */
export class ChangeQueue {
  readonly #signal: AbortSignal;
  readonly #stop: () => void;
  #waiting: Change[] = [];
  #failure: RequestError | undefined;
  #wake: () => void = () => undefined;

  constructor(feed: ChangeFeed, isWanted: (change: Change) => boolean, signal: AbortSignal) {
    this.#signal = signal;
    this.#stop = feed.subscribe(
      changes => this.#take(changes.filter(isWanted)),
      () => this.#fail(new RequestError("SUBSCRIPTION_GAP", "changes may have been missed")),
    );
    signal.addEventListener("abort", () => this.#wake(), { once: true });
  }

  /**
   * Waits until there are changes, the time in ms is over, or nobody listens any more; then takes up to `most` of them. Throws `SUBSCRIPTION_SLOW` when more
   * came than may wait, and `SUBSCRIPTION_GAP` when some were missed.
   */
  async take(most: number, withinMs: number): Promise<readonly Change[]> {
    if (this.#waiting.length === 0 && !this.#failure && !this.#signal.aborted) await this.#something(withinMs);
    if (this.#failure) throw this.#failure;
    return this.#waiting.splice(0, most);
  }

  close(): void {
    this.#stop();
    this.#waiting = [];
  }

  #something(withinMs: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, withinMs);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #take(changes: readonly Change[]): void {
    if (changes.length === 0 || this.#failure) return;
    if (this.#waiting.length + changes.length > MAX_WAITING) {
      this.#fail(new RequestError("SUBSCRIPTION_SLOW", `more than ${MAX_WAITING} changes waited for this subscriber`));
      return;
    }
    this.#waiting.push(...changes);
    this.#wake();
  }

  #fail(failure: RequestError): void {
    this.#failure = failure;
    this.#waiting = [];
    this.#wake();
  }
}
