import type { Pairs, ScoredPairs } from "./cluster.ts";
import type { Engine } from "./engine.ts";
import { compareAll, type Learnt, score } from "./estimate.ts";

/** Records that links may hang together for all their pairs to be looked at. */
const MAX_COMPONENT = 60;

/** Scores the pairs between records that links hang together and that no blocking rule brought, so that they have a say in the clusters. */
export async function completeComponents(
  engine: Engine,
  learnt: Learnt,
  { leastWeight, acrossOnly }: { leastWeight: number; acrossOnly: boolean },
): Promise<void> {
  const { estimates, records } = learnt;
  const [a, b] = (await engine.columns(`SELECT a, b FROM scored WHERE weight >= ${leastWeight}`)) as [Int32Array, Int32Array];
  const [roots, members] = componentsOf(records, { a, b });
  await engine.run("CREATE OR REPLACE TABLE component (root INTEGER, n INTEGER)");
  await engine.append("component", [roots, members]);
  const across = acrossOnly
    ? "JOIN record AS one ON one.n = l.n JOIN record AS two ON two.n = r.n AND one.source <> two.source"
    : "";
  await engine.run(`
    CREATE OR REPLACE TABLE missing_pair AS
    SELECT l.n AS a, r.n AS b FROM component AS l JOIN component AS r ON l.root = r.root AND l.n < r.n ${across}
    ANTI JOIN pair ON pair.a = l.n AND pair.b = r.n`);
  await compareAll(
    engine,
    estimates.map(({ field }) => field),
    "missing_pair",
    "missing_gamma",
  );
  await score(engine, learnt, "missing_gamma", "missing_scored");
  await engine.run("INSERT INTO scored SELECT * FROM missing_scored");
}

/** The records that links hang together, more than two and not too many: for each the smallest of its component, and the record itself. */
function componentsOf(records: number, { a, b }: Pairs): [roots: Int32Array, members: Int32Array] {
  const parent = Int32Array.from({ length: records }, (_, record) => record);
  const rootOf = (record: number): number => {
    let root = record;
    while (parent[root] !== root) root = parent[root] = parent[parent[root]!]!;
    return root;
  };
  for (let at = 0; at < a.length; at++) {
    const [one, two] = [rootOf(a[at]!), rootOf(b[at]!)];
    parent[Math.max(one, two)] = Math.min(one, two);
  }
  const sizes = new Int32Array(records);
  for (let record = 0; record < records; record++) sizes[rootOf(record)]!++;
  const isLooked = (record: number) => sizes[rootOf(record)]! > 2 && sizes[rootOf(record)]! <= MAX_COMPONENT;
  const members = parent.map((_, record) => record).filter(isLooked);
  return [members.map(rootOf), members];
}

/** The scored pairs that matter, best first: those that speak against being one entity do so only between records that something speaks for. */
export async function scoredPairs(engine: Engine, leastWeight: number): Promise<ScoredPairs> {
  const [a, b, weight] = (await engine.columns(`
    WITH linked AS (SELECT a AS n FROM scored WHERE weight >= ${leastWeight} UNION SELECT b FROM scored WHERE weight >= ${leastWeight})
    SELECT a, b, weight FROM scored WHERE a IN (FROM linked) AND b IN (FROM linked) ORDER BY weight DESC, a, b`)) as [
    Int32Array,
    Int32Array,
    Float64Array,
  ];
  return { a, b, weight };
}
