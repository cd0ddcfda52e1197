import { RequestError } from "../core/errors.ts";
import { type Accuracy, measureAccuracy } from "../identity/matching/accuracy.ts";
import { quoted } from "../mapping/sql-text.ts";
import { type DatasetBench, findDataset, openDataset } from "./dataset-reader.ts";

/** A record and whom it is about in truth. */
export interface TrueRecord {
  readonly source: string;
  readonly collection: string;
  readonly key: string;
  /** The same text for all records of one person. */
  readonly person: string;
}

/** How right a dataset is about who is who, over the records that both it and the truth know. */
export interface Evaluation {
  readonly version: string;
  readonly records: number;
  readonly customers: number;
  readonly people: number;
  /** By pairs of records: two of one person in one customer are right. */
  readonly pairs: Accuracy;
  /** By customers: one is right when it is exactly a person. */
  readonly clusters: Accuracy;
  /** Records of the dataset that the truth does not know, and the other way round. They count nowhere else. */
  readonly unknown: { readonly toTruth: number; readonly toDataset: number };
  /** Some of what is wrong: customers that are several people, and people who are several customers. */
  readonly wrong: {
    readonly merged: readonly { readonly customer: string; readonly people: number; readonly records: readonly string[] }[];
    readonly split: readonly { readonly person: string; readonly customers: readonly string[] }[];
  };
}

const ROWS_AT_ONCE = 5_000;
const MOST_SHOWN = 10;
const BOTH = "cluster JOIN truth USING (source, key)";

/** Holds a dataset's identities against the truth. Throws `REQUEST_INVALID` when there is no such dataset, or nothing that both know. */
export async function evaluate(home: string, truth: readonly TrueRecord[], version?: string): Promise<Evaluation> {
  const dataset = await findDataset(home, version);
  const bench = await openDataset(dataset);
  try {
    await bench.run("CREATE TABLE truth (source VARCHAR, key VARCHAR, entity VARCHAR)");
    for (let start = 0; start < truth.length; start += ROWS_AT_ONCE) {
      const rows = truth
        .slice(start, start + ROWS_AT_ONCE)
        .map(({ source, collection, key, person }) => `(${[`${source}.${collection}`, key, person].map(quoted).join(", ")})`);
      await bench.run(`INSERT INTO truth VALUES ${rows.join(", ")}`);
    }
    await bench.run(
      `CREATE TABLE cluster AS SELECT source || '.' || collection AS source, key, customer_id AS cluster FROM identities`,
    );
    const number = async (sql: string) => Number((await bench.rows(`SELECT (${sql})::DOUBLE AS amount`))[0]?.["amount"] ?? 0);
    const records = await number(`SELECT count(*) FROM ${BOTH}`);
    if (records === 0)
      throw new RequestError("REQUEST_INVALID", `the truth knows none of the records of dataset ${dataset.manifest.version}`);
    return {
      version: dataset.manifest.version,
      records,
      customers: await number(`SELECT count(DISTINCT cluster) FROM ${BOTH}`),
      people: await number(`SELECT count(DISTINCT entity) FROM ${BOTH}`),
      ...(await measureAccuracy(bench)),
      unknown: {
        toTruth: await number("SELECT count(*) FROM cluster ANTI JOIN truth USING (source, key)"),
        toDataset: await number("SELECT count(*) FROM truth ANTI JOIN cluster USING (source, key)"),
      },
      wrong: { merged: await mergedIn(bench), split: await splitIn(bench) },
    };
  } finally {
    await bench.close();
  }
}

async function mergedIn(bench: Pick<DatasetBench, "rows">): Promise<Evaluation["wrong"]["merged"]> {
  const rows = await bench.rows(
    `SELECT cluster, count(DISTINCT entity) AS people, to_json(list_sort(list(source || ':' || key)))::VARCHAR AS records
     FROM ${BOTH} GROUP BY cluster HAVING count(DISTINCT entity) > 1 ORDER BY cluster LIMIT ${MOST_SHOWN}`,
  );
  return rows.map(({ cluster, people, records }) => ({
    customer: String(cluster),
    people: Number(people),
    records: textsIn(records),
  }));
}

async function splitIn(bench: Pick<DatasetBench, "rows">): Promise<Evaluation["wrong"]["split"]> {
  const rows = await bench.rows(
    `SELECT entity, to_json(list_sort(list(DISTINCT cluster)))::VARCHAR AS customers
     FROM ${BOTH} GROUP BY entity HAVING count(DISTINCT cluster) > 1 ORDER BY entity LIMIT ${MOST_SHOWN}`,
  );
  return rows.map(({ entity, customers }) => ({ person: String(entity), customers: textsIn(customers) }));
}

const textsIn = (json: unknown): readonly string[] => JSON.parse(String(json)) as readonly string[];
