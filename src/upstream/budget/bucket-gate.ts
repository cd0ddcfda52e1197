import Bottleneck from "bottleneck";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import { type Gate, type LimitStatus, type Permit, takeFrom } from "./gate.ts";
import type { LearnedLimit } from "./learned.ts";

const REFILL_MS = 250;
/** A provider's bucket that is still nearly full gains nothing while ours, whose points are reserved already, would. */
const HEAD_START_MS = 1_000;
const PLENTY = 0.5;

interface BucketOptions {
  readonly name: string;
  readonly unit: "requests" | "points";
  readonly capacity: number;
  readonly perSecond: number;
  /** What a request takes. */
  readonly weightOf: (request: UpstreamRequest) => number;
}

/**
 * A bucket that refills all the time; what a request took less than was reserved comes back. It refills by the time that has passed, from the first
 * answer on: Bottleneck's own refill adds a fixed amount on each beat, and a late beat's share is lost.
 */
export class BucketGate implements Gate {
  readonly #options: BucketOptions;
  readonly #limiter: Bottleneck;
  /** Runs only while the bucket is not full. */
  #timer: NodeJS.Timeout | undefined;
  #refilledAtMs: number | undefined;
  /** What is in the bucket, as far as it is known without asking the limiter. */
  #left: number;
  #underWay = 0;

  constructor(options: BucketOptions) {
    this.#options = options;
    this.#left = options.capacity;
    this.#limiter = new Bottleneck({ reservoir: options.capacity });
  }

  async acquire(request: UpstreamRequest, context: CallContext): Promise<Permit> {
    const reserved = this.#reserved(request);
    this.#run();
    await takeFrom(this.#limiter, reserved, context);
    return this.#permit(reserved);
  }

  spare(request: UpstreamRequest): Permit | undefined {
    const reserved = this.#reserved(request);
    if (this.#limiter.counts().QUEUED > 0 || this.#left - reserved < this.#options.capacity * PLENTY) return undefined;
    this.#run();
    void this.#limiter.incrementReservoir(-reserved);
    return this.#permit(reserved);
  }

  /** Believed only while nothing of ours is under way that the provider may not have counted yet. */
  learn({ left }: LearnedLimit): void {
    const taken = this.#left - left;
    if (this.#underWay > 1 || taken <= 1) return;
    this.#left -= taken;
    this.#run();
    void this.#limiter.incrementReservoir(-taken);
  }

  async status(): Promise<LimitStatus> {
    const { name, unit, capacity } = this.#options;
    const left = Math.max(0, Math.floor((await this.#limiter.currentReservoir()) ?? capacity));
    return { name, unit, allowed: capacity, left, queued: this.#limiter.counts().QUEUED, windowMs: null };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#limiter.disconnect();
  }

  #reserved(request: UpstreamRequest): number {
    return Math.min(this.#options.weightOf(request), this.#options.capacity);
  }

  #permit(reserved: number): Permit {
    this.#left -= reserved;
    this.#underWay++;
    const giveBack = (unused: number) => {
      this.#underWay--;
      void this.#add(unused);
    };
    return {
      settle: actual => {
        this.#refilledAtMs ??= performance.now() + HEAD_START_MS;
        giveBack(reserved - (actual ?? reserved));
      },
      cancel: () => giveBack(reserved),
    };
  }

  #run(): void {
    this.#timer ??= setInterval(() => void this.#refill(), REFILL_MS);
  }

  async #refill(): Promise<void> {
    const nowMs = performance.now();
    const elapsedMs = nowMs - (this.#refilledAtMs ?? nowMs);
    if (elapsedMs <= 0) return;
    this.#refilledAtMs = nowMs;
    if ((await this.#add((elapsedMs * this.#options.perSecond) / 1000)) < this.#options.capacity) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#refilledAtMs = undefined;
  }

  /** Puts points back, up to the capacity; resolves with what is in the bucket then. */
  async #add(points: number): Promise<number> {
    const left = (await this.#limiter.currentReservoir()) ?? 0;
    const added = Math.min(Math.max(0, points), this.#options.capacity - left);
    this.#left = left + added;
    return added === 0 ? left : ((await this.#limiter.incrementReservoir(added)) ?? left + added);
  }
}
