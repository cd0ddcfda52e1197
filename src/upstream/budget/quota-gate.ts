import { UpstreamError } from "../../core/errors.ts";
import type { Clock } from "../../core/ports.ts";
import type { QuotaLimit } from "../../source/limits.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import { type LimitStatus, type Permit, type ScalableGate, scaled } from "./gate.ts";
import type { LearnedLimit } from "./learned.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** The share of a day that bulk work leaves to everybody else. */
const RESERVE = 0.05;

/**
 * So many requests a day. What is spent is not waited for: it is `UPSTREAM_QUOTA_SPENT`, with the moment of the next day's beginning. Counted by this
 * process from its start; what others have used is learnt from the provider, and from the replicas where they share.
 */
export class QuotaGate implements ScalableGate {
  readonly #limit: QuotaLimit;
  readonly #clock: Clock;
  #used = 0;
  #day = Number.NaN;
  /** A later beginning than ours, where the provider names one. */
  #resumesAtMs = 0;
  #share = 1;
  /** What had been used when the share was last set: it is what was left then that is shared. */
  #usedBefore = 0;

  constructor(limit: QuotaLimit, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  async acquire(request: UpstreamRequest, { priority }: CallContext): Promise<Permit> {
    this.#begin();
    const weight = request.weight ?? 1;
    if (this.#used + weight > this.#allowed(priority === "bulk")) throw this.#spent();
    return this.#take(weight);
  }

  spare(request: UpstreamRequest): Permit | undefined {
    this.#begin();
    return this.#used > this.#limit.requests / 2 ? undefined : this.#take(request.weight ?? 1);
  }

  learn({ left, resetsAtMs }: LearnedLimit): void {
    this.#begin();
    this.#used = Math.max(this.#used, this.#limit.requests - left);
    if (resetsAtMs !== null) this.#resumesAtMs = resetsAtMs;
  }

  noteLive(): void {
    // What is kept for live reads is kept at all times.
  }

  scale(share: number): void {
    this.#share = share;
    this.#usedBefore = this.#used;
  }

  async status(): Promise<LimitStatus> {
    this.#begin();
    const { requests } = this.#limit;
    const left = Math.max(0, requests - this.#used);
    return { name: "daily", unit: "requests", allowed: requests, left, queued: 0, windowMs: DAY_MS };
  }

  async close(): Promise<void> {
    this.#used = 0;
  }

  /** The day that is under way, as a number that grows by one each day; it begins at the quota's own hour. */
  day(): number {
    return Math.floor((this.#clock.nowMs() - this.#limit.resetHour * HOUR_MS) / DAY_MS);
  }

  #allowed(isBulk: boolean): number {
    const { requests } = this.#limit;
    const before = this.#usedBefore;
    const all = this.#share === 1 ? requests : before + Math.floor((requests - before) * this.#share);
    return isBulk ? scaled(all, 1 - RESERVE) : all;
  }

  #take(weight: number): Permit {
    this.#used += weight;
    const day = this.#day;
    const cancel = () => {
      if (day === this.#day) this.#used -= weight;
    };
    return { settle: () => undefined, cancel };
  }

  #begin(): void {
    const day = this.day();
    if (day === this.#day) return;
    this.#day = day;
    this.#used = 0;
    this.#usedBefore = 0;
  }

  #spent(): UpstreamError {
    const nowMs = this.#clock.nowMs();
    const ownAtMs = (this.#day + 1) * DAY_MS + this.#limit.resetHour * HOUR_MS;
    const resumesAtMs = this.#resumesAtMs > nowMs ? this.#resumesAtMs : ownAtMs;
    const resumesAt = new Date(resumesAtMs).toISOString();
    return new UpstreamError("UPSTREAM_QUOTA_SPENT", `the day's quota is spent; paused until ${resumesAt}`, {
      details: { retryAfterMs: resumesAtMs - nowMs, resumesAt },
    });
  }
}
