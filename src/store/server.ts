import pg from "pg";
import { asError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import type { Driver, Session } from "./driver.ts";

/** Connections of one process at most. */
const MAX_CONNECTIONS = 10;
/** A connection, or a free one of those that there are, is waited for this long, in ms. */
const CONNECT_MS = 5_000;
/** A statement may take this long, in ms; the server ends it. */
const STATEMENT_MS = 60_000;
/** After this long, in ms, no answer will come: the connection is half open. */
const ANSWER_MS = STATEMENT_MS + 5_000;
const IDLE_MS = 30_000;

/**
 * A PostgreSQL server, which several processes may share. Connections are opened when they are needed and again when they were lost. TLS is as the
 * address's `sslmode` says. Everything is in one schema, so that several stores fit into one database.
 * @param url `postgresql://user:password@host:port/database?sslmode=…`
 */
export function openServer(url: Secret, schema: string): Driver {
  const settings: pg.ClientConfig = {
    connectionString: withSearchPath(url.reveal(), schema),
    application_name: "tributary",
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    query_timeout: ANSWER_MS,
    keepAlive: true,
  };
  const pool = new pg.Pool({ ...settings, max: MAX_CONNECTIONS, idleTimeoutMillis: IDLE_MS });
  // A resting connection that is lost leaves the pool; whoever asks next sees what became of it.
  pool.on("error", () => undefined);
  return {
    description: `PostgreSQL at ${placeOf(url)}, schema ${schema}`,
    isShared: true,
    schema,
    boss: { connectionString: url.reveal(), schema: `${schema}_jobs`, max: 2, application_name: "tributary jobs" },
    query: (sql, parameters) => sessionOf(pool).query(sql, parameters),
    transaction: work => transaction(pool, work),
    alone: work => alone(settings, work),
    isLost,
    close: () => pool.end(),
  };
}

/** An address without user, password and parameters. */
function placeOf(url: Secret): string {
  const { host, pathname, searchParams } = new URL(url.reveal());
  return `${host || searchParams.get("host") || "localhost"}${pathname}`;
}

function withSearchPath(url: string, schema: string): string {
  const address = new URL(url);
  const given = address.searchParams.get("options");
  address.searchParams.set("options", [given, `-c search_path=${schema}`].filter(Boolean).join(" "));
  return address.href;
}

const sessionOf = (connection: Pick<pg.ClientBase, "query">): Session => ({
  query: async <Row>(sql: string, parameters: readonly unknown[] = []) =>
    (await connection.query<Row & pg.QueryResultRow>(sql, [...parameters])).rows,
  script: async sql => void (await connection.query(sql)),
});

async function transaction<T>(pool: pg.Pool, work: (inside: Session) => Promise<T>): Promise<T> {
  return withConnection(pool, async connection => {
    await connection.query("BEGIN");
    const result = await work(sessionOf(connection));
    await connection.query("COMMIT");
    return result;
  });
}

/** A connection beside the pool: what is done alone may take as long as the process lives. It ends afterwards, and with it all that it held. */
async function alone<T>(settings: pg.ClientConfig, work: (session: Session) => Promise<T>): Promise<T> {
  const client = new pg.Client(settings);
  // Lost while it is in use: the statement that runs, or else the next one, throws.
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(sessionOf(client));
  } finally {
    await client.end();
  }
}

/** A connection on which something failed is not used again: what it still has open ends with it. */
async function withConnection<T>(pool: pg.Pool, work: (connection: pg.PoolClient) => Promise<T>): Promise<T> {
  const connection = await connect(pool);
  try {
    const result = await work(connection);
    connection.release();
    return result;
  } catch (thrown) {
    connection.release(asError(thrown));
    throw thrown;
  }
}

async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  const connection = await pool.connect();
  // Lost while it is in use: the statement that runs, or else the next one, throws.
  if (connection.listenerCount("error") === 0) connection.on("error", () => undefined);
  return connection;
}

/** Connection exceptions, too many connections, and a server that stops or starts; what has no such state did not come from a server. */
const lostStates = /^(08|53300|57P0)/;

function isLost(error: Error): boolean {
  return !(error instanceof pg.DatabaseError) || lostStates.test(error.code ?? "");
}
