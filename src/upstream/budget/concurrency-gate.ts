import Bottleneck from "bottleneck";
import type { ConcurrencyLimit } from "../../source/limits.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import { type LimitStatus, type Permit, type ScalableGate, scaled, takeFrom } from "./gate.ts";

/** At most so many requests under way at once. */
export class ConcurrencyGate implements ScalableGate {
  readonly #limit: ConcurrencyLimit;
  readonly #limiter: Bottleneck;
  #share = 1;

  constructor(limit: ConcurrencyLimit) {
    this.#limit = limit;
    this.#limiter = new Bottleneck({ reservoir: limit.max });
  }

  async acquire(_request: UpstreamRequest, context: CallContext): Promise<Permit> {
    await takeFrom(this.#limiter, 1, context);
    const giveBack = () => void this.#limiter.incrementReservoir(1);
    return { settle: giveBack, cancel: giveBack };
  }

  /** Another request for the same answer is no reason to hold a place that another answer needs. */
  spare(): Permit | undefined {
    return undefined;
  }

  learn(): void {
    // Nobody says how many requests are under way.
  }

  scale(share: number): void {
    void this.#limiter.incrementReservoir(scaled(this.#limit.max, share) - scaled(this.#limit.max, this.#share));
    this.#share = share;
  }

  async status(): Promise<LimitStatus> {
    const { max, per } = this.#limit;
    const left = Math.max(0, Math.min(max, (await this.#limiter.currentReservoir()) ?? max));
    const name = per === "account" ? "at once" : "at once per operation";
    return { name, unit: "at once", allowed: max, left, queued: this.#limiter.counts().QUEUED, windowMs: null };
  }

  async close(): Promise<void> {
    await this.#limiter.disconnect();
  }
}
