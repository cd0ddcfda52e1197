import Bottleneck from "bottleneck";
import type { WindowLimit } from "../../source/limits.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import { type LimitStatus, type Permit, type ScalableGate, scaled, takeFrom } from "./gate.ts";
import type { LearnedLimit } from "./learned.ts";

/** The share of a window that bulk work leaves to live reads while there are any; at least one request where there are several. */
const BUSY_SHARE = 0.1;
/** The share that it leaves when there are none, of a window too long to wait for. */
const QUIET_SHARE = 0.03;
const LONG_WINDOW_MS = 2_000;
/** While there are live reads, bulk work is spread over this much of a window, lest its bursts stand before them at the provider; never further apart than this. */
const SPREAD = 0.8;
const MAX_APART_MS = 20;
/** So long after the last live read there are some. */
const LIVE_SEEN_MS = 30_000;
/** A second request is spared only when more than this share is left. */
const PLENTY = 0.5;

/** Units that bulk work holds of its share. */
interface Share {
  readonly limiter: Bottleneck;
  readonly weight: number;
}

/**
 * At most so many requests in any window, kept as an exact moving window: a permit returns one window after its *answer* arrived. The provider counted the
 * request before that, so no window of the provider's, wherever it starts, sees more than the limit. (A reservoir that Bottleneck itself refills allows
 * twice the limit across a window's edge, and refills on its heartbeat only.)
 */
export class WindowGate implements ScalableGate {
  readonly #limit: WindowLimit;
  readonly #main: Bottleneck;
  /** The parts of it that bulk work may have while there are live reads, and while there are none. */
  readonly #busy: Bottleneck;
  readonly #quiet: Bottleneck;
  readonly #timers = new Set<NodeJS.Timeout>();
  /** What is in the main reservoir, as far as is known without asking it. */
  #left: number;
  #share = 1;
  #liveSeenAtMs = Number.NEGATIVE_INFINITY;

  constructor(limit: WindowLimit) {
    this.#limit = limit;
    this.#left = limit.requests;
    this.#main = new Bottleneck({ reservoir: limit.requests });
    const { busy } = bulkShareOf(limit);
    this.#busy = new Bottleneck({ reservoir: busy, minTime: Math.min(MAX_APART_MS, (limit.windowMs / busy) * SPREAD) });
    this.#quiet = new Bottleneck({ reservoir: bulkShareOf(limit).quiet });
  }

  async acquire(request: UpstreamRequest, context: CallContext): Promise<Permit> {
    const weight = Math.min(request.weight ?? 1, scaled(this.#limit.requests, this.#share));
    if (context.priority === "live") this.noteLive();
    const taken: Share[] = [];
    try {
      for (const { limiter, most } of context.priority === "live" ? [] : this.#shares()) {
        const share = { limiter, weight: Math.min(weight, most) };
        await takeFrom(limiter, share.weight, context);
        taken.push(share);
      }
      await takeFrom(this.#main, weight, context);
    } catch (thrown) {
      for (const share of taken) void share.limiter.incrementReservoir(share.weight);
      throw thrown;
    }
    this.#left -= weight;
    return this.#permit(weight, taken);
  }

  spare(request: UpstreamRequest): Permit | undefined {
    const weight = request.weight ?? 1;
    if (this.#main.counts().QUEUED > 0 || this.#left - weight < this.#limit.requests * PLENTY) return undefined;
    this.#add(-weight);
    return this.#permit(weight, []);
  }

  /** Somebody else uses the same account: what they took is withheld until the provider's window starts anew. */
  learn({ left, resetsAtMs }: LearnedLimit): void {
    const taken = Math.floor(this.#left - left);
    if (taken <= 0) return;
    const untilResetMs = resetsAtMs === null ? this.#limit.windowMs : Math.max(0, resetsAtMs - Date.now());
    this.#add(-taken);
    this.#later(Math.min(this.#limit.windowMs, untilResetMs), () => this.#add(taken));
  }

  noteLive(): void {
    this.#liveSeenAtMs = performance.now();
  }

  scale(share: number): void {
    const { requests } = this.#limit;
    const { busy, quiet } = bulkShareOf(this.#limit);
    const change = (units: number) => scaled(units, share) - scaled(units, this.#share);
    this.#add(change(requests));
    void this.#busy.incrementReservoir(change(busy));
    void this.#quiet.incrementReservoir(change(quiet));
    this.#share = share;
  }

  async status(): Promise<LimitStatus> {
    const { requests } = this.#limit;
    const left = (await this.#main.currentReservoir()) ?? requests;
    const queued = this.#limiters().reduce((sum, limiter) => sum + limiter.counts().QUEUED, 0);
    return { ...statusOf(this.#limit), left: Math.max(0, Math.min(requests, left)), queued };
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#limiters().map(limiter => limiter.disconnect()));
  }

  #limiters(): Bottleneck[] {
    return [this.#main, this.#busy, this.#quiet];
  }

  /** What bulk work has to ask beside the reservoir itself. */
  #shares(): { readonly limiter: Bottleneck; readonly most: number }[] {
    const isBusy = performance.now() - this.#liveSeenAtMs < LIVE_SEEN_MS;
    const { busy, quiet } = bulkShareOf(this.#limit);
    return [
      ...(quiet < this.#limit.requests ? [{ limiter: this.#quiet, most: scaled(quiet, this.#share) }] : []),
      ...(isBusy ? [{ limiter: this.#busy, most: scaled(busy, this.#share) }] : []),
    ];
  }

  #permit(weight: number, taken: readonly Share[]): Permit {
    const giveBack = () => {
      this.#add(weight);
      for (const share of taken) void share.limiter.incrementReservoir(share.weight);
    };
    return { settle: () => this.#later(this.#limit.windowMs, giveBack), cancel: giveBack };
  }

  #add(units: number): void {
    this.#left += units;
    void this.#main.incrementReservoir(units);
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }
}

/** What bulk work may have of a window: while there are live reads, and while there are none. */
export function bulkShareOf({ requests, windowMs }: WindowLimit): { readonly busy: number; readonly quiet: number } {
  const without = (share: number) =>
    requests < 2 ? requests : Math.max(1, requests - Math.max(1, Math.floor(requests * share)));
  return { busy: without(BUSY_SHARE), quiet: windowMs > LONG_WINDOW_MS ? without(QUIET_SHARE) : requests };
}

const statusOf = ({ requests, windowMs, per }: WindowLimit): LimitStatus => ({
  name: per === "account" ? "account" : "per operation",
  unit: "requests",
  allowed: requests,
  left: requests,
  queued: 0,
  windowMs,
});
