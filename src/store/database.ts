import { asError, StoreError, TributaryError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import type { Logger } from "../core/ports.ts";
import { Jobs } from "./jobs.ts";
import type { Driver, Session } from "./driver.ts";
import { openEmbedded } from "./embedded.ts";
import { migrations } from "./migrations.ts";
import { openServer } from "./server.ts";

/** PostgreSQL as the store speaks to it. */
export interface Database {
  /** For people: what it is and where, without a password. */
  readonly description: string;
  /** Whether other processes may read and write the same meanwhile. */
  readonly isShared: boolean;
  /** Runs one statement; throws `STORE_UNAVAILABLE`. */
  query<Row>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
  /** Runs the work in one transaction: all of it, or on an error nothing. */
  transaction<T>(work: (inside: Pick<Database, "query">) => Promise<T>): Promise<T>;
  /**
   * Runs the work while no other process does the work of this name; undefined, at once and without the work, when one does. A process that dies
   * or loses the store gives the name free: what the work writes must bear to be written twice.
   */
  exclusively<T>(name: string, work: () => Promise<T>): Promise<{ readonly value: T } | undefined>;
  /** What runs jobs in it when they are due. */
  jobs(logger: Logger): Jobs;
  close(): Promise<void>;
}

/** Where the store is: an address of a server, a directory (created when missing), or null for memory. */
export type StorePlace = Secret | string | null;

const DEFAULT_SCHEMA = "tributary";
/** A process waits this long, in ms, while another one migrates the store. */
const MIGRATION_MS = 600_000;

/**
 * Opens the store and migrates it. An embedded one belongs to one process at a time; a server is shared, and several that start at once migrate it
 * once. Throws `STORE_UNAVAILABLE`, and `STORE_NEWER` for one that a newer release has migrated.
 * @param schema of a server, in which everything is
 */
export async function openDatabase(place: StorePlace, schema = DEFAULT_SCHEMA): Promise<Database> {
  let driver: Driver | undefined;
  try {
    driver = place instanceof Secret ? openServer(place, schema) : await openEmbedded(place);
    await migrate(driver);
    return wrap(driver);
  } catch (cause) {
    await driver?.close();
    if (cause instanceof TributaryError && cause.code === "STORE_NEWER") throw cause;
    const name = driver?.description ?? (place instanceof Secret ? "PostgreSQL" : `the store in ${place ?? "memory"}`);
    throw new StoreError("STORE_UNAVAILABLE", `cannot open ${name}: ${problemOf(cause)}`, { cause });
  }
}

/** Asks a server for a sign of life and changes nothing; returns what it is, for people. Throws `STORE_UNAVAILABLE`. */
export async function reachServer(url: Secret, schema: string): Promise<string> {
  const driver = openServer(url, schema);
  try {
    await run(driver, driver, "SELECT 1");
    return driver.description;
  } finally {
    await driver.close();
  }
}

/** All steps in one transaction, so that a store is never between two of them. */
async function migrate(driver: Driver): Promise<void> {
  await driver.transaction(async inside => {
    await inside.script(`SET LOCAL statement_timeout = ${MIGRATION_MS}`);
    await inside.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [lockName(driver, "migrate")]);
    await prepare(inside, driver);
    const [row] = await inside.query<{ version: number }>("SELECT coalesce(max(version), 0) AS version FROM migration");
    const applied = row?.version ?? 0;
    if (applied > migrations.length) throw tooNew(driver, applied);
    for (const [index, sql] of migrations.entries()) {
      if (index < applied) continue;
      await inside.script(sql);
      await inside.query("INSERT INTO migration VALUES ($1)", [index + 1]);
    }
  });
}

async function prepare(inside: Session, { schema }: Driver): Promise<void> {
  const [row] = await inside.query<{ encoding: string; hasSchema: boolean }>(
    `SELECT current_setting('server_encoding') AS encoding, to_regnamespace($1) IS NOT NULL AS "hasSchema"`,
    [schema],
  );
  if (row?.encoding !== "UTF8") throw new Error(`the database's encoding is ${row?.encoding}: use one whose encoding is UTF8`);
  if (!row.hasSchema) await inside.script(`CREATE SCHEMA ${schema}`);
  await inside.script("CREATE TABLE IF NOT EXISTS migration (version integer PRIMARY KEY)");
}

const tooNew = ({ description }: Driver, applied: number): StoreError =>
  new StoreError(
    "STORE_NEWER",
    `${description} is at version ${applied}; this release knows versions up to ${migrations.length}`,
  );

/** Locks belong to a whole database: stores in other schemas have their own. */
const lockName = ({ schema }: Driver, name: string): string => `tributary ${schema} ${name}`;

function wrap(driver: Driver): Database {
  return {
    description: driver.description,
    isShared: driver.isShared,
    query: (sql, parameters) => run(driver, driver, sql, parameters),
    transaction: work =>
      clearly(driver, () =>
        driver.transaction(inside => work({ query: (sql, parameters) => run(driver, inside, sql, parameters) })),
      ),
    exclusively: (name, work) => clearly(driver, () => exclusively(driver, name, work)),
    jobs: logger => new Jobs(driver.boss, logger),
    close: () => driver.close(),
  };
}

async function exclusively<T>(driver: Driver, name: string, work: () => Promise<T>): Promise<{ readonly value: T } | undefined> {
  if (!driver.isShared) return { value: await work() };
  return driver.alone(async session => {
    const lock = [lockName(driver, name)];
    const [row] = await session.query<{ has: boolean }>("SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS has", lock);
    if (row?.has !== true) return undefined;
    try {
      return { value: await work() };
    } finally {
      // A lost session has given it up already; an ended one does, but a moment later.
      await Promise.allSettled([session.query("SELECT pg_advisory_unlock(hashtextextended($1, 0))", lock)]);
    }
  });
}

const run = <Row>(
  driver: Driver,
  session: Pick<Session, "query">,
  sql: string,
  parameters?: readonly unknown[],
): Promise<Row[]> => clearly(driver, () => session.query<Row>(sql, parameters));

/** What the store throws says whether it was there at all. It may be shown to a client: of a server's address it says nothing. */
async function clearly<T>(driver: Driver, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof TributaryError) throw cause;
    const error = asError(cause);
    const message = driver.isLost(error)
      ? `the store cannot be reached: ${lossOf(error)}`
      : `the store refused a statement: ${error.message}`;
    throw new StoreError("STORE_UNAVAILABLE", message, { cause });
  }
}

/** Several addresses that were tried in vain are one error without a message. */
function problemOf(thrown: unknown): string {
  const error = asError(thrown);
  return error instanceof AggregateError ? error.errors.map(each => asError(each).message).join("; ") : error.message;
}

const lossOf = (error: Error): string => ("code" in error && typeof error.code === "string" ? error.code : error.message);
