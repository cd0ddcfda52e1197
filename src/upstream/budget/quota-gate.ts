import { UpstreamError } from "../../core/errors.ts";
import type { Clock } from "../../core/ports.ts";
import type { QuotaLimit } from "../../source/limits.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import type { Gate, LimitStatus, Permit } from "./gate.ts";
import type { LearnedLimit } from "./learned.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** The share of a day that bulk work leaves to everybody else. */
const RESERVE = 0.05;

/**
 * So many requests a day. What is spent is not waited for: it is `UPSTREAM_QUOTA_SPENT`, with the moment of the next day's beginning. Counted by this
 * process from its start; what others have used is learnt from the provider.
 */
export class QuotaGate implements Gate {
  readonly #limit: QuotaLimit;
  readonly #clock: Clock;
  readonly #used = new Map<string, number>();
  #day = Number.NaN;
  /** A later beginning than ours, where the provider names one. */
  #resumesAtMs = 0;

  constructor(limit: QuotaLimit, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  async acquire(request: UpstreamRequest, { priority }: CallContext): Promise<Permit> {
    const name = this.#begin(request);
    const weight = request.weight ?? 1;
    const used = this.#used.get(name) ?? 0;
    const allowed = priority === "bulk" ? Math.max(1, Math.floor(this.#limit.requests * (1 - RESERVE))) : this.#limit.requests;
    if (used + weight > allowed) throw this.#spent();
    return this.#take(name, weight);
  }

  spare(request: UpstreamRequest): Permit | undefined {
    const name = this.#begin(request);
    const used = this.#used.get(name) ?? 0;
    if (used > this.#limit.requests / 2) return undefined;
    return this.#take(name, request.weight ?? 1);
  }

  learn({ left, resetsAtMs }: LearnedLimit): void {
    if (this.#limit.per !== "account") return;
    this.#begin();
    this.#used.set("account", Math.max(this.#used.get("account") ?? 0, this.#limit.requests - left));
    if (resetsAtMs !== null) this.#resumesAtMs = resetsAtMs;
  }

  async status(): Promise<LimitStatus> {
    this.#begin();
    const used = Math.max(0, ...this.#used.values());
    const { requests } = this.#limit;
    return {
      name: "daily",
      unit: "requests",
      allowed: requests,
      left: Math.max(0, requests - used),
      queued: 0,
      windowMs: DAY_MS,
    };
  }

  async close(): Promise<void> {
    this.#used.clear();
  }

  #take(name: string, weight: number): Permit {
    const add = (amount: number) => void this.#used.set(name, Math.max(0, (this.#used.get(name) ?? 0) + amount));
    add(weight);
    return { settle: () => undefined, cancel: () => add(-weight) };
  }

  #begin(request?: UpstreamRequest): string {
    const day = Math.floor((this.#clock.nowMs() - this.#limit.resetHour * HOUR_MS) / DAY_MS);
    if (day !== this.#day) this.#used.clear();
    this.#day = day;
    return this.#limit.per === "operation" && request ? request.operation : "account";
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
