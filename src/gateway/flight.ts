import { UpstreamError } from "../core/errors.ts";
import type { CallContext } from "../upstream/context.ts";

/**
 * One piece of upstream work that several requests wait for. It goes on as long as anybody waits, until the latest of their deadlines,
 * and is cancelled when the last one has left.
 */
export class Flight {
  readonly #controller = new AbortController();
  readonly #requestId: string;
  #waiters = 0;
  #deadlineAtMs = 0;

  constructor(requestId: string) {
    this.#requestId = requestId;
  }

  /** The context in which the work is done; its deadline moves with those who join. */
  get context(): CallContext {
    const latest = () => this.#deadlineAtMs;
    return {
      priority: "live",
      signal: this.#controller.signal,
      requestId: this.#requestId,
      get deadlineAtMs() {
        return latest();
      },
    };
  }

  /** Waits for the work together with the others; leaves with the waiter's own reason when its signal aborts first. */
  join<T>(work: Promise<T>, waiter: CallContext): Promise<T> {
    this.#waiters++;
    this.#deadlineAtMs = Math.max(this.#deadlineAtMs, waiter.deadlineAtMs);
    return new Promise<T>((resolve, reject) => {
      const leave = () => reject(waiter.signal.reason as Error);
      if (waiter.signal.aborted) return leave();
      waiter.signal.addEventListener("abort", leave, { once: true });
      work.then(resolve, reject).finally(() => waiter.signal.removeEventListener("abort", leave));
    }).finally(() => {
      if (--this.#waiters === 0)
        this.#controller.abort(new UpstreamError("UPSTREAM_CANCELLED", "nobody waits for the answer any more"));
    });
  }
}
