import { PGlite } from "@electric-sql/pglite";
import { asError, StoreError } from "../core/errors.ts";
import { claim } from "./claim.ts";
import { migrations } from "./migrations.ts";

/** PostgreSQL as the store speaks to it. */
export interface Database {
  /** Runs one statement; throws `STORE_UNAVAILABLE`. */
  query<Row>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
  /** Runs the work in one transaction: all of it, or on an error nothing. */
  transaction<T>(work: (inside: Pick<Database, "query">) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/**
 * Opens the embedded PostgreSQL in a directory (created when missing; `null` keeps everything in memory) and migrates it. The directory belongs
 * to one process at a time: throws `STORE_UNAVAILABLE` when another one has it.
 */
export async function openDatabase(directory: string | null): Promise<Database> {
  const release = directory === null ? async () => undefined : await claim(directory);
  try {
    const engine = await (directory === null ? PGlite.create() : PGlite.create(directory));
    await migrate(engine);
    return wrap(engine, release);
  } catch (cause) {
    await release();
    throw new StoreError("STORE_UNAVAILABLE", `cannot open the store in ${directory ?? "memory"}: ${asError(cause).message}`, {
      cause,
    });
  }
}

type Queryable = Pick<PGlite, "query">;

async function migrate(engine: PGlite): Promise<void> {
  await engine.exec("CREATE TABLE IF NOT EXISTS migration (version integer PRIMARY KEY)");
  const { rows } = await engine.query<{ version: number }>("SELECT coalesce(max(version), 0) AS version FROM migration");
  const applied = rows[0]?.version ?? 0;
  for (const [index, sql] of migrations.entries()) {
    if (index < applied) continue;
    await engine.transaction(async inside => {
      await inside.exec(sql);
      await inside.query("INSERT INTO migration VALUES ($1)", [index + 1]);
    });
  }
}

function wrap(engine: PGlite, release: () => Promise<void>): Database {
  return {
    query: (sql, parameters) => run(engine, sql, parameters),
    transaction: work => engine.transaction(inside => work({ query: (sql, parameters) => run(inside, sql, parameters) })),
    close: () => engine.close().finally(release),
  };
}

async function run<Row>(engine: Queryable, sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
  try {
    return (await engine.query<Row>(sql, [...parameters])).rows;
  } catch (cause) {
    throw new StoreError("STORE_UNAVAILABLE", `the store refused a statement: ${asError(cause).message}`, { cause });
  }
}
