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

/** The right to make one call, to be given back with what came of it. */
export interface BreakerTicket {
  /** Calls let in before the breaker last changed its state have no say any more. */
  readonly generation: number;
}

/** Stops calling a source that keeps failing; times are given by the caller, in ms since the epoch. */
export class Breaker {
  readonly #policy: BreakerPolicy;
  #outcomes: { readonly atMs: number; readonly failed: boolean }[] = [];
  #openedAtMs: number | undefined;
  #generation = 0;
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

  /** Asks to make a call; undefined means: fail now, or wait for the probe. Every ticket must be given back by `record` or `release`. */
  tryEnter(nowMs: number): BreakerTicket | undefined {
    if (this.waitMs(nowMs) > 0 || this.#probe) return undefined;
    if (this.#openedAtMs === undefined) return { generation: this.#generation };
    this.#probe = Promise.withResolvers();
    return { generation: ++this.#generation };
  }

  /** A call that says nothing about the source's health, e.g. one that was cancelled. */
  release(ticket: BreakerTicket): void {
    if (ticket.generation === this.#generation) this.#endProbe();
  }

  record(ticket: BreakerTicket, failed: boolean, nowMs: number): void {
    if (ticket.generation !== this.#generation) return;
    if (this.#openedAtMs === undefined) this.#count(failed, nowMs);
    else this.#change(failed ? nowMs : undefined);
    this.#endProbe();
  }

  #count(failed: boolean, nowMs: number): void {
    this.#outcomes = this.#outcomes.filter(outcome => outcome.atMs > nowMs - this.#policy.windowMs).slice(-999);
    this.#outcomes.push({ atMs: nowMs, failed });
    const failures = this.#outcomes.filter(outcome => outcome.failed).length;
    const isTooMuch = failures >= this.#policy.minFailures && failures >= this.#outcomes.length * this.#policy.failureRatio;
    if (failed && isTooMuch) this.#change(nowMs);
  }

  #change(openedAtMs: number | undefined): void {
    this.#openedAtMs = openedAtMs;
    this.#outcomes = [];
    this.#generation++;
  }

  #endProbe(): void {
    this.#probe?.resolve();
    this.#probe = undefined;
  }
}
