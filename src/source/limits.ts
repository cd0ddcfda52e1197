/** What a provider allows, as it documents it. Several may hold at once. */
export type Limit = WindowLimit | CostLimit;

/** At most `requests` in any window of `windowMs`. */
export interface WindowLimit {
  readonly type: "window";
  readonly requests: number;
  readonly windowMs: number;
  /** Counted over the whole account, or for each operation on its own. */
  readonly per: "account" | "operation";
}

/** A bucket of cost points: `capacity` at most, refilled by `restorePerSecond`. */
export interface CostLimit {
  readonly type: "cost";
  readonly capacity: number;
  readonly restorePerSecond: number;
}

/** At most `requests` in any window of `windowMs` ms, over the account unless stated. */
export const window = (options: { requests: number; windowMs: number; per?: "account" | "operation" }): WindowLimit => ({
  type: "window",
  per: "account",
  ...options,
});
/** A bucket of cost points. */
export const costBucket = (options: { capacity: number; restorePerSecond: number }): CostLimit => ({ type: "cost", ...options });

/** Where a provider says what is left, so that we slow down before being refused. Header names are matched in any case. */
export interface Learned {
  /** Header: requests left in the window. */
  readonly remaining?: string;
  /** Header: when the window starts anew, and its unit. */
  readonly reset?: { readonly header: string; readonly unit: "delta-seconds" | "epoch-seconds" };
  /** Paths in a GraphQL answer: points left, and the actual cost of the query. */
  readonly cost?: { readonly available: string; readonly actual: string };
}
