import type { Database } from "./database.ts";

/** An event as it came, by webhook or stream. */
export interface Arrival {
  readonly source: string;
  /** By which the same event of this source is known when it comes again. */
  readonly identity: string;
  /** `webhook`, or the name of a stream. */
  readonly channel: string;
  readonly type: string;
  /** The object that it is about: a collection's id, and a key. Null where it cannot be read: then it is dead from the start. */
  readonly object: { readonly collection: string; readonly key: string } | null;
  readonly isDeletion: boolean;
  readonly occurredAtMs: number | null;
  readonly receivedAtMs: number;
  /** Its own text. */
  readonly body: string;
  /** Why it cannot be read; for arrivals without an object. */
  readonly problem?: string;
}

/** How far a stream has been read. */
export interface StreamPosition {
  /** `<source>.<stream>`. */
  readonly stream: string;
  readonly position: string;
  /** When, in ms since the epoch. */
  readonly atMs: number;
}

/** Something of a stream that was missed for good; times are ms since the epoch. */
export interface StreamGap {
  readonly stream: string;
  /** What came before it is there. */
  readonly fromMs: number;
  readonly atMs: number;
  readonly reason: string;
}

/** `waiting`: to be processed; `dead`: given up until somebody looks at it; `discarded`: by somebody. */
export type InboxState = "waiting" | "done" | "dead" | "discarded";

/** An event in the inbox. Times are ms since the epoch. */
export interface InboxEvent {
  readonly id: string;
  readonly source: string;
  readonly identity: string;
  readonly channel: string;
  readonly type: string;
  readonly collection: string | null;
  readonly key: string | null;
  readonly isDeletion: boolean;
  readonly occurredAtMs: number | null;
  readonly receivedAtMs: number;
  /** How often it came. */
  readonly deliveries: number;
  readonly body: string;
  readonly state: InboxState;
  readonly attempts: number;
  readonly dueAtMs: number;
  readonly outcome: string | null;
  readonly settledAtMs: number | null;
}

/** What came of an event: the outcome, or why it failed and when it is due again; null: never by itself. */
export type Settlement =
  | { readonly ids: readonly string[]; readonly outcome: string }
  | { readonly ids: readonly string[]; readonly problem: string; readonly dueAtMs: number | null };

/** Which events are asked for. */
export interface InboxQuery {
  readonly state?: InboxState;
  readonly source?: string;
  /** At most so many, the newest first. */
  readonly limit: number;
  /** Only those with a smaller id. */
  readonly before?: string;
}

interface Row {
  readonly id: string | number;
  readonly source: string;
  readonly identity: string;
  readonly channel: string;
  readonly type: string;
  readonly collection: string | null;
  readonly key: string | null;
  readonly is_deletion: boolean;
  readonly occurred_at_ms: string | number | null;
  readonly received_at_ms: string | number;
  readonly deliveries: number;
  readonly body: string;
  readonly state: InboxState;
  readonly attempts: number;
  readonly due_at_ms: string | number;
  readonly outcome: string | null;
  readonly settled_at_ms: string | number | null;
}

