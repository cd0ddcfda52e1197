import { named, quoted } from "../../mapping/sql-text.ts";
import { normalSteps } from "./comparison.ts";
import type { Engine } from "./engine.ts";
import type { Field } from "./model.ts";

/** Makes the table `numbered` out of `input` (source, key, and further columns): its rows with `n`, from 0 without gaps in the order of source and key. */
export const numberRecords = (engine: Engine): Promise<void> =>
  engine.run(
    "CREATE OR REPLACE TABLE numbered AS SELECT (row_number() OVER (ORDER BY source, key) - 1)::INTEGER AS n, * FROM input",
  );

/**
 * Makes the table `record` out of `numbered`: the fields in the form in which they are compared, and for each field as `same_<i>` how many records have the
 * same value.
 */
export async function prepareRecords(engine: Engine, fields: readonly Field[]): Promise<number> {
  // Not in one with the numbering: a window's rows leave it in one thread.
  await engine.run(`CREATE OR REPLACE TABLE normal AS ${normalSql(fields)}`);
  const counts = fields.map((_, index) => `same_${index}.records AS same_${index}`);
  const joins = fields.map(({ column }, index) => {
    const value = named(column);
    return `LEFT JOIN (SELECT ${value} AS value, count(*) AS records FROM normal WHERE ${value} IS NOT NULL GROUP BY value) AS same_${index}
      ON same_${index}.value = normal.${value}`;
  });
  await engine.run(`CREATE OR REPLACE TABLE record AS SELECT normal.*, ${counts.join(", ")} FROM normal ${joins.join(" ")}`);
  await engine.run("DROP TABLE normal");
  await engine.run("DROP TABLE numbered");
  const [row] = await engine.rows("SELECT count(*) AS records FROM record");
  return Number(row?.["records"]);
}

/** The fields of the table `numbered` in the form in which they are compared. */
function normalSql(fields: readonly Field[]): string {
  const steps = fields.map(({ kind }) => normalSteps(kind));
  let from = "numbered";
  for (let step = 0; step < Math.max(1, ...steps.map(({ length }) => length)); step++) {
    const columns = fields.map(({ column }, index) => {
      const name = named(column);
      return `${steps[index]![step]?.(name) ?? name} AS ${name}`;
    });
    from = `(SELECT n, source, key, ${columns.join(", ")} FROM ${from})`;
  }
  return `FROM ${from}`;
}

/** Puts one file into `input`; the first that is there creates it. CSV is read as text, without guessing types. */
export async function loadFile(
  engine: Engine,
  file: string,
  source: string,
  keyColumn: string | undefined,
): Promise<readonly string[]> {
  const reader = /\.parquet$/i.test(file)
    ? `read_parquet(${quoted(file)})`
    : `read_csv(${quoted(file)}, all_varchar = true, header = true)`;
  const described = await engine.rows(`DESCRIBE SELECT * FROM ${reader}`);
  const columns = described.map(row => String(row["column_name"]));
  const key = keyColumn ?? columns.find(column => /^(id|rec_id|record_id|unique_id)$/i.test(column.trim()));
  const keySql = key === undefined ? "(row_number() OVER ())::VARCHAR" : `${named(key)}::VARCHAR`;
  const kept = columns.filter(column => column !== key);
  const texts = kept.map(column => `${named(column)}::VARCHAR AS ${named(column.trim())}`);
  await engine.run(
    `CREATE TEMP TABLE loaded AS SELECT ${quoted(source)} AS source, trim(${keySql}) AS key, ${texts.join(", ")} FROM ${reader}`,
  );
  await engine.run("CREATE TABLE IF NOT EXISTS input AS SELECT * FROM loaded LIMIT 0");
  await engine.run("INSERT INTO input BY NAME SELECT * FROM loaded");
  await engine.run("DROP TABLE loaded");
  return kept.map(column => column.trim());
}
