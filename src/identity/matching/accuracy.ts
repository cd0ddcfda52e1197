import type { Engine } from "./engine.ts";

/** How right clusters are: shares from 0 to 1. */
export interface Accuracy {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

const accuracy = (right: number, found: number, true_: number): Accuracy => {
  const precision = found === 0 ? 1 : right / found;
  const recall = true_ === 0 ? 1 : right / true_;
  return { precision, recall, f1: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall) };
};

/**
 * Holds the table `cluster` (source, key, cluster) against the table `truth` (source, key, entity). By pairs: two records of one entity in one
 * cluster are right. By clusters: a cluster is right when it is exactly an entity.
 */
export async function measureAccuracy(
  engine: Pick<Engine, "rows">,
): Promise<{ readonly pairs: Accuracy; readonly clusters: Accuracy }> {
  const number = async (sql: string) => Number((await engine.rows(`SELECT (${sql})::DOUBLE AS amount`))[0]?.["amount"] ?? 0);
  const pairsIn = (groups: string) =>
    number(
      `SELECT coalesce(sum(size * (size - 1) / 2), 0) FROM (SELECT count(*) AS size FROM cluster JOIN truth USING (source, key) GROUP BY ${groups})`,
    );
  const membersOf = (group: string) =>
    `SELECT list_sort(list(source || ':' || key)) AS members FROM cluster JOIN truth USING (source, key) GROUP BY ${group}`;
  const [right, found, true_] = [await pairsIn("cluster, entity"), await pairsIn("cluster"), await pairsIn("entity")];
  const exact = await number(`SELECT count(*) FROM (${membersOf("cluster")}) JOIN (${membersOf("entity")}) USING (members)`);
  const distinct = (column: string) => number(`SELECT count(DISTINCT ${column}) FROM cluster JOIN truth USING (source, key)`);
  return {
    pairs: accuracy(right, found, true_),
    clusters: accuracy(exact, await distinct("cluster"), await distinct("entity")),
  };
}
