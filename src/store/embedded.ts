import { PGlite } from "@electric-sql/pglite";
import { fromPglite } from "pg-boss";
import { claim } from "./claim.ts";
import type { Driver, Session } from "./driver.ts";

/** PostgreSQL inside this process (PGlite), in a directory that belongs to it alone; null keeps everything in memory. */
export async function openEmbedded(directory: string | null): Promise<Driver> {
  const release = directory === null ? async () => undefined : await claim(directory);
  try {
    const engine = await (directory === null ? PGlite.create() : PGlite.create(directory));
    return driverOf(engine, directory, release);
  } catch (thrown) {
    await release();
    throw thrown;
  }
}

function driverOf(engine: PGlite, directory: string | null, release: () => Promise<void>): Driver {
  const whole = sessionOf(engine);
  return {
    description: `embedded PostgreSQL in ${directory ?? "memory"}`,
    isShared: false,
    schema: "public",
    boss: { db: fromPglite(engine), backend: "pglite", schema: "jobs" },
    query: (sql, parameters) => whole.query(sql, parameters),
    transaction: work => engine.transaction(inside => work(sessionOf(inside))),
    alone: work => work(whole),
    isLost: () => engine.closed,
    close: () => engine.close().finally(release),
  };
}

const sessionOf = (engine: Pick<PGlite, "query" | "exec">): Session => ({
  query: async <Row>(sql: string, parameters: readonly unknown[] = []) => (await engine.query<Row>(sql, [...parameters])).rows,
  script: async sql => void (await engine.exec(sql)),
});
