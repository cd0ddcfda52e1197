import Bottleneck from "bottleneck";
import { UpstreamError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import type { Limit, WindowLimit } from "../source/limits.ts";
import type { UpstreamRequest } from "../source/request.ts";
import type { CallContext, Priority } from "./context.ts";

/** What is left of one limit. `unit` says whether requests or cost points are counted. */
export interface LimitStatus {
  readonly name: string;
  readonly unit: "requests" | "points";
  readonly allowed: number;
  readonly left: number;
  readonly queued: number;
  /** Window in ms, or null for a bucket that refills all the time. */
  readonly windowMs: number | null;
}

/** A right to send one request; given back with `settle` when the answer is there, whatever it is. */
export interface Permit {
  /** @param actualCost what the provider says it took, when it says so. */
  settle(actualCost?: number): void;
}

/** Bottleneck's scale runs from 0, first, to 9, last. */
const bottleneckPriority: Readonly<Record<Priority, number>> = { live: 2, intake: 5, bulk: 8 };
const MAX_QUEUED = 20_000;
const REFILL_MS = 250;
/** After this long, a source that asked for a longer rest is asked again. */
const MAX_PAUSE_MS = 300_000;
const MAX_UNTOLD_REST_MS = 2_000;
/** A provider's bucket that is still nearly full gains nothing while ours, whose points are reserved already, would. */
const HEAD_START_MS = 1_000;

/**
 * One source's budget: every limit that it declares, kept by Bottleneck reservoirs.
 *
 * A window limit is kept as an exact moving window: a permit returns to the reservoir one window after its *answer* arrived. The
 * provider counted the request before that, so no window of the provider's, wherever it starts, sees more than the limit. (A reservoir that
 * Bottleneck itself refills allows twice the limit across a window's edge, and refills on its heartbeat only.)
 */
export class Budget {
  readonly #clock: Clock;
  readonly #limits: readonly Limit[];
  readonly #gates: readonly Gate[];
  #pausedUntilMs = 0;

  constructor(limits: readonly Limit[], options: { clock: Clock }) {
    this.#clock = options.clock;
    this.#limits = limits;
    // Narrow limits first: whoever waits for one must not hold a place in a wide one that other operations could use.
    const narrowFirst = [...limits].sort((a, b) => breadthOf(a) - breadthOf(b));
    this.#gates = narrowFirst.map(limit =>
      limit.type === "window" ? new WindowGate(limit) : new CostGate(limit.capacity, limit.restorePerSecond),
    );
  }

  /** Waits, in order of priority, until every limit has room; throws the signal's reason when the asker leaves first. */
  async acquire(request: UpstreamRequest, context: CallContext): Promise<Permit> {
    const permits: Permit[] = [];
    this.#pauseLeft(context);
    try {
      for (const gate of this.#gates) permits.push(await gate.acquire(request, context));
      await this.#waitWhilePaused(context);
    } catch (error) {
      for (const permit of permits) permit.settle(0);
      throw error;
    }
    return { settle: actualCost => permits.forEach(permit => permit.settle(actualCost)) };
  }

  /** The source asked for a rest: nothing is sent before the given moment, or for the longest rest that is believed. */
  pauseUntil(untilMs: number): void {
    const believedMs = Math.min(untilMs, this.#clock.nowMs() + MAX_PAUSE_MS);
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, believedMs);
  }

  /** How long to rest, in ms, after a refusal that does not say how long: until the shortest window is over, or the points are there again. */
  restAfterRefusalMs(request: UpstreamRequest): number {
    const rests = this.#limits.map(limit =>
      limit.type === "window" ? limit.windowMs : ((request.cost ?? 1) / limit.restorePerSecond) * 1000,
    );
    return Math.min(MAX_UNTOLD_REST_MS, ...rests);
  }

  pausedUntilMs(): number | null {
    return this.#pausedUntilMs > this.#clock.nowMs() ? this.#pausedUntilMs : null;
  }

  async status(): Promise<readonly LimitStatus[]> {
    return Promise.all(this.#gates.map(gate => gate.status()));
  }

  /** Drops what waits and stops every timer. */
  async close(): Promise<void> {
    await Promise.all(this.#gates.map(gate => gate.close()));
  }

  async #waitWhilePaused(context: CallContext): Promise<void> {
    for (let left = this.#pauseLeft(context); left > 0; left = this.#pauseLeft(context)) {
      await this.#clock.sleep(left, context.signal);
      context.signal.throwIfAborted();
    }
  }

  /** Milliseconds until the source may be asked again; throws `UPSTREAM_THROTTLED` when the asker cannot wait that long. */
  #pauseLeft(context: CallContext): number {
    const left = this.#pausedUntilMs - this.#clock.nowMs();
    if (left <= 0 || this.#pausedUntilMs < context.deadlineAtMs) return left;
    throw new UpstreamError("UPSTREAM_THROTTLED", "the source asked for a rest", { details: { retryAfterMs: left } });
  }
}

const breadthOf = (limit: Limit): number => (limit.type === "window" && limit.per === "operation" ? 0 : 1);

interface Gate {
  acquire(request: UpstreamRequest, context: CallContext): Promise<Permit>;
  status(): Promise<LimitStatus>;
  close(): Promise<void>;
}

/** Queues for `weight` units of a reservoir; a place whose asker left gives its units back at once. */
function takeFrom(limiter: Bottleneck, weight: number, context: CallContext): Promise<void> {
  context.signal.throwIfAborted();
  if (limiter.counts().QUEUED >= MAX_QUEUED) {
    throw new UpstreamError("UPSTREAM_THROTTLED", `${MAX_QUEUED} requests wait for this source already`, {
      details: { retryAfterMs: 1_000 },
    });
  }
  return new Promise((resolve, reject) => {
    const leave = () => reject(context.signal.reason as Error);
    context.signal.addEventListener("abort", leave, { once: true });
    const grant = async () => {
      if (context.signal.aborted) return void (await limiter.incrementReservoir(weight));
      context.signal.removeEventListener("abort", leave);
      return resolve();
    };
    limiter.schedule({ priority: bottleneckPriority[context.priority], weight }, grant).catch(reject);
  });
}

/** At most so many requests in any window, over the account or for each operation. */
class WindowGate implements Gate {
  readonly #limit: WindowLimit;
  readonly #limiters = new Map<string, Bottleneck>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(limit: WindowLimit) {
    this.#limit = limit;
  }

  async acquire(request: UpstreamRequest, context: CallContext): Promise<Permit> {
    const limiter = this.#limiterOf(this.#limit.per === "operation" ? request.operation : "account");
    await takeFrom(limiter, 1, context);
    return { settle: () => this.#returnLater(limiter) };
  }

  async status(): Promise<LimitStatus> {
    const { requests, windowMs, per } = this.#limit;
    const left = await Promise.all([...this.#limiters.values()].map(limiter => limiter.currentReservoir()));
    const queued = [...this.#limiters.values()].reduce((sum, limiter) => sum + limiter.counts().QUEUED, 0);
    const least = Math.min(requests, ...left.map(units => units ?? requests));
    return {
      name: per === "account" ? "account" : "per operation",
      unit: "requests",
      allowed: requests,
      left: least,
      queued,
      windowMs,
    };
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([...this.#limiters.values()].map(limiter => limiter.disconnect()));
  }

  #limiterOf(name: string): Bottleneck {
    const known = this.#limiters.get(name);
    if (known) return known;
    const limiter = new Bottleneck({ reservoir: this.#limit.requests });
    this.#limiters.set(name, limiter);
    return limiter;
  }

  #returnLater(limiter: Bottleneck): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void limiter.incrementReservoir(1);
    }, this.#limit.windowMs);
    this.#timers.add(timer);
  }
}

/**
 * A bucket of cost points that refills all the time; what a request took less than was reserved comes back. It refills by the time that has
 * passed, from the first answer on: Bottleneck's own refill adds a fixed amount on each beat, and a late beat's share is lost.
 */
class CostGate implements Gate {
  readonly #limiter: Bottleneck;
  readonly #capacity: number;
  readonly #restorePerSecond: number;
  /** Runs only while the bucket is not full. */
  #timer: NodeJS.Timeout | undefined;
  #refilledAtMs: number | undefined;

  constructor(capacity: number, restorePerSecond: number) {
    this.#capacity = capacity;
    this.#restorePerSecond = restorePerSecond;
    this.#limiter = new Bottleneck({ reservoir: capacity });
  }

  async acquire(request: UpstreamRequest, context: CallContext): Promise<Permit> {
    const reserved = Math.min(request.cost ?? 1, this.#capacity);
    this.#timer ??= setInterval(() => void this.#refill(), REFILL_MS);
    await takeFrom(this.#limiter, reserved, context);
    return { settle: actual => this.#settle(reserved - (actual ?? reserved)) };
  }

  async status(): Promise<LimitStatus> {
    const left = Math.floor((await this.#limiter.currentReservoir()) ?? this.#capacity);
    return { name: "cost", unit: "points", allowed: this.#capacity, left, queued: this.#limiter.counts().QUEUED, windowMs: null };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#limiter.disconnect();
  }

  #settle(unused: number): void {
    this.#refilledAtMs ??= performance.now() + HEAD_START_MS;
    void this.#add(unused);
  }

  async #refill(): Promise<void> {
    const nowMs = performance.now();
    const elapsedMs = nowMs - (this.#refilledAtMs ?? nowMs);
    if (elapsedMs <= 0) return;
    this.#refilledAtMs = nowMs;
    if ((await this.#add((elapsedMs * this.#restorePerSecond) / 1000)) < this.#capacity) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#refilledAtMs = undefined;
  }

  /** Puts points back, up to the capacity; resolves with what is in the bucket then. */
  async #add(points: number): Promise<number> {
    const left = (await this.#limiter.currentReservoir()) ?? 0;
    const added = Math.min(Math.max(0, points), this.#capacity - left);
    return added === 0 ? left : ((await this.#limiter.incrementReservoir(added)) ?? left + added);
  }
}
