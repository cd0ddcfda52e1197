import { UpstreamError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import type { Clock } from "../../core/ports.ts";
import type { Learned, Limit } from "../../source/limits.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import type { Gate, LimitStatus, Permit } from "./gate.ts";
import { createGate } from "./create-gate.ts";
import { learnedFrom, type LearnedLimit } from "./learned.ts";
import type { Sharing, SharingStatus } from "./sharing.ts";

/** After this long, a source that asked for a longer rest is asked again by whoever cannot wait that long. */
const MAX_PAUSE_MS = 300_000;
const MAX_UNTOLD_REST_MS = 2_000;

interface LimitGate {
  readonly limit: Limit;
  readonly gate: Gate;
}

/** One source's budget: every limit that it declares, and what it has said of them. */
export class Budget {
  readonly #clock: Clock;
  readonly #learned: Learned;
  readonly #sharing: Sharing | undefined;
  readonly #gates: readonly LimitGate[];
  readonly #said = new Map<string, LearnedLimit>();
  #pausedUntilMs = 0;
  /** When the pause was asked for. */
  #pausedAtMs = 0;

  /** @param options `sharing` where replicas keep the limits together. */
  constructor(limits: readonly Limit[], options: { clock: Clock; learned?: Learned; sharing?: Sharing | undefined }) {
    this.#clock = options.clock;
    this.#learned = options.learned ?? {};
    // Narrow limits first: whoever waits for one must not hold a place in a wide one that other operations could use.
    const narrowFirst = [...limits].sort((a, b) => breadthOf(a) - breadthOf(b));
    const { clock, sharing } = options;
    const parts = { clock, sharing, onPause: (forMs: number) => this.#rest(clock.nowMs() + forMs) };
    this.#sharing = sharing;
    this.#gates = narrowFirst.map(limit => ({ limit, gate: createGate(limit, { ...parts, number: limits.indexOf(limit) }) }));
  }

  /** Waits, in order of priority, until every limit has room; throws the signal's reason when the asker leaves first. */
  async acquire(request: UpstreamRequest, context: CallContext): Promise<Permit> {
    const permits: Permit[] = [];
    const isTrial = this.#isTrial(context);
    if (!isTrial) this.#pauseLeft(context);
    try {
      for (const gate of this.#counting(request)) permits.push(await gate.acquire(request, context));
      if (!isTrial) await this.#waitWhilePaused(context);
    } catch (error) {
      for (const permit of permits) permit.cancel();
      throw error;
    }
    return together(permits);
  }

  /** A permit for a request that nobody needs to make: only where every limit has plenty and nothing waits. */
  spare(request: UpstreamRequest): Permit | undefined {
    if (this.pausedUntilMs() !== null) return undefined;
    const permits: Permit[] = [];
    for (const gate of this.#counting(request)) {
      const permit = gate.spare(request);
      if (permit === undefined) {
        for (const each of permits) each.cancel();
        return undefined;
      }
      permits.push(permit);
    }
    return together(permits);
  }

  /** Takes in what an answer says of the limits, a refusal's too: slows down before being refused. */
  learn(headers: Readonly<Record<string, string>>, body: Json | undefined): void {
    const nowMs = this.#clock.nowMs();
    for (const said of learnedFrom(this.#learned, headers, body, nowMs)) {
      this.#said.set(`${said.origin} ${said.windowMs ?? ""}`, said);
      this.#gateAbout(said)?.learn(said);
      const isOfAll = said.unit === "requests" && said.operations === undefined;
      if (isOfAll && said.left <= 0 && said.resetsAtMs !== null) this.pauseUntil(said.resetsAtMs);
    }
  }

  /** The source asked for a rest: nothing is sent before the given moment, in ms since the epoch, by no replica. */
  pauseUntil(untilMs: number): void {
    this.#rest(untilMs);
    void this.#sharing?.try(ledger => ledger.pause(untilMs - this.#clock.nowMs()));
  }

  #rest(untilMs: number): void {
    if (untilMs <= this.#pausedUntilMs) return;
    this.#pausedUntilMs = untilMs;
    this.#pausedAtMs = this.#clock.nowMs();
  }

  /** How long to rest, in ms, after a refusal that does not say how long: until the shortest window is over, or the points are there again. */
  restAfterRefusalMs(request: UpstreamRequest): number {
    return Math.min(MAX_UNTOLD_REST_MS, ...this.#gates.map(({ limit }) => restOf(limit, request)));
  }

  pausedUntilMs(): number | null {
    return this.#pausedUntilMs > this.#clock.nowMs() ? this.#pausedUntilMs : null;
  }

  async status(): Promise<readonly LimitStatus[]> {
    return Promise.all(this.#gates.map(({ gate }) => gate.status()));
  }

  /** How the limits are kept among replicas. */
  get sharing(): SharingStatus {
    return this.#sharing?.status ?? { mode: "alone", replicas: 1, share: 1 };
  }

  /** What the source has said of its limits, the latest of each. */
  said(): readonly LearnedLimit[] {
    return [...this.#said.values()];
  }

  /** Drops what waits and stops every timer. */
  async close(): Promise<void> {
    this.#sharing?.close();
    await Promise.all(this.#gates.map(({ gate }) => gate.close()));
  }

  #counting({ operation }: UpstreamRequest): Gate[] {
    return this.#gates.filter(({ limit }) => counts(limit, operation)).map(({ gate }) => gate);
  }

  /** The limit that the source speaks of: of the same operations, and of the same window where it names one, else the first over the account. */
  #gateAbout({ unit, windowMs, operations }: LearnedLimit): Gate | undefined {
    if (unit === "points") return this.#gates.find(({ limit }) => limit.type === "cost")?.gate;
    const candidates = this.#gates.filter(
      ({ limit }) =>
        limit.type !== "cost" &&
        limit.type !== "concurrency" &&
        limit.per === "account" &&
        limit.operations?.join() === operations?.join(),
    );
    const fitting = windowMs === null ? candidates[0] : candidates.find(({ limit }) => windowOf(limit) === windowMs);
    return fitting?.gate;
  }

  async #waitWhilePaused(context: CallContext): Promise<void> {
    for (let left = this.#pauseLeft(context); left > 0; left = this.#pauseLeft(context)) {
      await this.#clock.sleep(left, context.signal);
      context.signal.throwIfAborted();
    }
  }

  /** Whether this asker finds out if a rest that goes on and on is still wanted: one every five minutes does. */
  #isTrial(context: CallContext): boolean {
    const nowMs = this.#clock.nowMs();
    const isLong = this.#pausedUntilMs >= context.deadlineAtMs && this.#pausedUntilMs > nowMs;
    if (!isLong || nowMs < this.#pausedAtMs + MAX_PAUSE_MS) return false;
    this.#pausedAtMs = nowMs;
    return true;
  }

  /** Milliseconds until the source may be asked again; throws `UPSTREAM_THROTTLED`, with the true wait, when the asker cannot wait that long. */
  #pauseLeft(context: CallContext): number {
    const left = this.#pausedUntilMs - this.#clock.nowMs();
    if (left <= 0 || this.#pausedUntilMs < context.deadlineAtMs) return left;
    throw new UpstreamError("UPSTREAM_THROTTLED", "the source asked for a rest", { details: { retryAfterMs: left } });
  }
}

const together = (permits: readonly Permit[]): Permit => ({
  settle: actualCost => {
    for (const permit of permits) permit.settle(actualCost);
  },
  cancel: () => {
    for (const permit of permits) permit.cancel();
  },
});

const DAY_MS = 86_400_000;

/** A day's quota is asked first, for it does not wait; then the narrow ones; a place among those under way last, for it is held while waiting. */
function breadthOf(limit: Limit): number {
  if (limit.type === "quota") return 0;
  if (limit.type === "concurrency") return 3;
  return limit.type !== "cost" && (limit.per === "operation" || limit.operations) ? 1 : 2;
}

const counts = (limit: Limit, operation: string): boolean =>
  limit.type === "cost" || limit.operations === undefined || limit.operations.includes(operation);

function windowOf(limit: Limit): number | undefined {
  if (limit.type === "quota") return DAY_MS;
  return limit.type === "window" ? limit.windowMs : undefined;
}

function restOf(limit: Limit, request: UpstreamRequest): number {
  switch (limit.type) {
    case "window":
      return limit.windowMs;
    case "bucket":
      return ((request.weight ?? 1) / limit.perSecond) * 1000;
    case "cost":
      return ((request.cost ?? 1) / limit.restorePerSecond) * 1000;
    case "concurrency":
    case "quota":
      return MAX_UNTOLD_REST_MS;
  }
}
