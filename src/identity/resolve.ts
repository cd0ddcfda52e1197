import { LIST, STRUCT, structValue, VARCHAR } from "@duckdb/node-api";
import { openBench, type Workbench } from "../mapping/bench.ts";
import { quoted } from "../mapping/sql-text.ts";
import { agreementSql } from "./matching/agreements.ts";
import { certaintiesIn, prepareHeld } from "./matching/certainties.ts";
import { clusterPairs, type ClusterRules, mergedBy, type MergedBy, type Pairs } from "./matching/cluster.ts";
import { scoredPairs } from "./matching/components.ts";
import { linkWeight, scoreRecords } from "./matching/match.ts";
import type { Field } from "./matching/model.ts";
import { numberRecords } from "./matching/prepare.ts";

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

/** What `resolveTables` reads: a row for each record, its explicit keys as a list. */
export const INPUT_COLUMNS =
  "source VARCHAR, key VARCHAR, name VARCHAR, email VARCHAR, phone VARCHAR, company VARCHAR, country VARCHAR, clues STRUCT(space VARCHAR, value VARCHAR)[]";

/**
 * Puts records together by people's decisions, by explicit keys, then by how alike they are: the weights are learnt from the records. Two records of a collection that holds
 * one record a customer, or two values in one key space, are never in one cluster. The result does not depend on the order of the records.
 *
 * Reads the table `input` (see `INPUT_COLUMNS`; the source is the collection's id), and leaves the tables `member` (collection, key, customer_id, and the position of the record
 * among those of its customer) and `identity_edges` (a, b, rule, evidence, weight): why two records, each as `<collection>:<key>`, are one customer. The edges of a customer make a tree: between
 * two members there is one path. A customer's id is a function of its smallest record alone, so that a new, larger member changes no id. Returns how many customers there are.
 */
export async function resolveTables(bench: Workbench, { onePerCustomer, decisions = [] }: IdentityRules): Promise<number> {
  await numberRecords(bench);
  await bench.run("DROP TABLE input");
  await holdKeys(bench, onePerCustomer);
  const decided = await decidedPairs(bench, decisions);
  const certain = await certaintiesIn(bench);
  const { records } = await scoreRecords(bench, fields, {});
  const { roots, merges } = clusterPairs(records, await scoredPairs(bench, linkWeight()), {
    leastWeight: linkWeight(),
    ...decided,
    ...certain,
  });
  await bench.run("CREATE TABLE assigned (n INTEGER, root INTEGER, position INTEGER)");
  await bench.append("assigned", [roots.map((_, n) => n), roots, positionsIn(roots)]);
  await bench.run("CREATE TABLE merged (a INTEGER, b INTEGER, rule INTEGER, weight DOUBLE)");
  await bench.append("merged", [merges.a, merges.b, merges.by, merges.weight]);
  await bench.run(`
    CREATE TABLE member AS
    SELECT record.source AS collection, record.key, customer_id, position
    FROM assigned JOIN record USING (n) JOIN (
      SELECT n AS root, 'cst_' || left(sha256(source || ':' || key), 20) AS customer_id FROM assigned JOIN record USING (n) WHERE position = 0
    ) USING (root)`);
  await keepEdges(bench);
  for (const table of working) await bench.run(`DROP TABLE IF EXISTS ${table}`);
  return records - merges.a.length;
}

/** Where each record stands among those with its root, from 0. */
function positionsIn(roots: Int32Array): Int32Array {
  const members = new Int32Array(roots.length);
  return roots.map(root => members[root]!++);
}

/** What is left of the work. */
const working = [
  "record",
  "pair",
  "gamma",
  "sampled",
  "sampled_gamma",
  "scored",
  "component",
  "missing_pair",
  "missing_gamma",
  "missing_scored",
  "tie",
  "assigned",
  "merged",
];

/** Explicit keys, and each record's own: another record may refer to it. A customer has one value of an explicit key, and one record of a collection that says so. */
async function holdKeys(bench: Workbench, onePerCustomer: ReadonlySet<string>): Promise<void> {
  await prepareHeld(bench);
  const single = [...onePerCustomer].map(quoted).join(", ");
  const isSingle = single === "" ? "false" : `source IN (${single})`;
  await bench.run(`INSERT INTO held SELECT n, source, key, ${isSingle} FROM numbered`);
  await bench.run(
    "INSERT INTO held SELECT n, clue.space, clue.value, true FROM (SELECT n, unnest(clues) AS clue FROM numbered WHERE len(clues) > 0)",
  );
}

