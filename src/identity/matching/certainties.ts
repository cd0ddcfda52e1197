import type { ClusterRules, Marks, Pairs } from "./cluster.ts";
import type { Engine } from "./engine.ts";

/** Makes the table `held`, to be filled: which record, by its number, has which value in which space, and whether an entity has one value at most there. */
export const prepareHeld = (engine: Engine): Promise<void> =>
  engine.run("CREATE OR REPLACE TABLE held (n INTEGER, space VARCHAR, value VARCHAR, is_mark BOOLEAN)");

/**
 * Records with the same value in a space of `held` are tied, neighbours by number, and kept as the table `tie` (a, b, key: `<space>=<value>`); an entity has one
 * value at most in a space of marks.
 */
export async function certaintiesIn(engine: Engine): Promise<Pick<ClusterRules, "ties" | "marks">> {
  await engine.run(`
    CREATE OR REPLACE TABLE holder AS
    SELECT space, value, count(DISTINCT n) AS holders FROM held GROUP BY space, value`);
  await engine.run(`
    CREATE OR REPLACE TABLE tie AS
    SELECT lag(n) OVER (PARTITION BY key ORDER BY n) AS a, n AS b, key
    FROM (SELECT DISTINCT n, space || '=' || value AS key FROM held JOIN holder USING (space, value) WHERE holders > 1)
    QUALIFY a IS NOT NULL`);
  const [a, b] = await engine.columns("SELECT a, b FROM tie ORDER BY key, b");
  const [record, space, value] = await engine.columns(`
    SELECT DISTINCT n, number::INTEGER, holder.rowid::INTEGER FROM held JOIN holder USING (space, value)
    JOIN (SELECT space, row_number() OVER (ORDER BY space) AS number FROM (SELECT DISTINCT space FROM held)) USING (space)
    WHERE is_mark`);
  await engine.run("DROP TABLE held");
  await engine.run("DROP TABLE holder");
  return { ties: { a, b } as Pairs, marks: { record, space, value } as Marks };
}
