import { named } from "../../mapping/sql-text.ts";
import { chooseRules, collectPairs, declaredRules, type BlockingRule } from "./candidates.ts";
import { clusterPairs, type ClusterRules, type ScoredPair } from "./cluster.ts";
import type { Engine } from "./engine.ts";
import { compareAll, estimateChance, estimateMatches, estimatePrior, type FieldEstimate, score } from "./estimate.ts";
import type { Field, MatchModel } from "./model.ts";
import { prepareRecords } from "./prepare.ts";
import { inferFields } from "./profile.ts";

/** How a matching run went, and the model that it learnt. */
export interface MatchReport {
  readonly records: number;
  readonly pairs: number;
  readonly links: number;
  readonly clusters: number;
  readonly fields: readonly FieldEstimate[];
  readonly blocking: readonly string[];
  /** Log-odds (base 2) that two records of all are one entity. */
  readonly prior: number;
}

const DEFAULT_THRESHOLD = 0.9;
const MAX_RULES = 14;
/** Records that links may hang together for all their pairs to be looked at. */
const MAX_COMPONENT = 60;

/**
 * Finds the records of `input` (source, key, columns as text) that are one entity and leaves them as the table `cluster` (source, key,
 * cluster). Needs no labels: what agreement means is learnt from the records.
 */
export async function matchRecords(engine: Engine, columns: readonly string[], model: MatchModel): Promise<MatchReport> {
  const usable = columns.filter(column => ![...(model.ignore ?? []), ...(model.keys ?? [])].includes(column));
  const fields = model.fields ?? (await inferFields(engine, "input", usable));
  const records = await prepareRecords(engine, fields);
  const rules = model.blocking ? declaredRules(model.blocking) : await chooseRules(engine, fields, records, MAX_RULES);
  const acrossOnly = model.isEachInputUnique === true;
  const pairs = await collectPairs(engine, rules, acrossOnly);
  const { estimates, prior } = await learn(engine, fields, rules, records);
  await score(engine, estimates, prior, "gamma", "scored");
  const leastWeight = Math.log2((model.threshold ?? DEFAULT_THRESHOLD) / (1 - (model.threshold ?? DEFAULT_THRESHOLD)));
  await completeComponents(engine, { fields, estimates, prior, leastWeight, records, acrossOnly });
  const certain = await certainties(engine, { keys: model.keys ?? [], isEachInputUnique: acrossOnly });
  const { links, clusters } = await cluster(engine, records, { leastWeight, ...certain });
  return { records, pairs, links, clusters, fields: estimates, blocking: rules.map(({ name }) => name), prior };
}

async function learn(engine: Engine, fields: readonly Field[], rules: readonly BlockingRule[], records: number) {
  await compareAll(engine, fields, "pair", "gamma");
  const chances = await estimateChance(engine, fields);
  const estimates = await estimateMatches(engine, fields, chances, rules);
  return { estimates, prior: await estimatePrior(engine, estimates, records) };
}

interface Learnt {
  readonly fields: readonly Field[];
  readonly estimates: readonly FieldEstimate[];
  readonly prior: number;
  readonly leastWeight: number;
  readonly records: number;
  readonly acrossOnly: boolean;
}

/** Scores the pairs between records that links hang together and that no blocking rule brought, so that they have a say in the clusters. */
async function completeComponents(
  engine: Engine,
  { fields, estimates, prior, leastWeight, records, acrossOnly }: Learnt,
): Promise<void> {
  const links = await engine.rows(`SELECT a, b FROM scored WHERE weight >= ${leastWeight}`);
  const parent = Int32Array.from({ length: records }, (_, record) => record);
  const rootOf = (record: number): number => {
    let root = record;
    while (parent[root] !== root) root = parent[root] = parent[parent[root]!]!;
    return root;
  };
  for (const link of links) {
    const [a, b] = [rootOf(Number(link["a"])), rootOf(Number(link["b"]))];
    parent[Math.max(a, b)] = Math.min(a, b);
  }
  const members = new Map<number, number[]>();
  for (const link of links)
    for (const name of ["a", "b"]) {
      const record = Number(link[name]);
      const root = rootOf(record);
      const known = members.get(root);
      if (known) known.push(record);
      else members.set(root, [record]);
    }
  const rows: string[] = [];
  for (const [root, all] of members) {
    const distinct = [...new Set(all)];
    if (distinct.length > 2 && distinct.length <= MAX_COMPONENT) for (const record of distinct) rows.push(`(${root}, ${record})`);
  }
  await engine.run("CREATE OR REPLACE TABLE component (root INTEGER, n INTEGER)");
  for (let at = 0; at < rows.length; at += 5_000)
    await engine.run(`INSERT INTO component VALUES ${rows.slice(at, at + 5_000).join(",")}`);
  await engine.run(`
    CREATE OR REPLACE TABLE missing_pair AS
    SELECT l.n AS a, r.n AS b FROM component AS l JOIN component AS r ON l.root = r.root AND l.n < r.n
    ANTI JOIN pair ON pair.a = l.n AND pair.b = r.n`);
  if (acrossOnly)
    await engine.run(
      "DELETE FROM missing_pair WHERE (SELECT source FROM record WHERE n = a) = (SELECT source FROM record WHERE n = b)",
    );
  await compareAll(engine, fields, "missing_pair", "missing_gamma");
  await score(engine, estimates, prior, "missing_gamma", "missing_scored");
  await engine.run("INSERT INTO scored SELECT * FROM missing_scored");
}

/** Pairs that speak against being one entity matter only between records that something speaks for. */
async function cluster(engine: Engine, records: number, rules: ClusterRules) {
  const { leastWeight } = rules;
  const rows = await engine.rows(`
    WITH linked AS (SELECT a AS n FROM scored WHERE weight >= ${leastWeight} UNION SELECT b FROM scored WHERE weight >= ${leastWeight})
    SELECT a, b, weight FROM scored WHERE a IN (FROM linked) AND b IN (FROM linked)`);
  const pairs: ScoredPair[] = rows.map(row => ({ a: Number(row["a"]), b: Number(row["b"]), weight: Number(row["weight"]) }));
  const clusters = clusterPairs(records, pairs, rules);
  await storeClusters(engine, clusters);
  return { links: pairs.filter(({ weight }) => weight >= leastWeight).length, clusters: new Set(clusters).size };
}

/** Records with the same value of a key are tied; an entity has one value of each key, and one record of an input that is unique. */
async function certainties(
  engine: Engine,
  { keys, isEachInputUnique }: { keys: readonly string[]; isEachInputUnique: boolean },
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
