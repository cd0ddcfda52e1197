import { asError, UpstreamError } from "../core/errors.ts";
import type { CallContext } from "../upstream/context.ts";

/**
 * One piece of upstream work that several requests wait for. It goes on as long as anybody waits, until the latest of their deadlines,
 * and is cancelled when the last one has left.
 */
export class Flight {
  readonly #controller = new AbortController();
  readonly #requestId: string;
  readonly #drift: CallContext["drift"];
  #waiters = 0;
  #deadlineAtMs = 0;
  #attempts = 0;

  /** @param starter who asks first: the work is done in its name */
  constructor({ requestId, drift }: Pick<CallContext, "requestId" | "drift">) {
    this.#requestId = requestId;
    this.#drift = drift;
  }

  /** The context in which the work is done; its deadline moves with those who join. */
  get context(): CallContext {
    const latest = () => this.#deadlineAtMs;
    return {
      priority: "live",
      signal: this.#controller.signal,
      requestId: this.#requestId,
      ...(this.#drift && { drift: this.#drift }),
      onAttempt: attempt => (this.#attempts = Math.max(this.#attempts, attempt)),
      get deadlineAtMs() {
        return latest();
      },
    };
  }

  /**
   * Waits for the work together with the others. A waiter whose signal aborts leaves with its own reason; the last one to leave ends the
   * work and leaves with what the work itself says of its end, which knows how far it came.
   */
  async join<T>(work: Promise<T>, waiter: CallContext): Promise<T> {
    this.#waiters++;
    this.#deadlineAtMs = Math.max(this.#deadlineAtMs, waiter.deadlineAtMs);
    try {
      return await this.#unlessLeft(work, waiter.signal);
    } finally {
      if (--this.#waiters === 0)
        this.#controller.abort(new UpstreamError("UPSTREAM_CANCELLED", "nobody waits for the answer any more"));
    }
  }

  #unlessLeft<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const leave = () => {
        if (this.#waiters > 1) reject(this.#leaving(signal.reason));
        else this.#controller.abort(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      work.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
      if (signal.aborted) leave();
    });
  }

  /** The reason for which one waiter leaves, with what is known of the work so far. */
  #leaving(reason: unknown): Error {
    if (!(reason instanceof UpstreamError)) return asError(reason);
    return new UpstreamError(reason.code, reason.message, { details: { ...reason.details, attempts: this.#attempts } });
  }
}