/** Events that have come and are to be processed: durable, each once however often it came, one worker for an object at a time. */
export class Inbox {
  readonly #database: Database;
  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Keeps events, and with them how far their stream has been read; durable when it resolves. What is there already is counted and otherwise left
   * alone. Returns how many are new. Throws `STORE_UNAVAILABLE`.
   */
  async accept(arrivals: readonly Arrival[], position?: StreamPosition): Promise<number> {
    if (position === undefined) return insert(this.#database, arrivals);
    return this.#database.transaction(async inside => {
      await inside.query(
        `INSERT INTO stream_position VALUES ($1, $2, $3)
         ON CONFLICT (stream) DO UPDATE SET position = excluded.position, saved_at_ms = excluded.saved_at_ms`,
        [position.stream, position.position, position.atMs],
      );
      return insert(inside, arrivals);
    });
  }

  /** How far a stream has been read; null before anything was. */
  async position(stream: string): Promise<StreamPosition | null> {
    const [row] = await this.#database.query<{ position: string; saved_at_ms: string | number }>(
      "SELECT position, saved_at_ms FROM stream_position WHERE stream = $1",
      [stream],
    );
    return row === undefined ? null : { stream, position: row.position, atMs: Number(row.saved_at_ms) };
  }

  /** Notes that something of a stream was missed for good, and forgets how far it has been read. */
  async noteGap({ stream, fromMs, atMs, reason }: StreamGap): Promise<void> {
    await this.#database.transaction(async inside => {
      await inside.query("INSERT INTO stream_gap (stream, from_ms, at_ms, reason) VALUES ($1, $2, $3, $4)", [
        stream,
        fromMs,
        atMs,
        reason,
      ]);
      await inside.query("DELETE FROM stream_position WHERE stream = $1", [stream]);
    });
  }

  /** Gaps that nobody has made good for yet, the oldest first. */
  async openGaps(source: string): Promise<readonly (StreamGap & { readonly id: string })[]> {
    const rows = await this.#database.query<{
      id: string | number;
      stream: string;
      from_ms: string | number;
      at_ms: string | number;
      reason: string;
    }>("SELECT * FROM stream_gap WHERE closed_at_ms IS NULL AND stream LIKE $1 || '.%' ORDER BY id", [source]);
    return rows.map(({ id, stream, from_ms, at_ms, reason }) => ({
      id: String(id),
      stream,
      fromMs: Number(from_ms),
      atMs: Number(at_ms),
      reason,
    }));
  }

  async closeGaps(ids: readonly string[], atMs: number): Promise<void> {
    await this.#database.query("UPDATE stream_gap SET closed_at_ms = $2 WHERE id = ANY($1::bigint[])", [ids, atMs]);
  }

  /**
   * Takes up to `max` objects of a source that have events due and that nobody else has, for so long, and returns all their waiting events, in the order in which
   * they came.
   */
  async lease(
    holder: string,
    { source, nowMs, forMs, max }: { source: string; nowMs: number; forMs: number; max: number },
  ): Promise<InboxEvent[]> {
    const rows = await this.#database.query<Row>(
      `WITH due AS (
         SELECT collection, key, min(id) AS first FROM inbox AS waiting
         WHERE state = 'waiting' AND source = $5 AND due_at_ms <= $1 AND NOT EXISTS (
           SELECT FROM inbox_lease AS held
           WHERE held.collection = waiting.collection AND held.key = waiting.key AND held.until_ms > $1)
         GROUP BY collection, key ORDER BY first LIMIT $2
       ), taken AS (
         INSERT INTO inbox_lease SELECT collection, key, $3, $4::bigint FROM due ORDER BY collection, key
         ON CONFLICT (collection, key) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms
         WHERE inbox_lease.until_ms <= $1
         RETURNING collection, key
       )
       SELECT inbox.* FROM inbox JOIN taken USING (collection, key) WHERE state = 'waiting' ORDER BY id`,
      [nowMs, max, holder, nowMs + forMs, source],
    );
    return rows.map(eventOf);
  }

  /** Notes what came of events, and gives their objects free. */
  async settle(holder: string, settlements: readonly Settlement[], nowMs: number): Promise<void> {
    await this.#database.transaction(async inside => {
      const alike = Map.groupBy(settlements, each =>
        "outcome" in each ? each.outcome : JSON.stringify([each.problem, each.dueAtMs]),
      );
      const ids = settlements.flatMap(settlement => settlement.ids);
      for (const group of alike.values()) await note(inside, { ...group[0]!, ids: group.flatMap(each => each.ids) }, nowMs);
      await inside.query(
        `DELETE FROM inbox_lease USING inbox
         WHERE inbox.id = ANY($1::bigint[]) AND inbox_lease.collection = inbox.collection AND inbox_lease.key = inbox.key AND holder = $2`,
        [ids, holder],
      );
    });
  }

  /** Gives everything free that a worker has taken and not settled. */
  async release(holder: string): Promise<void> {
    await this.#database.query("DELETE FROM inbox_lease WHERE holder = $1", [holder]);
  }

  /** When the next waiting event of a source is due, in ms since the epoch; null when none waits. */
  async nextDueMs(source: string): Promise<number | null> {
    const [row] = await this.#database.query<{ due: string | number | null }>(
      "SELECT min(due_at_ms) AS due FROM inbox WHERE state = 'waiting' AND source = $1",
      [source],
    );
    return row?.due === null || row === undefined ? null : Number(row.due);
  }

  async list({ state, source, limit, before }: InboxQuery): Promise<InboxEvent[]> {
    const rows = await this.#database.query<Row>(
      `SELECT * FROM inbox WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR source = $2) AND ($3::bigint IS NULL OR id < $3)
       ORDER BY id DESC LIMIT $4`,
      [state ?? null, source ?? null, before ?? null, limit],
    );
    return rows.map(eventOf);
  }

  /** Undefined when there is none of this id. */
  async get(id: string): Promise<InboxEvent | undefined> {
    const rows = await this.#database.query<Row>("SELECT * FROM inbox WHERE id = $1::bigint", [id]);
    return rows.map(eventOf)[0];
  }

  /** Source → state → how many. */
  async counts(): Promise<readonly { readonly source: string; readonly state: InboxState; readonly events: number }[]> {
    const rows = await this.#database.query<{ source: string; state: InboxState; events: string | number }>(
      "SELECT source, state, count(*) AS events FROM inbox GROUP BY source, state ORDER BY source, state",
    );
    return rows.map(row => ({ ...row, events: Number(row.events) }));
  }

  /** Lets dead events that are about an object wait anew, from the first attempt on; all, or those of these ids. Returns how many. */
  async retry(ids: readonly string[] | "all", nowMs: number): Promise<number> {
    const rows = await this.#database.query(
      `UPDATE inbox SET state = 'waiting', attempts = 0, due_at_ms = $1, settled_at_ms = NULL
       WHERE state = 'dead' AND collection IS NOT NULL AND ($2::bigint[] IS NULL OR id = ANY($2::bigint[])) RETURNING id`,
      [nowMs, ids === "all" ? null : ids],
    );
    return rows.length;
  }

  /** Gives dead and waiting events up for good; all dead ones, or those of these ids. Returns how many. */
  async discard(ids: readonly string[] | "all", nowMs: number): Promise<number> {
    const rows = await this.#database.query(
      `UPDATE inbox SET state = 'discarded', settled_at_ms = $1
       WHERE CASE WHEN $2::bigint[] IS NULL THEN state = 'dead' ELSE state IN ('dead', 'waiting') AND id = ANY($2::bigint[]) END RETURNING id`,
      [nowMs, ids === "all" ? null : ids],
    );
    return rows.length;
  }

  /** Removes events that were settled before a moment (ms since the epoch); never those that wait or are dead. Returns how many. */
  async prune(beforeMs: number): Promise<number> {
    const rows = await this.#database.query(
      "DELETE FROM inbox WHERE state IN ('done', 'discarded') AND settled_at_ms < $1 RETURNING id",
      [beforeMs],
    );
    return rows.length;
  }
}

