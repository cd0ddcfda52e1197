import Bottleneck from "bottleneck";
import type { ConcurrencyLimit } from "../../source/limits.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import { type LimitStatus, type Permit, type ScalableGate, scaled, takeFrom } from "./gate.ts";

/** What bulk work may have of them: one place stays free for live reads, where there are several. */
export const bulkPlacesOf = ({ max }: ConcurrencyLimit): number => Math.max(1, max - 1);

/** At most so many requests under way at once. */
export class ConcurrencyGate implements ScalableGate {
  readonly #limit: ConcurrencyLimit;
  readonly #limiter: Bottleneck;
  readonly #bulk: Bottleneck;
  #share = 1;

  constructor(limit: ConcurrencyLimit) {
    this.#limit = limit;
    this.#limiter = new Bottleneck({ reservoir: limit.max });
    this.#bulk = new Bottleneck({ reservoir: bulkPlacesOf(limit) });
  }

  async acquire(_request: UpstreamRequest, context: CallContext): Promise<Permit> {
    const limiters = context.priority === "bulk" ? [this.#bulk, this.#limiter] : [this.#limiter];
    const taken: Bottleneck[] = [];
    const giveBack = () => {
      for (const limiter of taken) void limiter.incrementReservoir(1);
    };
    try {
      for (const limiter of limiters) {
        await takeFrom(limiter, 1, context);
        taken.push(limiter);
      }
    } catch (thrown) {
      giveBack();
      throw thrown;
    }
    return { settle: giveBack, cancel: giveBack };
  }

  /** Another request for the same answer is no reason to hold a place that another answer needs. */
  spare(): Permit | undefined {
    return undefined;
  }

  learn(): void {
    // Nobody says how many requests are under way.
  }

  noteLive(): void {
    // What is kept for live reads is kept at all times.
  }

  scale(share: number): void {
    const change = (places: number) => scaled(places, share) - scaled(places, this.#share);
    void this.#limiter.incrementReservoir(change(this.#limit.max));
    void this.#bulk.incrementReservoir(change(bulkPlacesOf(this.#limit)));
    this.#share = share;
  }

  async status(): Promise<LimitStatus> {
    const { max, per } = this.#limit;
    const left = Math.max(0, Math.min(max, (await this.#limiter.currentReservoir()) ?? max));
    const name = per === "account" ? "at once" : "at once per operation";
    const queued = this.#limiter.counts().QUEUED + this.#bulk.counts().QUEUED;
    return { name, unit: "at once", allowed: max, left, queued, windowMs: null };
  }

  async close(): Promise<void> {
    await Promise.all([this.#limiter.disconnect(), this.#bulk.disconnect()]);
  }
}
