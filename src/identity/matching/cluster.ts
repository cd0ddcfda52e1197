/** A scored pair of records, by their numbers; `weight` is the log-odds (base 2) that they are one entity. */
export interface ScoredPair {
  readonly a: number;
  readonly b: number;
  readonly weight: number;
}

/** What is known of records apart from how alike they are. */
export interface ClusterRules {
  /** A pair links from this weight on. */
  readonly leastWeight: number;
  /** Pairs that somebody has said are one entity; nothing speaks against them but a mark of `apart`. */
  readonly forced?: readonly (readonly [number, number])[];
  /** Pairs that somebody has said are two entities; nothing speaks for them. */
  readonly apart?: readonly (readonly [number, number])[];
  /** Pairs that are one entity for certain, best first. */
  readonly ties: readonly (readonly [number, number])[];
  /** Spaces in which an entity has one value at most, and the record's value there: two records that differ in one are never put together. */
  readonly marksOf: (record: number) => ReadonlyMap<string, string> | undefined;
  /** Told of every two clusters that become one: by what, and for likeness of which weight. The links that are told make a forest. */
  readonly onMerge?: (merge: Merge) => void;
}

/** What two clusters became one by: a pair of records, one in each. */
export interface Merge {
  readonly a: number;
  readonly b: number;
  readonly by: "decision" | "key" | "likeness";
  readonly weight: number | null;
}

/** No single pair may outweigh a whole cluster that contradicts it. */
const MAX_SAY = 12;
/** A link to one of two entities that cannot be the same must be this much better, in bits, than the link to the other. */
const MIN_LEAD = 3;
/** What a pair says of which nothing is known: that no blocking rule brought it speaks against it. */
const UNKNOWN_SAY = -2;

/**
 * Puts records together: first along the ties, then along the pairs of at least `leastWeight`, best first; by likeness two clusters are merged only when all
 * pairs between them, taken together, speak for it. One good pair cannot chain two entities together, and a record that might as well belong to either of
 * two entities belongs to neither. The result does not depend on the order of the pairs.
 * @returns for every record the smallest record of its cluster
 */
export function clusterPairs(records: number, pairs: readonly ScoredPair[], rules: ClusterRules): Int32Array {
  const clusters = new Clusters(records, rules.marksOf, rules.apart ?? []);
  const note = (isMerged: boolean, merge: Merge) => isMerged && rules.onMerge?.(merge);
  for (const [a, b] of rules.forced ?? []) note(clusters.force(a, b), { a, b, by: "decision", weight: null });
  for (const [a, b] of rules.ties)
    note(
      clusters.merge(a, b, () => true),
      { a, b, by: "key", weight: null },
    );
  const says = new Map<number, number>();
  for (const { a, b, weight } of pairs) says.set(a * records + b, Math.max(-MAX_SAY, Math.min(MAX_SAY, weight)));
  const say = (x: number, y: number) => says.get(x < y ? x * records + y : y * records + x) ?? UNKNOWN_SAY;
  const agree = (left: readonly number[], right: readonly number[]) =>
    left.reduce((sum, x) => right.reduce((inner, y) => inner + say(x, y), sum), 0) > 0;
  const links = pairs
    .filter(({ weight }) => weight >= rules.leastWeight)
    .sort((p, q) => q.weight - p.weight || p.a - q.a || p.b - q.b);
  const linksOf = linksByRecord(links);
  for (const link of links) {
    const isClear = !hasRival(clusters, linksOf, link, link.a, link.b) && !hasRival(clusters, linksOf, link, link.b, link.a);
    if (isClear) note(clusters.merge(link.a, link.b, agree), { ...link, by: "likeness" });
  }
  return clusters.roots;
}

function linksByRecord(links: readonly ScoredPair[]): ReadonlyMap<number, readonly ScoredPair[]> {
  const byRecord = new Map<number, ScoredPair[]>();
  for (const link of links) {
    for (const record of [link.a, link.b]) {
      const known = byRecord.get(record);
      if (known) known.push(link);
      else byRecord.set(record, [link]);
    }
  }
  return byRecord;
}

