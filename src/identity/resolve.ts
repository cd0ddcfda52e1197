import { customerIdOf } from "../core/ids.ts";
import { type BenchLimits, openBench, type Workbench } from "../mapping/bench.ts";
import { agreements } from "./matching/agreements.ts";
import { clusterPairs, type ClusterRules, type Merge } from "./matching/cluster.ts";
import { linkWeight, scoreRecords, scoredPairs } from "./matching/match.ts";
import type { Field } from "./matching/model.ts";

/** One record of a collection of customers, with what it says about who it is. */
export interface IdentityRecord {
  /** `<source>.<collection>`. */
  readonly collection: string;
  readonly key: string;
  readonly name: string | null;
  readonly email: string | null;
  readonly phone: string | null;
  readonly company: string | null;
  readonly country: string | null;
  /** Explicit keys: a space and a value in it. */
  readonly clues: readonly { readonly space: string; readonly value: string }[];
}

/** Somebody's word that two records, each as `<source>.<collection>:<key>`, are or are not one customer. */
export interface Decision {
  readonly type: "link" | "unlink";
  readonly a: string;
  readonly b: string;
}

export interface IdentityRules {
  /** Ids of the collections that hold at most one record of a customer. */
  readonly onePerCustomer: ReadonlySet<string>;
  /** What people have decided: goes before everything else, and among each other the later one counts. */
  readonly decisions?: readonly Decision[];
}

/** The records that are one customer. `id` is a function of its members alone. */
export interface Cluster {
  readonly id: string;
  /** Sorted by collection, then key. */
  readonly members: readonly IdentityRecord[];
}

/** Why two records, each as `<collection>:<key>`, are in one cluster. The edges of a cluster make a tree: between two members there is one path. */
export interface Edge {
  readonly a: string;
  readonly b: string;
  readonly by: Merge["by"];
  /** What they agree in: `<space>=<value>` of a key; of likeness each field with the level that it reaches. */
  readonly evidence: string;
  /** Of likeness: the log-odds (base 2) that they are one, in thousandths of a bit. */
  readonly weight: string | null;
}

/** Who is who, and why. */
export interface Resolution {
  readonly clusters: readonly Cluster[];
  readonly edges: readonly Edge[];
}

/** What records are compared by, where no explicit key decides. */
const fields: readonly Field[] = [
  { column: "name", kind: "name" },
  { column: "email", kind: "email" },
  { column: "phone", kind: "phone" },
  { column: "company", kind: "text" },
  { column: "country", kind: "category" },
];

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const recordId = (record: IdentityRecord): string => `${record.collection}:${record.key}`;

/**
 * Puts records together by people's decisions, by explicit keys, then by how alike they are: the weights are learnt from the records. Two records of a collection that holds
 * one record a customer, or two values in one key space, are never in one cluster. The result does not depend on the order of the records.
 */
export const resolveIdentity = async (records: Iterable<IdentityRecord>, rules: IdentityRules): Promise<readonly Cluster[]> =>
  (await resolveWithEvidence(records, rules)).clusters;

/** The same with the edges that hold the clusters together. */
export async function resolveWithEvidence(
  records: Iterable<IdentityRecord>,
  { onePerCustomer, decisions = [] }: IdentityRules,
  limits: BenchLimits = {},
): Promise<Resolution> {
  const sorted = [...records].sort((a, b) => compareText(recordId(a), recordId(b)));
  const bench = await openBench(null, limits);
  try {
    const pairs = await likePairs(bench, sorted);
    const ties = explicitTies(sorted);
    const merges: Merge[] = [];
    const roots = clusterPairs(sorted.length, pairs, {
      leastWeight: linkWeight(),
      ...decidedPairs(sorted, decisions),
      ties: ties.map(({ pair }) => pair),
      marksOf: number => marksOf(sorted[number]!, onePerCustomer),
      onMerge: merge => merges.push(merge),
    });
    return { clusters: clustersOf(sorted, roots), edges: await edgesOf(bench, { sorted, merges, ties }) };
  } finally {
    bench.close();
  }
}

function clustersOf(sorted: readonly IdentityRecord[], roots: Int32Array): readonly Cluster[] {
  const clusters = Map.groupBy(sorted.keys(), number => roots[number]!);
  // The smallest record stands for all, so that a new, larger member changes no id.
  return [...clusters].map(([root, members]) => ({
    id: customerIdOf(recordId(sorted[root]!)),
    members: members.map(number => sorted[number]!),
  }));
}

