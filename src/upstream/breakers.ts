import { Breaker, type BreakerPolicy, type BreakerState } from "./breaker.ts";

/** The breaker of one route class. */
export interface BreakerStatus {
  readonly operation: string;
  readonly state: BreakerState;
  /** When a probe may be made, in ms since the epoch; null unless it is open. */
  readonly probeAtMs: number | null;
}

/** Route classes are few; a declaration that puts keys into their names must not fill the memory. */
const MAX_BREAKERS = 500;
const OTHERS = "(others)";

/** A source's breakers, one for each route class: a search that fails does not keep a lookup from being made. */
export class Breakers {
  readonly #policy: BreakerPolicy | undefined;
  readonly #byOperation = new Map<string, Breaker>();

  constructor(policy?: BreakerPolicy) {
    this.#policy = policy;
  }

  /** The breaker of a route class. Past 500 classes those that come later share one. */
  of(operation: string): Breaker {
    const known = this.#byOperation.get(operation);
    if (known) return known;
    if (this.#byOperation.size >= MAX_BREAKERS && operation !== OTHERS) return this.of(OTHERS);
    const breaker = new Breaker(this.#policy);
    this.#byOperation.set(operation, breaker);
    return breaker;
  }

  /** The worst state of all. */
  state(nowMs: number): BreakerState {
    const states = new Set([...this.#byOperation.values()].map(breaker => breaker.state(nowMs)));
    if (states.has("OPEN")) return "OPEN";
    return states.has("HALF_OPEN") ? "HALF_OPEN" : "CLOSED";
  }

  /** Every route class that was called, by name. */
  status(nowMs: number): readonly BreakerStatus[] {
    return [...this.#byOperation]
      .map(([operation, breaker]) => {
        const waitMs = breaker.waitMs(nowMs);
        return { operation, state: breaker.state(nowMs), probeAtMs: waitMs > 0 ? nowMs + waitMs : null };
      })
      .sort((a, b) => (a.operation < b.operation ? -1 : 1));
  }
}
