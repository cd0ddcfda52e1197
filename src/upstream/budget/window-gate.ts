import Bottleneck from "bottleneck";
import type { WindowLimit } from "../../source/limits.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import { type Gate, type LimitStatus, type Permit, takeFrom } from "./gate.ts";
import type { LearnedLimit } from "./learned.ts";

/** The share of a window that bulk work leaves to live reads while there are any; at least one request where there are several. */
const LIVE_SHARE = 0.1;
/** So long after the last live read its share is kept free. */
const LIVE_SEEN_MS = 30_000;
/** A second request is spared only when more than this share is left. */
const PLENTY = 0.5;

/** One reservoir and the part of it that bulk work may have. */
interface Lane {
  readonly main: Bottleneck;
  readonly bulk: Bottleneck;
  /** What is in the main reservoir, as far as this process knows. */
  left: number;
}

/**
 * At most so many requests in any window, over the account or for each operation, kept as an exact moving window: a permit returns one window after its
 * *answer* arrived. The provider counted the request before that, so no window of the provider's, wherever it starts, sees more than the limit. (A
 * reservoir that Bottleneck itself refills allows twice the limit across a window's edge, and refills on its heartbeat only.)
 */
export class WindowGate implements Gate {
  readonly #limit: WindowLimit;
  readonly #lanes = new Map<string, Lane>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #liveSeenAtMs = Number.NEGATIVE_INFINITY;

  constructor(limit: WindowLimit) {
    this.#limit = limit;
  }

  async acquire(request: UpstreamRequest, context: CallContext): Promise<Permit> {
    const weight = Math.min(request.weight ?? 1, this.#limit.requests);
    const lane = this.#laneOf(request);
    if (context.priority === "live") this.#liveSeenAtMs = performance.now();
    const isReserved = context.priority !== "live" && performance.now() - this.#liveSeenAtMs < LIVE_SEEN_MS;
    const bulkWeight = isReserved ? Math.min(weight, this.#bulkShare()) : 0;
    if (isReserved) await takeFrom(lane.bulk, bulkWeight, context);
    try {
      await takeFrom(lane.main, weight, context);
    } catch (thrown) {
      if (isReserved) void lane.bulk.incrementReservoir(bulkWeight);
      throw thrown;
    }
    lane.left -= weight;
    return this.#permit(lane, weight, bulkWeight);
  }

  spare(request: UpstreamRequest): Permit | undefined {
    const weight = request.weight ?? 1;
    const lane = this.#laneOf(request);
    if (lane.main.counts().QUEUED > 0 || lane.left - weight < this.#limit.requests * PLENTY) return undefined;
    lane.left -= weight;
    void lane.main.incrementReservoir(-weight);
    return this.#permit(lane, weight, 0);
  }

  /** Somebody else uses the same account: what they took is withheld until the provider's window starts anew. */
  learn({ left, resetsAtMs }: LearnedLimit): void {
    if (this.#limit.per !== "account") return;
    const lane = this.#lane("account");
    const taken = Math.floor(lane.left - left);
    if (taken <= 0) return;
    const afterMs = Math.min(
      this.#limit.windowMs,
      resetsAtMs === null ? this.#limit.windowMs : Math.max(0, resetsAtMs - Date.now()),
    );
    lane.left -= taken;
    void lane.main.incrementReservoir(-taken);
    this.#later(afterMs, () => this.#give(lane, taken));
  }

  async status(): Promise<LimitStatus> {
    const { requests, windowMs, per } = this.#limit;
    const lanes = [...this.#lanes.values()];
    const left = await Promise.all(lanes.map(({ main }) => main.currentReservoir()));
    return {
      name: per === "account" ? "account" : "per operation",
      unit: "requests",
      allowed: requests,
      left: Math.max(0, Math.min(requests, ...left.map(units => units ?? requests))),
      queued: lanes.reduce((sum, { main, bulk }) => sum + main.counts().QUEUED + bulk.counts().QUEUED, 0),
      windowMs,
    };
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([...this.#lanes.values()].flatMap(({ main, bulk }) => [main.disconnect(), bulk.disconnect()]));
  }

  /** What bulk work may have of a window while there are live reads. */
  #bulkShare(): number {
    const { requests } = this.#limit;
    return requests < 2 ? requests : Math.max(1, requests - Math.max(1, Math.ceil(requests * LIVE_SHARE)));
  }

  #laneOf(request: UpstreamRequest): Lane {
    return this.#lane(this.#limit.per === "operation" ? request.operation : "account");
  }

  #lane(name: string): Lane {
    const known = this.#lanes.get(name);
    if (known) return known;
    const { requests } = this.#limit;
    const lane = {
      main: new Bottleneck({ reservoir: requests }),
      bulk: new Bottleneck({ reservoir: this.#bulkShare() }),
      left: requests,
    };
    this.#lanes.set(name, lane);
    return lane;
  }

  #permit(lane: Lane, weight: number, bulkWeight: number): Permit {
    const giveBack = () => {
      this.#give(lane, weight);
      if (bulkWeight > 0) void lane.bulk.incrementReservoir(bulkWeight);
    };
    return { settle: () => this.#later(this.#limit.windowMs, giveBack), cancel: giveBack };
  }

  #give(lane: Lane, units: number): void {
    lane.left += units;
    void lane.main.incrementReservoir(units);
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }
}
