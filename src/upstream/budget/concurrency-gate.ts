import Bottleneck from "bottleneck";
import type { ConcurrencyLimit } from "../../source/limits.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import { type Gate, type LimitStatus, type Permit, takeFrom } from "./gate.ts";

/** At most so many requests under way at once, over the account or for each operation. */
export class ConcurrencyGate implements Gate {
  readonly #limit: ConcurrencyLimit;
  readonly #limiters = new Map<string, Bottleneck>();

  constructor(limit: ConcurrencyLimit) {
    this.#limit = limit;
  }

  async acquire(request: UpstreamRequest, context: CallContext): Promise<Permit> {
    const limiter = this.#limiterOf(this.#limit.per === "operation" ? request.operation : "account");
    await takeFrom(limiter, 1, context);
    const giveBack = () => void limiter.incrementReservoir(1);
    return { settle: giveBack, cancel: giveBack };
  }

  /** Another request for the same answer is no reason to hold a place that another answer needs. */
  spare(): Permit | undefined {
    return undefined;
  }

  learn(): void {
    // Nobody says how many requests are under way.
  }

  async status(): Promise<LimitStatus> {
    const { max, per } = this.#limit;
    const limiters = [...this.#limiters.values()];
    const left = await Promise.all(limiters.map(limiter => limiter.currentReservoir()));
    return {
      name: per === "account" ? "at once" : "at once per operation",
      unit: "at once",
      allowed: max,
      left: Math.min(max, ...left.map(units => units ?? max)),
      queued: limiters.reduce((sum, limiter) => sum + limiter.counts().QUEUED, 0),
      windowMs: null,
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#limiters.values()].map(limiter => limiter.disconnect()));
  }

  #limiterOf(name: string): Bottleneck {
    const known = this.#limiters.get(name);
    if (known) return known;
    const limiter = new Bottleneck({ reservoir: this.#limit.max });
    this.#limiters.set(name, limiter);
    return limiter;
  }
}
