/** Pairs of records by their numbers, a column each. */
export interface Pairs {
  readonly a: Int32Array;
  readonly b: Int32Array;
}

/** Pairs, each once and with the smaller record first; `weight` is the log-odds (base 2) that they are one entity. */
export interface ScoredPairs extends Pairs {
  readonly weight: Float64Array;
}

/** Spaces in which an entity has one value at most, and the value there that a record has: a row for each. Spaces and values by number, from 0. */
export interface Marks {
  readonly record: Int32Array;
  readonly space: Int32Array;
  readonly value: Int32Array;
}

/** What is known of records apart from how alike they are. */
export interface ClusterRules {
  /** A pair links from this weight on. */
  readonly leastWeight: number;
  /** Pairs that somebody has said are one entity; nothing speaks against them but a mark of `apart`. */
  readonly forced?: Pairs;
  /** Pairs that somebody has said are two entities; nothing speaks for them. */
  readonly apart?: Pairs;
  /** Pairs that are one entity for certain, best first. */
  readonly ties: Pairs;
  /** Two records that differ in a mark are never put together. */
  readonly marks: Marks;
}

/** What two clusters can become one by; a merge has its place in this list. */
export const mergedBy = ["decision", "key", "likeness"] as const;
export type MergedBy = (typeof mergedBy)[number];

/** Every two clusters that became one: a pair of records, one in each, by what, and for likeness its weight, else 0. The pairs make a forest. */
export interface Merges extends Pairs {
  readonly by: Int32Array;
  readonly weight: Float64Array;
}

/** Who is one with whom. */
export interface Clustering {
  /** For every record the smallest record of its cluster. */
  readonly roots: Int32Array;
  readonly merges: Merges;
}

export const noPairs: Pairs = { a: new Int32Array(), b: new Int32Array() };
export const noMarks: Marks = { record: new Int32Array(), space: new Int32Array(), value: new Int32Array() };

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
 */
export function clusterPairs(records: number, pairs: ScoredPairs, rules: ClusterRules): Clustering {
  const clusters = new Clusters(records, rules.marks, rules.apart ?? noPairs);
  const merges = new MergeList(records);
  const { forced = noPairs, ties } = rules;
  for (let at = 0; at < forced.a.length; at++) {
    const [a, b] = [forced.a[at]!, forced.b[at]!];
    if (clusters.force(a, b)) merges.add(a, b, "decision", 0);
  }
  for (let at = 0; at < ties.a.length; at++) {
    const [a, b] = [ties.a[at]!, ties.b[at]!];
    if (clusters.merge(a, b, () => true)) merges.add(a, b, "key", 0);
  }
  const says = new Says(records, pairs);
  const agree = (left: number, right: number) => clusters.sumOf(left, right, (x, y) => says.of(x, y)) > 0;
  const links = linksBetween(clusters, pairs, rules.leastWeight);
  const linksOf = byRecord(records, links);
  for (let at = 0; at < links.a.length; at++) {
    const [a, b, weight] = [links.a[at]!, links.b[at]!, links.weight[at]!];
    const isClear =
      !hasRival(clusters, { links, linksOf }, weight, a, b) && !hasRival(clusters, { links, linksOf }, weight, b, a);
    if (isClear && clusters.merge(a, b, agree)) merges.add(a, b, "likeness", weight);
  }
  return { roots: clusters.roots(), merges: merges.columns() };
}

/** Collects merges. */
class MergeList {
  readonly #all: Merges;
  #count = 0;

  /** Of so many records: there is always one merge less. */
  constructor(records: number) {
    const column = () => new Int32Array(records);
    this.#all = { a: column(), b: column(), by: column(), weight: new Float64Array(records) };
  }