async function edgesOf(
  bench: Workbench,
  { sorted, merges, ties }: { sorted: readonly IdentityRecord[]; merges: readonly Merge[]; ties: readonly Tie[] },
): Promise<readonly Edge[]> {
  const keys = new Map(ties.map(({ pair: [a, b], key }) => [`${a} ${b}`, key]));
  const alike = await agreements(
    bench,
    fields,
    merges.filter(({ by }) => by === "likeness"),
  );
  const evidence = { decision: () => "", key: (pair: string) => keys.get(pair), likeness: (pair: string) => alike.get(pair) };
  return merges.map(({ a, b, by, weight }) => ({
    a: recordId(sorted[a]!),
    b: recordId(sorted[b]!),
    by,
    evidence: evidence[by](`${a} ${b}`) ?? "",
    weight: weight === null ? null : weight.toFixed(3),
  }));
}

/** Decisions about records that are not there (any more) wait for them. */
function decidedPairs(sorted: readonly IdentityRecord[], decisions: readonly Decision[]): Pick<ClusterRules, "forced" | "apart"> {
  if (decisions.length === 0) return {};
  const numbers = new Map(sorted.map((record, number) => [recordId(record), number]));
  const pairsOf = (type: Decision["type"]) =>
    decisions.flatMap(decision => {
      const [a, b] = [numbers.get(decision.a), numbers.get(decision.b)];
      return decision.type === type && a !== undefined && b !== undefined ? [[a, b] as const] : [];
    });
  return { forced: pairsOf("link"), apart: pairsOf("unlink") };
}

async function likePairs(bench: Workbench, sorted: readonly IdentityRecord[]) {
  if (sorted.length < 2) return [];
  await load(bench, sorted);
  await scoreRecords(bench, fields, {});
  return scoredPairs(bench);
}

/** The columns of the matcher's input; the key is the record's number, so that it numbers them as they are sorted here. */
const columns = ["name", "email", "phone", "company", "country"] as const;
/** Rows that are handed to DuckDB before it is told to store them. */
const FLUSH_ROWS = 10_000;

async function load(bench: Workbench, sorted: readonly IdentityRecord[]): Promise<void> {
  await bench.run(`CREATE TABLE input (source VARCHAR, key VARCHAR, ${columns.map(column => `${column} VARCHAR`).join(", ")})`);
  const appender = await bench.connection.createAppender("input");
  for (const [number, record] of sorted.entries()) {
    appender.appendVarchar("");
    appender.appendVarchar(String(number).padStart(10, "0"));
    for (const column of columns) {
      const value = record[column];
      if (value === null) appender.appendNull();
      else appender.appendVarchar(value);
    }
    appender.endRow();
    if ((number + 1) % FLUSH_ROWS === 0) appender.flushSync();
  }
  appender.closeSync();
}

/** Two records that carry the same explicit key, `<space>=<value>`. */
interface Tie {
  readonly pair: readonly [number, number];
  readonly key: string;
}

/** Neighbours among the records that carry the same explicit key, by key in code unit order. */
function explicitTies(sorted: readonly IdentityRecord[]): readonly Tie[] {
  const byKey = new Map<string, number[]>();
  for (const [number, record] of sorted.entries()) {
    const own = { space: record.collection, value: record.key };
    for (const { space, value } of [own, ...record.clues]) append(byKey, `${space}=${value}`, number);
  }
  return [...byKey]
    .sort(([a], [b]) => compareText(a, b))
    .flatMap(([key, holders]) => holders.slice(1).map((b, index) => ({ pair: [holders[index]!, b] as const, key })));
}

function append<T>(map: Map<string, T[]>, name: string, item: T): void {
  const items = map.get(name);
  if (items) items.push(item);
  else map.set(name, [item]);
}

/** The spaces in which a customer has one value: every explicit key, and a collection that holds one record a customer. */
function marksOf(record: IdentityRecord, onePerCustomer: ReadonlySet<string>): ReadonlyMap<string, string> {
  const own = onePerCustomer.has(record.collection) ? [[record.collection, record.key] as const] : [];
  return new Map([...record.clues.map(({ space, value }) => [space, value] as const), ...own]);
}
