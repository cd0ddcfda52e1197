import { customerIdOf } from "../core/ids.ts";
import { openBench, type Workbench } from "../mapping/bench.ts";
import { clusterPairs, type ClusterRules } from "./matching/cluster.ts";
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
export async function resolveIdentity(
  records: Iterable<IdentityRecord>,
  { onePerCustomer, decisions = [] }: IdentityRules,
): Promise<Cluster[]> {
  const sorted = [...records].sort((a, b) => compareText(recordId(a), recordId(b)));
  const pairs = await likePairs(sorted);
  const rules: ClusterRules = {
    leastWeight: linkWeight(),
    ...decidedPairs(sorted, decisions),
    ties: explicitTies(sorted),
    marksOf: number => marksOf(sorted[number]!, onePerCustomer),
  };
  const roots = clusterPairs(sorted.length, pairs, rules);
  const clusters = Map.groupBy(sorted.keys(), number => roots[number]!);
  // The smallest record stands for all, so that a new, larger member changes no id.
  return [...clusters].map(([root, members]) => ({
    id: customerIdOf(recordId(sorted[root]!)),
    members: members.map(number => sorted[number]!),
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

async function likePairs(sorted: readonly IdentityRecord[]) {
  if (sorted.length < 2) return [];
  const bench = await openBench(null);
  try {
    await load(bench, sorted);
    await scoreRecords(bench, fields, {});
    return await scoredPairs(bench);
  } finally {
    bench.close();
  }
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

/** Neighbours among the records that carry the same explicit key, by key in code unit order. */
function explicitTies(sorted: readonly IdentityRecord[]): (readonly [number, number])[] {
  const byKey = new Map<string, number[]>();
  for (const [number, record] of sorted.entries()) {
    const own = { space: record.collection, value: record.key };
    for (const { space, value } of [own, ...record.clues]) append(byKey, `${space}=${value}`, number);
  }
  return [...byKey]
    .sort(([a], [b]) => compareText(a, b))
    .flatMap(([, holders]) => holders.slice(1).map((b, index) => [holders[index]!, b] as const));
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