/** Whether a record has a link that is nearly as good to something that can never be one with the other end. */
function hasRival(
  clusters: Clusters,
  linksOf: ReadonlyMap<number, readonly ScoredPair[]>,
  { weight }: ScoredPair,
  record: number,
  other: number,
): boolean {
  for (const rival of linksOf.get(record) ?? []) {
    if (rival.weight < weight - MIN_LEAD) return false;
    const end = rival.a === record ? rival.b : rival.a;
    if (!clusters.areOne(end, record) && clusters.areContrary(end, other)) return true;
  }
  return false;
}

/** Disjoint sets, each by its smallest record, that remember the marks of their members. */
class Clusters {
  readonly roots: Int32Array;
  readonly #members = new Map<number, number[]>();
  readonly #marks = new Map<number, ReadonlyMap<string, string>>();
  readonly #marksOf: ClusterRules["marksOf"];

  /** By record: those that it was said not to be one with. */
  readonly #apart = new Map<number, Set<number>>();

  constructor(records: number, marksOf: ClusterRules["marksOf"], apart: readonly (readonly [number, number])[]) {
    this.roots = Int32Array.from({ length: records }, (_, record) => record);
    this.#marksOf = marksOf;
    for (const [a, b] of apart) {
      this.#apart.set(a, (this.#apart.get(a) ?? new Set()).add(b));
      this.#apart.set(b, (this.#apart.get(b) ?? new Set()).add(a));
    }
  }

  /** Merges whatever the marks say, and says whether it did; of two marks in one space the smaller record's counts from then on. */
  force(a: number, b: number): boolean {
    const [keep, lose] = [Math.min(this.roots[a]!, this.roots[b]!), Math.max(this.roots[a]!, this.roots[b]!)];
    if (keep === lose || this.#areApart(keep, lose)) return false;
    this.#unite(keep, lose, new Map([...(this.#marksIn(lose) ?? []), ...(this.#marksIn(keep) ?? [])]));
    return true;
  }

  areOne(a: number, b: number): boolean {
    return this.roots[a] === this.roots[b];
  }

  /** Whether their marks keep two records' clusters apart for ever. */
  areContrary(a: number, b: number): boolean {
    if (this.areOne(a, b)) return false;
    return (
      this.#areApart(this.roots[a]!, this.roots[b]!) ||
      united(this.#marksIn(this.roots[a]!), this.#marksIn(this.roots[b]!)) === "conflict"
    );
  }

  /** Merges where marks, somebody's word and the members allow it; says whether it did. */
  merge(a: number, b: number, mayMerge: (left: readonly number[], right: readonly number[]) => boolean): boolean {
    const [keep, lose] = [Math.min(this.roots[a]!, this.roots[b]!), Math.max(this.roots[a]!, this.roots[b]!)];
    if (keep === lose) return false;
    const marks = united(this.#marksIn(keep), this.#marksIn(lose));
    if (marks === "conflict" || this.#areApart(keep, lose)) return false;
    if (!mayMerge(this.#membersOf(keep), this.#membersOf(lose))) return false;
    this.#unite(keep, lose, marks);
    return true;
  }

  #unite(keep: number, lose: number, marks: ReadonlyMap<string, string> | undefined): void {
    const [kept, lost] = [this.#membersOf(keep), this.#membersOf(lose)];
    for (const record of lost) this.roots[record] = keep;
    this.#members.set(keep, [...kept, ...lost]);
    this.#members.delete(lose);
    if (marks) this.#marks.set(keep, marks);
  }

  #areApart(one: number, two: number): boolean {
    if (this.#apart.size === 0) return false;
    const others = new Set(this.#membersOf(two));
    return this.#membersOf(one).some(record => [...(this.#apart.get(record) ?? [])].some(other => others.has(other)));
  }

  #membersOf(root: number): readonly number[] {
    return this.#members.get(root) ?? [root];
  }

  #marksIn(root: number): ReadonlyMap<string, string> | undefined {
    return this.#marks.get(root) ?? this.#marksOf(root);
  }
}

function united(
  left: ReadonlyMap<string, string> | undefined,
  right: ReadonlyMap<string, string> | undefined,
): ReadonlyMap<string, string> | undefined | "conflict" {
  if (!left || !right) return left ?? right;
  for (const [space, value] of right) if ((left.get(space) ?? value) !== value) return "conflict";
  return new Map([...left, ...right]);
}
