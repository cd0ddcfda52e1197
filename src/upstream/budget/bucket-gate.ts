import Bottleneck from "bottleneck";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import { type LimitStatus, type Permit, type ScalableGate, takeFrom } from "./gate.ts";
import type { LearnedLimit } from "./learned.ts";

const REFILL_MS = 250;
/** A provider's bucket that is still nearly full gains nothing while ours, whose points are reserved already, would. */
const HEAD_START_MS = 1_000;
const PLENTY = 0.5;
/** The share of a bucket that bulk work leaves to live reads while there are any. */
export const BUCKET_RESERVE = 0.1;
/** So long after the last live read there are some. */
const LIVE_SEEN_MS = 30_000;

/** Bulk work that waits until the bucket holds its points and the reserve. */
interface Patient {
  readonly weight: number;
  readonly begin: () => void;
}

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
export class BucketGate implements ScalableGate {
  readonly #options: BucketOptions;
  readonly #limiter: Bottleneck;
  /** Runs only while the bucket is not full. */
  #timer: NodeJS.Timeout | undefined;
  #refilledAtMs: number | undefined;
  /** What is in the bucket, as far as it is known without asking the limiter. */
  #left: number;
  #underWay = 0;
  #share = 1;
  #liveSeenAtMs = Number.NEGATIVE_INFINITY;
  readonly #patient: Patient[] = [];
  /** Points of bulk work that has begun to take them. */
  #beginning = 0;

  constructor(options: BucketOptions) {
    this.#options = options;
    this.#left = options.capacity;
    this.#limiter = new Bottleneck({ reservoir: options.capacity });
  }

  async acquire(request: UpstreamRequest, context: CallContext): Promise<Permit> {
    const reserved = this.#reserved(request);
    if (context.priority === "live") this.noteLive();
    if (context.priority === "bulk") await this.#untilThereIsMore(reserved, context);
    try {
      await takeFrom(this.#limiter, reserved, context);
      return this.#permit(reserved);
    } finally {
      if (context.priority === "bulk") this.#beginning -= reserved;
    }
  }

  spare(request: UpstreamRequest): Permit | undefined {
    const reserved = this.#reserved(request);
    if (this.#limiter.counts().QUEUED > 0 || this.#left - reserved < this.#options.capacity * PLENTY) return undefined;
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

  noteLive(): void {
    this.#liveSeenAtMs = performance.now();
  }

  scale(share: number): void {
    const change = this.#options.capacity * (share - this.#share);
    this.#share = share;
    this.#left += change;
    void this.#limiter.incrementReservoir(change);
  }

  async status(): Promise<LimitStatus> {
    const { name, unit, capacity } = this.#options;
    const left = Math.max(0, Math.floor(this.#left));
    const queued = this.#limiter.counts().QUEUED + this.#patient.length;
    return { name, unit, allowed: capacity, left, queued, windowMs: null };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#limiter.disconnect();
  }

  #reserved(request: UpstreamRequest): number {
    return Math.min(this.#options.weightOf(request), this.#capacity());
  }

  /** Bulk work begins only when its points are there, so that none of it stands before a live read; the reserve is left while there are any. */
  #untilThereIsMore(weight: number, { signal }: CallContext): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      this.#patient.splice(this.#patient.indexOf(patient), 1);
      reject(signal.reason as Error);
    };
    const begin = () => {
      signal.removeEventListener("abort", leave);
      this.#beginning += weight;
      resolve();
    };
    const patient = { weight, begin };
    signal.addEventListener("abort", leave, { once: true });
    this.#patient.push(patient);
    this.#letBegin();
    return promise;
  }

  #letBegin(): void {
    const isBusy = performance.now() - this.#liveSeenAtMs < LIVE_SEEN_MS;
    const reserve = isBusy ? this.#capacity() * BUCKET_RESERVE : 0;
    while (this.#patient.length > 0) {
      const { weight, begin } = this.#patient[0]!;
      const needed = Math.min(this.#capacity(), weight + reserve);
      if (this.#left - this.#beginning < needed) return;
      this.#patient.shift();
      begin();
    }
  }

  #capacity(): number {
    return this.#options.capacity * this.#share;
  }

  #permit(reserved: number): Permit {
    this.#left -= reserved;
    this.#run();
    this.#underWay++;
    const giveBack = (unused: number) => {
      this.#underWay--;
      this.#add(unused);
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
    this.#timer ??= setInterval(() => this.#refill(), REFILL_MS);
  }

  #refill(): void {
    const nowMs = performance.now();
    const elapsedMs = nowMs - (this.#refilledAtMs ?? nowMs);
    if (elapsedMs > 0) {
      this.#refilledAtMs = nowMs;
      this.#add((elapsedMs * this.#options.perSecond * this.#share) / 1000);
    }
    if (this.#left < this.#capacity()) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#refilledAtMs = undefined;
  }

  /** Puts points back, up to the capacity. */
  #add(points: number): void {
    const added = Math.min(Math.max(0, points), this.#capacity() - this.#left);
    this.#left += added;
    void this.#limiter.incrementReservoir(added);
    this.#letBegin();
  }
}