  add(a: number, b: number, by: MergedBy, weight: number): void {
    const [all, at] = [this.#all, this.#count++];
    [all.a[at], all.b[at], all.by[at], all.weight[at]] = [a, b, mergedBy.indexOf(by), weight];
  }

  columns(): Merges {
    const [{ a, b, by, weight }, count] = [this.#all, this.#count];
    return { a: a.subarray(0, count), b: b.subarray(0, count), by: by.subarray(0, count), weight: weight.subarray(0, count) };
  }
}

/** The pairs that link two clusters, best first. */
function linksBetween(clusters: Clusters, { a, b, weight }: ScoredPairs, leastWeight: number): ScoredPairs {
  // An array, because its sort sees an order that is there already; that of a typed array does not.
  const order: number[] = [];
  for (let at = 0; at < a.length; at++) if (weight[at]! >= leastWeight && !clusters.areOne(a[at]!, b[at]!)) order.push(at);
  order.sort((p, q) => weight[q]! - weight[p]! || a[p]! - a[q]! || b[p]! - b[q]!);
  const pick = (column: Int32Array) => Int32Array.from(order, at => column[at]!);
  return { a: pick(a), b: pick(b), weight: Float64Array.from(order, at => weight[at]!) };
}

/** For each record the places of its pairs, in their order: `items` from `starts[record]` to `starts[record + 1]`. */
interface Places {
  readonly starts: Int32Array;
  readonly items: Int32Array;
}

function byRecord(records: number, { a, b }: Pairs): Places {
  const starts = new Int32Array(records + 1);
  for (let at = 0; at < a.length; at++) {
    starts[a[at]! + 1]!++;
    starts[b[at]! + 1]!++;
  }
  for (let record = 0; record < records; record++) starts[record + 1]! += starts[record]!;
  const [next, items] = [starts.slice(), new Int32Array(2 * a.length)];
  for (let at = 0; at < a.length; at++) {
    items[next[a[at]!]!++] = at;
    items[next[b[at]!]!++] = at;
  }
  return { starts, items };
}

/** Whether a record has a link that is nearly as good to something that can never be one with the other end. */
function hasRival(
  clusters: Clusters,
  { links, linksOf }: { readonly links: ScoredPairs; readonly linksOf: Places },
  weight: number,
  record: number,
  other: number,
): boolean {
  for (let place = linksOf.starts[record]!; place < linksOf.starts[record + 1]!; place++) {
    const at = linksOf.items[place]!;
    if (links.weight[at]! < weight - MIN_LEAD) return false;
    const end = links.a[at] === record ? links.b[at]! : links.a[at]!;
    if (!clusters.areOne(end, record) && clusters.areContrary(end, other)) return true;
  }
  return false;
}

/** What each pair says, found by its smaller record. */
class Says {
  readonly #starts: Int32Array;
  readonly #others: Int32Array;
  readonly #weights: Float64Array;

  constructor(records: number, { a, b, weight }: ScoredPairs) {
    this.#starts = new Int32Array(records + 1);
    for (const record of a) this.#starts[record + 1]!++;
    for (let record = 0; record < records; record++) this.#starts[record + 1]! += this.#starts[record]!;
    const next = this.#starts.slice();
    [this.#others, this.#weights] = [new Int32Array(a.length), new Float64Array(a.length)];
    for (let at = 0; at < a.length; at++) {
      const place = next[a[at]!]!++;
      this.#others[place] = b[at]!;
      this.#weights[place] = Math.max(-MAX_SAY, Math.min(MAX_SAY, weight[at]!));
    }
  }

  of(x: number, y: number): number {
    const [small, large] = x < y ? [x, y] : [y, x];
    for (let place = this.#starts[small]!; place < this.#starts[small + 1]!; place++)
      if (this.#others[place] === large) return this.#weights[place]!;
    return UNKNOWN_SAY;
  }
}

/** Disjoint sets, each by its smallest record, that remember the marks of their members. */
class Clusters {
  readonly #parent: Int32Array;
  /** The members of a set as a chain from its root on, -1 at its end. */
  readonly #next: Int32Array;
  readonly #last: Int32Array;
  readonly #marks: Marks;
  /** The marks of a set, by its root, as a chain of places, -1 at its end. */
  readonly #firstMark: Int32Array;
  readonly #nextMark: Int32Array;
  /** By record: those that it was said not to be one with. */
  readonly #apart = new Map<number, Set<number>>();

  constructor(records: number, marks: Marks, apart: Pairs) {
    this.#parent = Int32Array.from({ length: records }, (_, record) => record);
    this.#next = new Int32Array(records).fill(-1);
    this.#last = this.#parent.slice();
    this.#marks = marks;
    this.#firstMark = new Int32Array(records).fill(-1);
    this.#nextMark = new Int32Array(marks.record.length);
    for (let at = 0; at < marks.record.length; at++) this.#putMark(marks.record[at]!, at);
    for (const [at, a] of apart.a.entries()) {
      const b = apart.b[at]!;
      this.#apart.set(a, (this.#apart.get(a) ?? new Set()).add(b));
      this.#apart.set(b, (this.#apart.get(b) ?? new Set()).add(a));
    }
  }

  roots(): Int32Array {
    return this.#parent.map((_, record) => this.#rootOf(record));
  }

  /** Merges whatever the marks say, and says whether it did; of two marks in one space the smaller record's counts from then on. */
  force(a: number, b: number): boolean {
    const [keep, lose] = this.#rootsOf(a, b);
    if (keep === lose || this.#areApart(keep, lose)) return false;
    this.#unite(keep, lose);
    return true;
  }

  areOne(a: number, b: number): boolean {
    return this.#rootOf(a) === this.#rootOf(b);
  }

  /** Whether their marks keep two records' clusters apart for ever. */
  areContrary(a: number, b: number): boolean {
    const [one, two] = this.#rootsOf(a, b);
    return one !== two && (this.#areApart(one, two) || this.#areInConflict(one, two));
  }

  /** Merges where marks, somebody's word and the members allow it; says whether it did. */
  merge(a: number, b: number, mayMerge: (left: number, right: number) => boolean): boolean {
    const [keep, lose] = this.#rootsOf(a, b);
    if (keep === lose) return false;
    if (this.#areInConflict(keep, lose) || this.#areApart(keep, lose) || !mayMerge(keep, lose)) return false;
    this.#unite(keep, lose);
    return true;
  }

  /** The sum over all pairs of a member of one set, by its root, and a member of another. */
  sumOf(left: number, right: number, of: (x: number, y: number) => number): number {
    let sum = 0;
    for (let x = left; x >= 0; x = this.#next[x]!) for (let y = right; y >= 0; y = this.#next[y]!) sum += of(x, y);
    return sum;
  }

  #rootOf(record: number): number {
    const parent = this.#parent;
    let root = record;
    while (parent[root] !== root) root = parent[root] = parent[parent[root]!]!;
    return root;
  }

  #rootsOf(a: number, b: number): [smaller: number, larger: number] {
    const [one, two] = [this.#rootOf(a), this.#rootOf(b)];
    return one < two ? [one, two] : [two, one];
  }

  #unite(keep: number, lose: number): void {
    this.#parent[lose] = keep;
    this.#next[this.#last[keep]!] = lose;
    this.#last[keep] = this.#last[lose]!;
    const kept = this.#firstMark[keep]!;
    for (let at = this.#firstMark[lose]!, next; at >= 0; at = next) {
      next = this.#nextMark[at]!;
      if (!this.#hasSpace(kept, this.#marks.space[at]!)) this.#putMark(keep, at);
    }
  }

  #putMark(root: number, mark: number): void {
    this.#nextMark[mark] = this.#firstMark[root]!;
    this.#firstMark[root] = mark;
  }

  /** Whether a chain of marks has one in a space. */
  #hasSpace(first: number, space: number): boolean {
    for (let at = first; at >= 0; at = this.#nextMark[at]!) if (this.#marks.space[at] === space) return true;
    return false;
  }

  #areInConflict(one: number, two: number): boolean {
    const { space, value } = this.#marks;
    for (let at = this.#firstMark[one]!; at >= 0; at = this.#nextMark[at]!)
      for (let other = this.#firstMark[two]!; other >= 0; other = this.#nextMark[other]!)
        if (space[at] === space[other] && value[at] !== value[other]) return true;
    return false;
  }

  #areApart(one: number, two: number): boolean {
    if (this.#apart.size === 0) return false;
    const others = new Set(this.#membersOf(two));
    return this.#membersOf(one).some(record => [...(this.#apart.get(record) ?? [])].some(other => others.has(other)));
  }

  #membersOf(root: number): number[] {
    const members = [];
    for (let record = root; record >= 0; record = this.#next[record]!) members.push(record);
    return members;
  }
}
