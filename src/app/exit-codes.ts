import type { CollectionVerdict } from "../pipeline/pull.ts";

/** Some collection could not be read to its end. */
const PARTIAL = 2;
/** All that is missing is behind a quota that is spent: come back when it begins anew. */
const PAUSED = 3;

/** What a pull exits with: 0 for complete, 2 when a collection is not, 3 when nothing but a spent quota is in the way. */
export function exitCodeOf(verdicts: readonly CollectionVerdict[]): number {
  const left = verdicts.filter(({ verdict }) => verdict !== "complete");
  if (left.length === 0) return 0;
  return left.every(({ pausedUntil }) => pausedUntil !== undefined) ? PAUSED : PARTIAL;
}
