import type { UpstreamRequest } from "../../source/request.ts";
import type { QuotaLimit } from "../../source/limits.ts";
import type { CallContext } from "../context.ts";
import type { Gate, LimitStatus, Permit } from "./gate.ts";
import type { LearnedLimit } from "./learned.ts";
import type { QuotaGate } from "./quota-gate.ts";
import type { Sharer, Sharing } from "./sharing.ts";

/** A day's quota that replicas count together. */
export class SharedQuotaGate implements Gate, Sharer {
  readonly #own: QuotaGate;
  readonly #limit: QuotaLimit;
  readonly #pool: string;
  readonly #sharing: Sharing;
  /** Used while the ledger could not be told. */
  #untold = 0;

  constructor(own: QuotaGate, { limit, pool, sharing }: { limit: QuotaLimit; pool: string; sharing: Sharing }) {
    this.#own = own;
    this.#limit = limit;
    this.#pool = pool;
    this.#sharing = sharing;
    sharing.add(this);
  }

  async acquire(request: UpstreamRequest, context: CallContext): Promise<Permit> {
    const weight = request.weight ?? 1;
    const permit = await this.#own.acquire(request, context);
    const used = await this.#count(weight);
    if (used === undefined) return permit;
    const isSpent = used > this.#limit.requests;
    if (isSpent) this.#giveBack(permit, weight);
    this.#own.learn(this.#said(Math.min(used, this.#limit.requests)));
    if (isSpent) return this.#own.acquire(request, context);
    return { settle: cost => permit.settle(cost), cancel: () => this.#giveBack(permit, weight) };
  }

  spare(request: UpstreamRequest): Permit | undefined {
    const permit = this.#own.spare(request);
    if (permit) void this.#count(request.weight ?? 1);
    return permit;
  }

  learn(said: LearnedLimit): void {
    this.#own.learn(said);
  }

  scale(share: number): void {
    this.#own.scale(share);
  }

  rejoin(): void {
    void this.#count(0);
  }

  status(): Promise<LimitStatus> {
    return this.#own.status();
  }

  close(): Promise<void> {
    return this.#own.close();
  }

  #giveBack(permit: Permit, weight: number): void {
    permit.cancel();
    void this.#count(-weight);
  }

  /** What all have used today, or undefined while they cannot be asked. */
  async #count(units: number): Promise<number | undefined> {
    const telling = this.#untold + units;
    this.#untold = 0;
    const used = await this.#sharing.try(ledger => ledger.spend(this.#pool, this.#own.day(), telling));
    if (used === undefined) this.#untold += telling;
    return used;
  }

  #said(used: number): LearnedLimit {
    return {
      origin: "replicas",
      unit: "requests",
      left: this.#limit.requests - used,
      allowed: this.#limit.requests,
      resetsAtMs: null,
      windowMs: null,
      learnedAtMs: 0,
    };
  }
}
