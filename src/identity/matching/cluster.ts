/** A scored pair of records, by their numbers; `weight` is the log-odds (base 2) that they are one entity. */
export interface ScoredPair {
  readonly a: number;
  readonly b: number;
  readonly weight: number;
}

/** No single pair may outweigh a whole cluster that contradicts it. */
const MAX_SAY = 12;
/** What a pair says of which nothing is known: that no blocking rule brought it speaks against it. */
const UNKNOWN_SAY = -2;

const said = (weight: number): number => Math.max(-MAX_SAY, Math.min(MAX_SAY, weight));

/**
 * Puts records together along the pairs from the threshold on, best first; two clusters are merged only when all pairs between them, taken
 * together, speak for it, and no two records of one `unique` group meet. One good pair cannot chain two entities together. The result does not
 * depend on the order of the pairs.
 * @param groupOf a record's group of which a cluster may hold one record only, or -1
 * @returns for every record the smallest record of its cluster
 */
export function clusterPairs(
  records: number,
  pairs: readonly ScoredPair[],
  leastWeight: number,
  groupOf: (record: number) => number,
): Int32Array {
  const says = new Map<number, number>();
  for (const { a, b, weight } of pairs) says.set(a * records + b, said(weight));
  const members = new Map<number, number[]>();
  const cluster = Int32Array.from({ length: records }, (_, record) => record);
  const membersOf = (root: number) => members.get(root) ?? [root];
  const say = (x: number, y: number) => says.get(x < y ? x * records + y : y * records + x) ?? UNKNOWN_SAY;
  const mayMerge = (left: readonly number[], right: readonly number[]) => {
    let sum = 0;
    for (const x of left) {
      for (const y of right) {
        const group = groupOf(x);
        if (group >= 0 && group === groupOf(y)) return false;
        sum += say(x, y);
      }
    }
    return sum > 0;
  };
  const links = pairs.filter(({ weight }) => weight >= leastWeight).sort((p, q) => q.weight - p.weight || p.a - q.a || p.b - q.b);
  for (const { a, b } of links) {
    const [keep, lose] = [Math.min(cluster[a]!, cluster[b]!), Math.max(cluster[a]!, cluster[b]!)];
    if (keep === lose) continue;
    const [kept, lost] = [membersOf(keep), membersOf(lose)];
    if (!mayMerge(kept, lost)) continue;
    for (const record of lost) cluster[record] = keep;
    members.set(keep, [...kept, ...lost]);
    members.delete(lose);
  }
  return cluster;
}