/** One statement may not write a row twice: what comes several times at once is counted first. */
async function insert(database: Pick<Database, "query">, arrivals: readonly Arrival[]): Promise<number> {
  if (arrivals.length === 0) return 0;
  const rows = await database.query<{ is_new: boolean }>(
    `INSERT INTO inbox (source, identity, channel, type, collection, key, is_deletion, occurred_at_ms, received_at_ms, deliveries, body, state,
       due_at_ms, outcome)
     SELECT DISTINCT ON (source, identity) source, identity, channel, type, collection, key, "isDeletion", "occurredAtMs", "receivedAtMs",
       count(*) OVER (PARTITION BY source, identity), body, CASE WHEN collection IS NULL THEN 'dead' ELSE 'waiting' END, "receivedAtMs", problem
     FROM jsonb_to_recordset($1::jsonb) AS arrival (source text, identity text, channel text, type text, collection text, key text,
       "isDeletion" boolean, "occurredAtMs" bigint, "receivedAtMs" bigint, body text, problem text, place integer)
     ORDER BY source, identity, place
     ON CONFLICT (source, identity) DO UPDATE SET deliveries = inbox.deliveries + excluded.deliveries
     RETURNING xmax = 0 AS is_new`,
    [
      JSON.stringify(
        arrivals.map(({ object, body, type, ...arrival }, place) => ({
          ...arrival,
          ...object,
          type: keepable(type),
          body: keepable(body),
          place,
        })),
      ),
    ],
  );
  return rows.filter(row => row.is_new).length;
}

/** PostgreSQL's text cannot hold U+0000 or half a surrogate pair; JSON cannot hold them either but as escapes, so that only broken text changes. */
const keepable = (text: string): string => text.toWellFormed().replaceAll("\u0000", "\ufffd");

async function note(inside: Pick<Database, "query">, settlement: Settlement, nowMs: number): Promise<void> {
  if ("outcome" in settlement) {
    await inside.query(
      `UPDATE inbox SET state = 'done', outcome = $2, settled_at_ms = $3, attempts = attempts + 1
       WHERE id = ANY($1::bigint[]) AND state = 'waiting'`,
      [settlement.ids, settlement.outcome, nowMs],
    );
    return;
  }
  await inside.query(
    `UPDATE inbox SET attempts = attempts + 1, outcome = $2, due_at_ms = coalesce($3::bigint, due_at_ms),
       state = CASE WHEN $3::bigint IS NULL THEN 'dead' ELSE 'waiting' END
     WHERE id = ANY($1::bigint[]) AND state = 'waiting'`,
    [settlement.ids, settlement.problem, settlement.dueAtMs],
  );
}

const eventOf = (row: Row): InboxEvent => ({
  id: String(row.id),
  source: row.source,
  identity: row.identity,
  channel: row.channel,
  type: row.type,
  collection: row.collection,
  key: row.key,
  isDeletion: row.is_deletion,
  occurredAtMs: row.occurred_at_ms === null ? null : Number(row.occurred_at_ms),
  receivedAtMs: Number(row.received_at_ms),
  deliveries: row.deliveries,
  body: row.body,
  state: row.state,
  attempts: row.attempts,
  dueAtMs: Number(row.due_at_ms),
  outcome: row.outcome,
  settledAtMs: row.settled_at_ms === null ? null : Number(row.settled_at_ms),
});
