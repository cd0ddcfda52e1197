/** What a provider allows, as it documents it. Several may hold at once: each request waits for all that count it. */
export type Limit = WindowLimit | BucketLimit | CostLimit | ConcurrencyLimit | QuotaLimit;

/** Which requests a limit counts. */
interface Counted {
  /** Over the whole account, or for each operation on its own. */
  readonly per: "account" | "operation";
  /** Only these operations; all unless stated. */
  readonly operations?: readonly string[];
}

/** At most `requests` in any window of `windowMs`, be the provider's own windows fixed or moving. */
export interface WindowLimit extends Counted {
  readonly type: "window";
  readonly requests: number;
  readonly windowMs: number;
}

/** A bucket of requests: `capacity` at most, refilled by `perSecond`. */
export interface BucketLimit extends Counted {
  readonly type: "bucket";
  readonly capacity: number;
  readonly perSecond: number;
}

/** A bucket of cost points: `capacity` at most, refilled by `restorePerSecond`. */
export interface CostLimit {
  readonly type: "cost";
  readonly capacity: number;
  readonly restorePerSecond: number;
}

/** At most so many requests under way at once. */
export interface ConcurrencyLimit extends Counted {
  readonly type: "concurrency";
  readonly max: number;
}

/** At most `requests` a day, counted anew at a time of day (UTC). What is spent is not waited for: it ends the work until then. */
export interface QuotaLimit extends Counted {
  readonly type: "quota";
  readonly requests: number;
  /** Hour of the day (UTC) at which it begins anew; 0 unless stated. */
  readonly resetHour: number;
}

type Options<L extends Counted> = Omit<L, "type" | "per"> & Partial<Pick<L, "per">>;

/** At most `requests` in any window of `windowMs` ms, over the account unless stated. */
export const window = (options: Options<WindowLimit>): WindowLimit => ({ type: "window", per: "account", ...options });
/** A bucket of requests that refills all the time, over the account unless stated. */
export const tokenBucket = (options: Options<BucketLimit>): BucketLimit => ({ type: "bucket", per: "account", ...options });
/** A bucket of cost points. */
export const costBucket = (options: Omit<CostLimit, "type">): CostLimit => ({ type: "cost", ...options });
/** At most `max` requests at once, over the account unless stated. */
export const concurrency = (options: Options<ConcurrencyLimit>): ConcurrencyLimit => ({
  type: "concurrency",
  per: "account",
  ...options,
});
/** At most `requests` a day, over the account unless stated. */
export const dailyQuota = (options: Omit<Options<QuotaLimit>, "resetHour"> & { resetHour?: number }): QuotaLimit => ({
  type: "quota",
  per: "account",
  resetHour: 0,
  ...options,
});

/** In what a header says when a window starts anew. */
export type ResetUnit = "delta-seconds" | "delta-milliseconds" | "epoch-seconds" | "epoch-milliseconds" | "http-date";

/** Headers in which a provider says what is left of one limit. Names are matched in any case. */
export interface LearnedHeaders {
  /** Requests left. */
  readonly remaining: string;
  /** Requests allowed. */
  readonly limit?: string;
  readonly reset?: { readonly header: string; readonly unit: ResetUnit };
  /** The window in ms, where the provider says it nowhere else: tells which of our limits it is about. */
  readonly windowMs?: number;
}

/** Where a provider says what is left, so that we slow down before being refused. */
export interface Learned {
  /** Whether it sends `RateLimit` and `RateLimit-Policy`, in the present form or the older one of three headers. */
  readonly hasRateLimitFields?: boolean;
  readonly headers?: readonly LearnedHeaders[];
  /** Headers that speak of the limit of some operations alone, as `total=100; remaining=99; resets=41`, the reset in seconds from now. */
  readonly endpoints?: readonly { readonly header: string; readonly operations: readonly string[] }[];
  /** A header with what is used and allowed, as `name=used/allowed`. */
  readonly usage?: { readonly header: string; readonly name: string };
  /** Paths in a GraphQL answer: points left, the actual cost of the query. */
  readonly cost?: { readonly available: string; readonly actual: string };
}

/** `X-RateLimit-Limit`, `-Remaining` and `-Reset`, whose unit differs from provider to provider. */
export const xRateLimit = (unit: ResetUnit): LearnedHeaders => ({
  limit: "X-RateLimit-Limit",
  remaining: "X-RateLimit-Remaining",
  reset: { header: "X-RateLimit-Reset", unit },
});
