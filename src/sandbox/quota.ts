/** What a quota says to one request. */
export interface QuotaAnswer {
  readonly granted: boolean;
  /** Whole units left after this request, never below 0. */
  readonly remaining: number;
  /** Milliseconds until the units asked for are there (refused), or until the oldest spent unit returns (granted). 0 when nothing is spent. */
  readonly resetMs: number;
}

/** A provider's rate limit. A refused request spends nothing. */
export interface Quota {
  /** Asks for `weight` units, default 1, at the instant `nowMs`. */
  take(nowMs: number, weight?: number): QuotaAnswer;
  /** What is left, spending nothing. */
  peek(nowMs: number): QuotaAnswer;
  /** Forgets everything that was spent. */
  reset(): void;
}

/** Units and the time over which they are counted. */
export interface WindowOptions {
  readonly limit: number;
  readonly windowMs: number;
}

/** An exact rolling window: no stretch of `windowMs` ever holds more than `limit` units. */
export function slidingWindow({ limit, windowMs }: WindowOptions): Quota {
  let spent: number[] = [];
  let first = 0;
  const expire = (nowMs: number) => {
    while (first < spent.length && (spent[first] ?? 0) <= nowMs - windowMs) first++;
    if (first <= limit) return;
    spent = spent.slice(first);
    first = 0;
  };
  const untilFree = (nowMs: number, weight: number) => {
    const blocking = spent[first + Math.max(spent.length - first + weight - limit, 1) - 1];
    return blocking === undefined ? 0 : blocking + windowMs - nowMs;
  };
  const take = (nowMs: number, weight = 1): QuotaAnswer => {
    expire(nowMs);
    const granted = spent.length - first + weight <= limit;
    const resetMs = untilFree(nowMs, weight);
    if (granted) for (let unit = 0; unit < weight; unit++) spent.push(nowMs);
    return { granted, remaining: limit - (spent.length - first), resetMs: granted ? untilFree(nowMs, 0) : resetMs };
  };
  const reset = () => {
    spent = [];
    first = 0;
  };
  return { take, peek: nowMs => take(nowMs, 0), reset };
}

/** A window that opens with the first request and forgets all at once `windowMs` later. */
export function fixedWindow({ limit, windowMs }: WindowOptions): Quota {
  let openedAt = Number.NEGATIVE_INFINITY;
  let used = 0;
  const take = (nowMs: number, weight = 1): QuotaAnswer => {
    if (nowMs - openedAt >= windowMs) used = 0;
    if (used === 0 && weight > 0) openedAt = nowMs;
    const granted = used + weight <= limit;
    if (granted) used += weight;
    return { granted, remaining: limit - used, resetMs: used === 0 ? 0 : openedAt + windowMs - nowMs };
  };
  const reset = () => {
    used = 0;
    openedAt = Number.NEGATIVE_INFINITY;
  };
  return { take, peek: nowMs => take(nowMs, 0), reset };
}

/** Size of a bucket and the speed at which it refills. */
export interface BucketOptions {
  readonly capacity: number;
  readonly restorePerSecond: number;
}

/** A bucket that starts full and refills steadily. `resetMs` of a granted request is the time until it is full again. */
export function leakyBucket({ capacity, restorePerSecond }: BucketOptions): Quota {
  let level = capacity;
  let asOfMs = Number.NEGATIVE_INFINITY;
  const refill = (nowMs: number) => {
    if (Number.isFinite(asOfMs)) level = Math.min(capacity, level + (Math.max(0, nowMs - asOfMs) * restorePerSecond) / 1000);
    asOfMs = Math.max(asOfMs, nowMs);
  };
  const msFor = (units: number) => Math.max(0, Math.ceil((units * 1000) / restorePerSecond));
  const take = (nowMs: number, weight = 1): QuotaAnswer => {
    refill(nowMs);
    const granted = weight <= level;
    if (granted) level -= weight;
    return { granted, remaining: Math.floor(level), resetMs: granted ? msFor(capacity - level) : msFor(weight - level) };
  };
  const reset = () => {
    level = capacity;
    asOfMs = Number.NEGATIVE_INFINITY;
  };
  return { take, peek: nowMs => take(nowMs, 0), reset };
}
