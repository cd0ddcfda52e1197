import type Bottleneck from "bottleneck";
import { UpstreamError } from "../../core/errors.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext, Priority } from "../context.ts";
import type { LearnedLimit } from "./learned.ts";

/** What is left of one limit. `unit` says what is counted. */
export interface LimitStatus {
  readonly name: string;
  readonly unit: "requests" | "points" | "at once";
  readonly allowed: number;
  readonly left: number;
  readonly queued: number;
  /** Window in ms, or null for what refills all the time. */
  readonly windowMs: number | null;
}

/** A right to send one request; given back with `settle` when the answer is there, whatever it is. */
export interface Permit {
  /** @param actualCost what the provider says it took, when it says so. */
  settle(actualCost?: number): void;
  /** Gives it back unused: nothing was sent. */
  cancel(): void;
}

/** One limit, kept. */
export interface Gate {
  /** Waits for its turn; throws the signal's reason when the asker leaves first. */
  acquire(request: UpstreamRequest, context: CallContext): Promise<Permit>;
  /** A permit if there is plenty at this moment and nobody waits; never for what others will need soon. */
  spare(request: UpstreamRequest): Permit | undefined;
  /** Takes the provider's word for what is left, where that is less. */
  learn(said: LearnedLimit): void;
  status(): Promise<LimitStatus>;
  close(): Promise<void>;
}

/** A limit that can be kept together with other processes. */
export interface ScalableGate extends Gate {
  /** Another process reads live: bulk work leaves room. */
  noteLive(): void;
  /** Keeps to a share of the limit, from 0 to 1, from now on; what is in use already counts. */
  scale(share: number): void;
}

/** The whole units in a share of a limit: one at least, for a limit of none would never let anything through. */
export const scaled = (units: number, share: number): number => Math.max(1, Math.floor(units * share));

/** Bottleneck's scale runs from 0, first, to 9, last. */
const bottleneckPriority: Readonly<Record<Priority, number>> = { live: 2, intake: 5, bulk: 8 };
const MAX_QUEUED = 20_000;

/** Queues for `weight` units of a reservoir; a place whose asker left gives its units back at once. */
export function takeFrom(limiter: Bottleneck, weight: number, context: CallContext): Promise<void> {
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
