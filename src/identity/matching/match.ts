import { named, quoted } from "../../mapping/sql-text.ts";
import { type BlockingRule, chooseRules, collectPairs, declaredRules } from "./candidates.ts";
import { certaintiesIn, prepareHeld } from "./certainties.ts";
import { clusterPairs, type ClusterRules } from "./cluster.ts";
import { completeComponents, scoredPairs } from "./components.ts";
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
import { numberRecords, prepareRecords } from "./prepare.ts";
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
 * Compares the records of `numbered` (n, source, key, and columns as text), which it drops, and leaves the pairs that were looked at as the table `scored` (a, b, weight), by
 * the records' numbers in the order of source and key. Needs no labels: what agreement means is learnt from the records.
 */
export async function scoreRecords(
  engine: Engine,
  fields: readonly Field[],
  { blocking, threshold, isEachInputUnique: acrossOnly = false }: MatchModel,
): Promise<Scoring> {
  const records = await prepareRecords(engine, fields);
  const rules = blocking ? declaredRules(fields, blocking) : await chooseRules(engine, fields, records, MAX_RULES);
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

/** Finds the records of `input` that are one entity and leaves them as the table `cluster` (source, key, cluster). */
export async function matchRecords(engine: Engine, columns: readonly string[], model: MatchModel): Promise<MatchReport> {
  const usable = columns.filter(column => ![...(model.ignore ?? []), ...(model.keys ?? [])].includes(column));
  const fields = model.fields ?? (await inferFields(engine, "input", usable));
  await numberRecords(engine);
  const certain = await certainties(engine, model);
  const scoring = await scoreRecords(engine, fields, model);
  const leastWeight = linkWeight(model.threshold);
  const pairs = await scoredPairs(engine, leastWeight);
  const { roots } = clusterPairs(scoring.records, pairs, { leastWeight, ...certain });
  await storeClusters(engine, roots);
  const links = pairs.weight.reduce((sum, weight) => (weight >= leastWeight ? sum + 1 : sum), 0);
  return { ...scoring, links, clusters: new Set(roots).size };
}

/** Records with the same value of a key are tied; an entity has one value of each key, and one record of an input that is unique. */
async function certainties(
  engine: Engine,
  { keys = [], isEachInputUnique = false }: MatchModel,
): Promise<Pick<ClusterRules, "ties" | "marks">> {
  await prepareHeld(engine);
  for (const key of keys) {
    const value = `trim(${named(key)})`;
    await engine.run(`INSERT INTO held SELECT n, ${quoted(`key ${key}`)}, ${value}, true FROM numbered WHERE ${value} <> ''`);
  }
  if (isEachInputUnique) await engine.run("INSERT INTO held SELECT n, 'input ' || source, n::VARCHAR, true FROM numbered");
  return certaintiesIn(engine);
}

async function storeClusters(engine: Engine, roots: Int32Array): Promise<void> {
  await engine.run("CREATE OR REPLACE TABLE assigned (n INTEGER, root INTEGER)");
  await engine.append("assigned", [roots.map((_, n) => n), roots]);
  await engine.run(`
    CREATE OR REPLACE TABLE cluster AS
    SELECT record.source, record.key, first_of.source || ':' || first_of.key AS cluster
    FROM record JOIN assigned USING (n) JOIN record AS first_of ON first_of.n = assigned.root`);
}
