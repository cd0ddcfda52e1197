/** A circuit breaker over a moving window. @see https://martinfowler.com/bliki/CircuitBreaker.html */
export interface BreakerPolicy {
  /** Outcomes older than this, in ms, are forgotten. */
  readonly windowMs: number;
  /** Fewer failures than this never open it. */
  readonly minFailures: number;
  /** It opens when at least this share of the outcomes in the window failed. */
  readonly failureRatio: number;
  /** How long it stays open, in ms, before one probe is let through. */
  readonly openMs: number;
}

export type BreakerState = "CLOSED" | "OPEN" | "HALF_OPEN";

export const defaultBreaker: BreakerPolicy = { windowMs: 10_000, minFailures: 6, failureRatio: 0.5, openMs: 5_000 };

/** Stops calling a source that keeps failing; times are given by the caller, in ms since the epoch. */
export class Breaker {
  readonly #policy: BreakerPolicy;
  #outcomes: { readonly atMs: number; readonly failed: boolean }[] = [];
  #openedAtMs: number | undefined;
  #probe: PromiseWithResolvers<void> | undefined;

  constructor(policy: BreakerPolicy = defaultBreaker) {
    this.#policy = policy;
  }

  state(nowMs: number): BreakerState {
    if (this.#openedAtMs === undefined) return "CLOSED";
    return nowMs >= this.#openedAtMs + this.#policy.openMs ? "HALF_OPEN" : "OPEN";
  }

  /** Milliseconds until a probe may be made; 0 unless the breaker is open. */
  waitMs(nowMs: number): number {
    return this.#openedAtMs === undefined ? 0 : Math.max(0, this.#openedAtMs + this.#policy.openMs - nowMs);
  }

  /** The probe that is under way, if any: resolves when it has ended, however. */
  get probe(): Promise<void> | undefined {
    return this.#probe?.promise;
  }

  /** Asks to make a call; false means: fail now, or wait for the probe. Every granted call must end in `record` or `release`. */
  tryEnter(nowMs: number): boolean {
    if (this.waitMs(nowMs) > 0 || this.#probe) return false;
    if (this.#openedAtMs !== undefined) this.#probe = Promise.withResolvers();
    return true;
  }

  /** A call that says nothing about the source's health, e.g. one that was cancelled. */
  release(): void {
    this.#probe?.resolve();
    this.#probe = undefined;
  }

  record(failed: boolean, nowMs: number): void {
    if (this.#openedAtMs !== undefined) return this.#afterProbe(failed, nowMs);
    this.#outcomes = this.#outcomes.filter(outcome => outcome.atMs > nowMs - this.#policy.windowMs).slice(-999);
    this.#outcomes.push({ atMs: nowMs, failed });
    const failures = this.#outcomes.filter(outcome => outcome.failed).length;
    if (failed && failures >= this.#policy.minFailures && failures >= this.#outcomes.length * this.#policy.failureRatio) {
      this.#openedAtMs = nowMs;
    }
  }

  #afterProbe(failed: boolean, nowMs: number): void {
    this.#outcomes = [];
    this.#openedAtMs = failed ? nowMs : undefined;
    this.release();
  }
}