/** Decisions about records that are not there (any more) wait for them. */
async function decidedPairs(bench: Workbench, decisions: readonly Decision[]): Promise<Pick<ClusterRules, "forced" | "apart">> {
  if (decisions.length === 0) return {};
  const rows = decisions.map(({ type, a, b }, index) => `(${index}, ${quoted(type)}, ${quoted(a)}, ${quoted(b)})`);
  const pairsOf = async (type: Decision["type"]) => {
    const [a, b] = await bench.columns(`
      SELECT one.n AS a, two.n AS b FROM (VALUES ${rows.join(", ")}) AS decision (place, type, one, two)
      JOIN numbered AS one ON one.source || ':' || one.key = decision.one JOIN numbered AS two ON two.source || ':' || two.key = decision.two
      WHERE type = ${quoted(type)} ORDER BY place`);
    return { a, b } as Pairs;
  };
  return { forced: await pairsOf("link"), apart: await pairsOf("unlink") };
}

async function keepEdges(bench: Workbench): Promise<void> {
  const id = (record: string) => `${record}.source || ':' || ${record}.key`;
  await bench.run("CREATE TABLE identity_edges (a VARCHAR, b VARCHAR, rule VARCHAR, evidence VARCHAR, weight VARCHAR)");
  const keep = (rule: MergedBy, { evidence, weight, of = "" }: { evidence: string; weight: string; of?: string }) =>
    bench.run(`
      INSERT INTO identity_edges
      SELECT least(${id("l")}, ${id("r")}), greatest(${id("l")}, ${id("r")}), ${quoted(rule)}, ${evidence}, ${weight}
      FROM (FROM merged WHERE rule = ${mergedBy.indexOf(rule)}) AS merged
      JOIN record AS l ON l.n = merged.a JOIN record AS r ON r.n = merged.b ${of}`);
  await keep("decision", { evidence: "NULL", weight: "NULL" });
  const ties = "JOIN (SELECT a, b, max(key) AS key FROM tie GROUP BY a, b) AS tied USING (a, b)";
  await keep("key", { evidence: "tied.key", weight: "NULL", of: ties });
  const levels = "JOIN (FROM gamma UNION ALL BY NAME FROM missing_gamma) AS level USING (a, b)";
  const evidence = `nullif(${agreementSql(fields)}, '')`;
  await keep("likeness", { evidence, weight: "printf('%.3f', merged.weight)", of: levels });
}

/** The same for records at hand: their clusters, each sorted by collection, then key. */
export async function resolveIdentity(
  records: Iterable<IdentityRecord>,
  identityRules: IdentityRules,
): Promise<readonly Cluster[]> {
  const byId = new Map<string, IdentityRecord>();
  const bench = await openBench(null);
  try {
    await bench.run(`CREATE TABLE input (${INPUT_COLUMNS})`);
    await load(bench, records, byId);
    await resolveTables(bench, identityRules);
    const members = await bench.rows(
      "SELECT customer_id, collection || ':' || key AS record FROM member ORDER BY customer_id, position",
    );
    const clusters = Map.groupBy(members, ({ customer_id: id }) => id ?? "");
    return [...clusters].map(([id, rows]) => ({ id, members: rows.map(({ record }) => byId.get(record ?? "")!) }));
  } finally {
    bench.close();
  }
}

/** Rows that are handed to DuckDB before it is told to store them. */
const FLUSH_ROWS = 10_000;
const texts = ["collection", "key", "name", "email", "phone", "company", "country"] as const;
const cluesType = LIST(STRUCT({ space: VARCHAR, value: VARCHAR }));

async function load(bench: Workbench, records: Iterable<IdentityRecord>, byId: Map<string, IdentityRecord>): Promise<void> {
  const appender = await bench.connection.createAppender("input");
  for (const record of records) {
    byId.set(`${record.collection}:${record.key}`, record);
    for (const column of texts) {
      const value = record[column];
      if (value === null) appender.appendNull();
      else appender.appendVarchar(value);
    }
    appender.appendList(
      record.clues.map(clue => structValue({ ...clue })),
      cluesType,
    );
    appender.endRow();
    if (byId.size % FLUSH_ROWS === 0) appender.flushSync();
  }
  appender.closeSync();
}
