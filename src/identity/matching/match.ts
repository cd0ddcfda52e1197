import { named } from "../../mapping/sql-text.ts";
import { type BlockingRule, chooseRules, collectPairs, declaredRules } from "./candidates.ts";
import { clusterPairs, type ClusterRules, type ScoredPair } from "./cluster.ts";
import { completeComponents } from "./components.ts";
import type { Engine } from "./engine.ts";
import {
  compareAll,
  estimateChance,
  estimateMatches,
  estimatePrior,
  type FieldEstimate,
  type Learnt,
  score,
} from "./estimate.ts";
import type { Field, MatchModel } from "./model.ts";
import { prepareRecords } from "./prepare.ts";
import { inferFields } from "./profile.ts";

/** How records were compared, and the model that was learnt from them. */
export interface Scoring {
  readonly records: number;
  /** Pairs that were looked at. */
  readonly pairs: number;
  readonly fields: readonly FieldEstimate[];
  readonly blocking: readonly string[];
  /** Log-odds (base 2) that two records of all are one entity. */
  readonly prior: number;
}

/** How a matching run went. */
export interface MatchReport extends Scoring {
  /** Pairs from the threshold on. */
  readonly links: number;
  readonly clusters: number;
}

const DEFAULT_THRESHOLD = 0.9;
const MAX_RULES = 14;

/** The weight, in bits, from which on a pair links. */
export const linkWeight = (threshold = DEFAULT_THRESHOLD): number => Math.log2(threshold / (1 - threshold));

/**
 * Compares the records of `input` (source, key, and columns as text) and leaves the pairs that were looked at as the table `scored` (a, b, weight), by
 * the records' numbers in the order of source and key. Needs no labels: what agreement means is learnt from the records.
 */
export async function scoreRecords(
  engine: Engine,
  fields: readonly Field[],
  { blocking, threshold, isEachInputUnique: acrossOnly = false }: MatchModel,
): Promise<Scoring> {
  const records = await prepareRecords(engine, fields);
  const rules = blocking ? declaredRules(blocking) : await chooseRules(engine, fields, records, MAX_RULES);
  const pairs = await collectPairs(engine, rules, acrossOnly);
  const learnt = await learn(engine, fields, rules, records);
  await score(engine, learnt, "gamma", "scored");
  await completeComponents(engine, learnt, { leastWeight: linkWeight(threshold), acrossOnly });
  return { records, pairs, fields: learnt.estimates, blocking: rules.map(({ name }) => name), prior: learnt.prior };
}

async function learn(engine: Engine, fields: readonly Field[], rules: readonly BlockingRule[], records: number): Promise<Learnt> {
  await compareAll(engine, fields, "pair", "gamma");
  const chances = await estimateChance(engine, fields);
  const estimates = await estimateMatches(engine, fields, chances, rules);
  return { estimates, prior: await estimatePrior(engine, estimates, records), records };
}

/** The scored pairs that matter: those that speak against being one entity do so only between records that something speaks for. */
export async function scoredPairs(engine: Engine, leastWeight = linkWeight()): Promise<ScoredPair[]> {
  const rows = await engine.rows(`
    WITH linked AS (SELECT a AS n FROM scored WHERE weight >= ${leastWeight} UNION SELECT b FROM scored WHERE weight >= ${leastWeight})
    SELECT a, b, weight FROM scored WHERE a IN (FROM linked) AND b IN (FROM linked)`);
  return rows.map(row => ({ a: Number(row["a"]), b: Number(row["b"]), weight: Number(row["weight"]) }));
}

/** Finds the records of `input` that are one entity and leaves them as the table `cluster` (source, key, cluster). */
export async function matchRecords(engine: Engine, columns: readonly string[], model: MatchModel): Promise<MatchReport> {
  const usable = columns.filter(column => ![...(model.ignore ?? []), ...(model.keys ?? [])].includes(column));
  const fields = model.fields ?? (await inferFields(engine, "input", usable));
  const scoring = await scoreRecords(engine, fields, model);
  const leastWeight = linkWeight(model.threshold);
  const pairs = await scoredPairs(engine, leastWeight);
  const clusters = clusterPairs(scoring.records, pairs, { leastWeight, ...(await certainties(engine, model)) });
  await storeClusters(engine, clusters);
  const links = pairs.filter(({ weight }) => weight >= leastWeight).length;
  return { ...scoring, links, clusters: new Set(clusters).size };
}

/** Records with the same value of a key are tied; an entity has one value of each key, and one record of an input that is unique. */
async function certainties(
  engine: Engine,
  { keys = [], isEachInputUnique = false }: MatchModel,
): Promise<Omit<ClusterRules, "leastWeight">> {
  const ties: [number, number][] = [];
  const marks = new Map<number, Map<string, string>>();
  const mark = (record: number, space: string, value: string) => {
    const known = marks.get(record);
    if (known) known.set(space, value);
    else marks.set(record, new Map([[space, value]]));
  };
  for (const key of keys) {
    const rows = await engine.rows(`
      SELECT record.n, trim(${named(key)}) AS value FROM input JOIN record USING (source, key) WHERE trim(${named(key)}) <> '' ORDER BY value, record.n`);
    for (const [index, row] of rows.entries()) {
      mark(Number(row["n"]), `key ${key}`, String(row["value"]));
      const before = rows[index - 1];
      if (before?.["value"] === row["value"]) ties.push([Number(before?.["n"]), Number(row["n"])]);
    }
  }
  if (isEachInputUnique) {
    for (const row of await engine.rows("SELECT n, source FROM record"))
      mark(Number(row["n"]), `input ${row["source"]}`, String(row["n"]));
  }
  return { ties, marksOf: record => marks.get(record) };
}

async function storeClusters(engine: Engine, clusters: Int32Array): Promise<void> {
  await engine.run("CREATE OR REPLACE TABLE assigned (n INTEGER, root INTEGER)");
  const merged: string[] = [];
  for (const [n, root] of clusters.entries()) if (n !== root) merged.push(`(${n},${root})`);
  for (let at = 0; at < merged.length; at += 10_000)
    await engine.run(`INSERT INTO assigned VALUES ${merged.slice(at, at + 10_000).join(",")}`);
  await engine.run(`
    CREATE OR REPLACE TABLE cluster AS
    SELECT record.source, record.key, first_of.source || ':' || first_of.key AS cluster
    FROM record LEFT JOIN assigned ON assigned.n = record.n JOIN record AS first_of ON first_of.n = coalesce(assigned.root, record.n)`);
}
