import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { type Json, parseJson } from "../../../src/core/json.ts";
import { canonicalText } from "../../../src/mapping/canonical-text.ts";
import { compileMapping } from "../../../src/mapping/compile-js.ts";
import { compileQuery, compileSql, type SqlMapping } from "../../../src/mapping/compile-sql.ts";
import { registerFunctions } from "../../../src/mapping/functions.ts";
import { recordText } from "../../../src/mapping/record-text.ts";
import { named } from "../../../src/mapping/sql-text.ts";
import type { Collection } from "../../../src/source/collection.ts";
import type { RuleData } from "../../../src/source/rule.ts";

/** What one form made of one record: canonical text and issue code by field, and its clues by space. */
export interface Outcome {
  readonly values: Readonly<Record<string, string | null>>;
  readonly issues: Readonly<Record<string, string | null>>;
  readonly clues: Readonly<Record<string, string | null>>;
}

/** A collection of nothing but a mapping. */
export const mapped = (map: Readonly<Record<string, RuleData>>, keys: Readonly<Record<string, RuleData>> = {}): Collection =>
  ({ canonical: "Customer", map, identity: { onePerCustomer: false, keys } }) as unknown as Collection;

/** An in-memory DuckDB with the mapping's functions. */
export async function openDuckDB(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await registerFunctions(connection);
  return connection;
}

/** The JavaScript form's outcome for every record. */
export function byJavaScript(collection: Collection, records: readonly Json[]): Outcome[] {
  const { read, clues } = compileMapping(collection);
  const spaces = Object.keys(collection.identity?.keys ?? {});
  return records.map(record => {
    const { entity, issues } = read(record);
    const found = clues(record);
    return {
      values: Object.fromEntries(Object.keys(collection.map).map(field => [field, canonicalText(entity[field] ?? null)])),
      issues: Object.fromEntries(
        Object.keys(collection.map).map(field => [field, issues.find(issue => issue.field === field)?.code ?? null]),
      ),
      clues: Object.fromEntries(spaces.map(space => [space, found.find(clue => clue.space === space)?.value ?? null])),
    };
  });
}

/** The SQL forms' outcomes for every record, by the query that reads a record once. */
export async function bySql(connection: DuckDBConnection, collection: Collection, records: readonly Json[]): Promise<Outcome[]> {
  await fill(connection, records);
  const compiled = compileQuery(collection, { from: "records", keep: ["place"] });
  return outcomes(connection, compiled, `(${compiled.query})`);
}

/** The same by the single expressions. */
export async function byExpressions(
  connection: DuckDBConnection,
  collection: Collection,
  records: readonly Json[],
): Promise<Outcome[]> {
  await fill(connection, records);
  return outcomes(connection, compileSql(collection), "records");
}

async function fill(connection: DuckDBConnection, records: readonly Json[]): Promise<void> {
  await connection.run("CREATE OR REPLACE TABLE records (place INTEGER, record JSON)");
  const appender = await connection.createAppender("records");
  records.forEach((record, place) => {
    appender.appendInteger(place);
    appender.appendVarchar(recordText(record));
    appender.endRow();
  });
  appender.closeSync();
}

async function outcomes(connection: DuckDBConnection, { columns, clues }: SqlMapping, from: string): Promise<Outcome[]> {
  const selected = [
    ...columns.map(({ field, value }) => `${value} AS ${named(`value ${field}`)}`),
    ...columns.map(({ field, issue }) => `${issue} AS ${named(`issue ${field}`)}`),
    ...clues.map(({ space, value }) => `${value} AS ${named(`clue ${space}`)}`),
  ];
  const reader = await connection.runAndReadAll(`SELECT ${selected.join(", ")} FROM ${from} ORDER BY place`);
  const texts = (row: Readonly<Record<string, unknown>>, prefix: string, names: readonly string[]) =>
    Object.fromEntries(names.map(name => [name, row[`${prefix} ${name}`] as string | null]));
  const fields = columns.map(({ field }) => field);
  const spaces = clues.map(({ space }) => space);
  return reader.getRowObjects().map(row => ({
    values: texts(row, "value", fields),
    issues: texts(row, "issue", fields),
    clues: texts(row, "clue", spaces),
  }));
}

/** One rule's value and issue for each record text, held equal in both forms on the way. */
export async function readings(
  connection: DuckDBConnection,
  rule: RuleData,
  texts: readonly string[],
): Promise<(readonly [string | null, string | null])[]> {
  const collection = mapped({ field: rule });
  const records = texts.map(parseJson);
  const js = byJavaScript(collection, records);
  for (const sql of [await bySql(connection, collection, records), await byExpressions(connection, collection, records)]) {
    const different = texts.filter((_, place) => JSON.stringify(sql[place]) !== JSON.stringify(js[place]));
    if (different.length > 0) throw new Error(`JavaScript and SQL differ on ${different.join("  ")}`);
  }
  return js.map(({ values, issues }) => [values["field"] ?? null, issues["field"] ?? null] as const);
}
