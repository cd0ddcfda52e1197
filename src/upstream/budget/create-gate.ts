import type { Clock } from "../../core/ports.ts";
import type { Limit } from "../../source/limits.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import { BUCKET_RESERVE, BucketGate } from "./bucket-gate.ts";
import { bulkPlacesOf, ConcurrencyGate } from "./concurrency-gate.ts";
import type { Gate, LimitStatus, ScalableGate } from "./gate.ts";
import type { SharedTerms } from "./ledger.ts";
import { PerOperationGate } from "./per-operation-gate.ts";
import { QuotaGate } from "./quota-gate.ts";
import { SharedGate } from "./shared-gate.ts";
import { SharedQuotaGate } from "./shared-quota-gate.ts";
import type { Sharing } from "./sharing.ts";
import { bulkShareOf, WindowGate } from "./window-gate.ts";

export interface GateParts {
  readonly clock: Clock;
  readonly sharing: Sharing | undefined;
  /** Is told that a replica was refused and that all have to rest for so long. */
  readonly onPause: (forMs: number) => void;
  /** The place of the limit in its declaration, by which replicas know it. */
  readonly number: number;
}

/** What keeps a limit: over the account or for each operation, by this process alone or by all replicas together. */
export function createGate(limit: Limit, parts: GateParts): Gate {
  if (limit.type === "cost" || limit.per === "account") return oneGate(limit, "account", parts);
  return new PerOperationGate(operation => oneGate(limit, operation, parts), nobodysStatus(limit));
}

function oneGate(limit: Limit, operation: string, { clock, sharing, onPause, number }: GateParts): Gate {
  const pool = `${limit.type}${number}:${operation}`;
  if (limit.type === "quota") {
    const own = new QuotaGate(limit, clock);
    return sharing ? new SharedQuotaGate(own, { limit, pool, sharing }) : own;
  }
  const own = ownGate(limit);
  if (!sharing) return own;
  return new SharedGate(own, { pool, terms: termsOf(limit), sharing, weightOf: request => weightOf(limit, request), onPause });
}

type Pooled = Exclude<Limit, { readonly type: "quota" }>;

function ownGate(limit: Pooled): ScalableGate {
  const weight = (request: UpstreamRequest) => weightOf(limit, request);
  switch (limit.type) {
    case "window":
      return new WindowGate(limit);
    case "bucket":
      return new BucketGate({ ...limit, name: "bucket", unit: "requests", weightOf: weight });
    case "cost": {
      const { capacity, restorePerSecond: perSecond } = limit;
      return new BucketGate({ name: "cost", unit: "points", capacity, perSecond, weightOf: weight });
    }
    case "concurrency":
      return new ConcurrencyGate(limit);
  }
}

function weightOf(limit: Pooled, request: UpstreamRequest): number {
  if (limit.type === "concurrency") return 1;
  return (limit.type === "cost" ? request.cost : request.weight) ?? 1;
}

function termsOf(limit: Pooled): SharedTerms {
  switch (limit.type) {
    case "window": {
      const { requests: units, windowMs } = limit;
      const { busy: busyBulk, quiet: quietBulk } = bulkShareOf(limit);
      return { kind: "window", units, windowMs, busyBulk, quietBulk };
    }
    case "concurrency":
      return { kind: "window", units: limit.max, windowMs: 0, busyBulk: bulkPlacesOf(limit), quietBulk: bulkPlacesOf(limit) };
    case "bucket":
      return { kind: "bucket", units: limit.capacity, perSecond: limit.perSecond, reserve: limit.capacity * BUCKET_RESERVE };
    case "cost": {
      const { capacity: units, restorePerSecond: perSecond } = limit;
      return { kind: "bucket", units, perSecond, reserve: units * BUCKET_RESERVE };
    }
  }
}

/** What a limit looks like of which no operation has used anything. */
function nobodysStatus(limit: Exclude<Limit, { readonly type: "cost" }>): LimitStatus {
  switch (limit.type) {
    case "window":
      return status("per operation", "requests", limit.requests, limit.windowMs);
    case "bucket":
      return status("bucket per operation", "requests", limit.capacity, null);
    case "concurrency":
      return status("at once per operation", "at once", limit.max, null);
    case "quota":
      return status("daily per operation", "requests", limit.requests, 86_400_000);
  }
}

const status = (name: string, unit: LimitStatus["unit"], allowed: number, windowMs: number | null): LimitStatus => ({
  name,
  unit,
  allowed,
  left: allowed,
  queued: 0,
  windowMs,
});
