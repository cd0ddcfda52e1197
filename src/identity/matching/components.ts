import type { Engine } from "./engine.ts";
import { compareAll, type Learnt, score } from "./estimate.ts";

/** Records that links may hang together for all their pairs to be looked at. */
const MAX_COMPONENT = 60;
const ROWS_AT_ONCE = 5_000;

/** Scores the pairs between records that links hang together and that no blocking rule brought, so that they have a say in the clusters. */
export async function completeComponents(
  engine: Engine,
  learnt: Learnt,
  { leastWeight, acrossOnly }: { leastWeight: number; acrossOnly: boolean },
): Promise<void> {
  const { estimates, records } = learnt;
  const links = await engine.rows(`SELECT a, b FROM scored WHERE weight >= ${leastWeight}`);
  const components = componentsOf(
    records,
    links.map(({ a, b }) => [Number(a), Number(b)] as const),
  );
  await engine.run("CREATE OR REPLACE TABLE component (root INTEGER, n INTEGER)");
  const rows = components.flatMap(members => members.map(n => `(${members[0]}, ${n})`));
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE)
    await engine.run(`INSERT INTO component VALUES ${rows.slice(at, at + ROWS_AT_ONCE).join(",")}`);
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

/** The records that links hang together, by more than one link and not too many; each by its smallest first. */
function componentsOf(records: number, links: readonly (readonly [number, number])[]): number[][] {
  const parent = Int32Array.from({ length: records }, (_, record) => record);
  const rootOf = (record: number): number => {
    let root = record;
    while (parent[root] !== root) root = parent[root] = parent[parent[root]!]!;
    return root;
  };
  for (const [a, b] of links) {
    const [one, two] = [rootOf(a), rootOf(b)];
    parent[Math.max(one, two)] = Math.min(one, two);
  }
  const linked = [...new Set(links.flat())].sort((a, b) => a - b);
  const members = Map.groupBy(linked, rootOf);
  return [...members.values()].filter(({ length }) => length > 2 && length <= MAX_COMPONENT);
}
