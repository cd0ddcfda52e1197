import Bottleneck from "bottleneck";
import type { WindowLimit } from "../../source/limits.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import { type Gate, type LimitStatus, type Permit, takeFrom } from "./gate.ts";
import type { LearnedLimit } from "./learned.ts";

/** The share of a window that bulk work leaves to live reads while there are any; at least one request where there are several. */
const BUSY_SHARE = 0.1;
/** The share that it leaves when there are none, of a window too long to wait for. */
const QUIET_SHARE = 0.03;
const LONG_WINDOW_MS = 2_000;
/** So long after the last live read there are some. */
const LIVE_SEEN_MS = 30_000;
/** A second request is spared only when more than this share is left. */
const PLENTY = 0.5;

/** One reservoir, and the parts of it that bulk work may have while there are live reads, and while there are none. */
interface Lane {
  readonly main: Bottleneck;
  readonly busy: Bottleneck;
  readonly quiet: Bottleneck;
  /** What is in the main reservoir, as far as this process knows. */
  left: number;
}

/** Units that bulk work holds of its share. */
interface Share {
  readonly limiter: Bottleneck;
  readonly weight: number;
}

const limitersOf = ({ main, busy, quiet }: Lane): Bottleneck[] => [main, busy, quiet];

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
    const held = context.priority === "live" ? [] : this.#sharesFor(lane);
    const taken: Share[] = [];
    try {
      for (const { limiter, most } of held) {
        const share = { limiter, weight: Math.min(weight, most) };
        await takeFrom(limiter, share.weight, context);
        taken.push(share);
      }
      await takeFrom(lane.main, weight, context);
    } catch (thrown) {
      for (const share of taken) void share.limiter.incrementReservoir(share.weight);
      throw thrown;
    }
    lane.left -= weight;
    return this.#permit(lane, weight, taken);
  }

  spare(request: UpstreamRequest): Permit | undefined {
    const weight = request.weight ?? 1;
    const lane = this.#laneOf(request);
    if (lane.main.counts().QUEUED > 0 || lane.left - weight < this.#limit.requests * PLENTY) return undefined;
    lane.left -= weight;
    void lane.main.incrementReservoir(-weight);
    return this.#permit(lane, weight, []);
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
      queued: lanes.flatMap(limitersOf).reduce((sum, limiter) => sum + limiter.counts().QUEUED, 0),
      windowMs,
    };
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([...this.#lanes.values()].flatMap(limitersOf).map(limiter => limiter.disconnect()));
  }

  /** What bulk work has to ask beside the reservoir itself. */
  #sharesFor({ busy, quiet }: Lane): { readonly limiter: Bottleneck; readonly most: number }[] {
    const isBusy = performance.now() - this.#liveSeenAtMs < LIVE_SEEN_MS;
    const isLong = this.#limit.windowMs > LONG_WINDOW_MS;
    return [
      ...(isLong ? [{ limiter: quiet, most: this.#without(QUIET_SHARE) }] : []),
      ...(isBusy ? [{ limiter: busy, most: this.#without(BUSY_SHARE) }] : []),
    ];
  }

  /** What is left of a window without a share of it. */
  #without(share: number): number {
    const { requests } = this.#limit;
    return requests < 2 ? requests : Math.max(1, requests - Math.max(1, Math.floor(requests * share)));
  }

  #laneOf(request: UpstreamRequest): Lane {
    return this.#lane(this.#limit.per === "operation" ? request.operation : "account");
  }

  #lane(name: string): Lane {
    const known = this.#lanes.get(name);
    if (known) return known;
    const { requests } = this.#limit;
    const limiterOf = (reservoir: number) => new Bottleneck({ reservoir });
    const [busy, quiet] = [limiterOf(this.#without(BUSY_SHARE)), limiterOf(this.#without(QUIET_SHARE))];
    const lane = { main: limiterOf(requests), busy, quiet, left: requests };
    this.#lanes.set(name, lane);
    return lane;
  }

  #permit(lane: Lane, weight: number, taken: readonly Share[]): Permit {
    const giveBack = () => {
      this.#give(lane, weight);
      for (const share of taken) void share.limiter.incrementReservoir(share.weight);
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
