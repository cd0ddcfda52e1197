/** How many retries a source is given. @see https://sre.google/sre-book/handling-overload/ */
export interface RetryBudgetPolicy {
  /** Retries may be this share of the requests of the last `windowMs`. */
  readonly ratio: number;
  /** So many are allowed in a window however few requests there were: a quiet source could never be asked again. */
  readonly floor: number;
  readonly windowMs: number;
}

export const defaultRetryBudget: RetryBudgetPolicy = { ratio: 0.1, floor: 10, windowMs: 10_000 };

const SLICES = 10;

interface Slice {
  readonly number: number;
  requests: number;
  retries: number;
}

/**
 * Keeps retries a small part of the traffic, so that a source in trouble is not asked three times as much for being in trouble. Counts in
 * slices of a tenth of the window; times are given by the caller, in ms since the epoch.
 */
export class RetryBudget {
  readonly #policy: RetryBudgetPolicy;
  #slices: Slice[] = [];

  constructor(policy: RetryBudgetPolicy = defaultRetryBudget) {
    this.#policy = policy;
  }

  /** Notes a request that is no retry. */
  countRequest(nowMs: number): void {
    this.#current(nowMs).requests++;
  }

  /** Takes one retry out of the budget; false, and nothing is taken, when it is spent. */
  takeRetry(nowMs: number): boolean {
    const current = this.#current(nowMs);
    const requests = this.#slices.reduce((sum, slice) => sum + slice.requests, 0);
    const retries = this.#slices.reduce((sum, slice) => sum + slice.retries, 0);
    if (retries >= Math.max(this.#policy.floor, Math.floor(requests * this.#policy.ratio))) return false;
    current.retries++;
    return true;
  }

  #current(nowMs: number): Slice {
    const number = Math.floor(nowMs / (this.#policy.windowMs / SLICES));
    const last = this.#slices.at(-1);
    if (last?.number === number) return last;
    const slice = { number, requests: 0, retries: 0 };
    this.#slices = [...this.#slices.filter(kept => kept.number > number - SLICES && kept.number < number), slice];
    return slice;
  }
}
