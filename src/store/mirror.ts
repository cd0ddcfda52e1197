import type { AnyEntity } from "../core/canonical.ts";
import type { FieldIssue } from "../mapping/compile-js.ts";
import type { Database } from "./database.ts";

/** A record as the mirror keeps it. */
export interface MirrorRecord {
  readonly entity: AnyEntity;
  readonly issues: readonly FieldIssue[];
  readonly clues: readonly { readonly space: string; readonly value: string }[];
  /** When its source gave it, in ms since the epoch. */
  readonly fetchedAtMs: number;
  /** The source's own mark of when it was last changed, in ms since the epoch, where it has one. */
  readonly versionMs?: number;
  /** When the event happened that told of it, in ms since the epoch, where one did. */
  readonly eventAtMs?: number | null;
  /** The pull or update that keeps the answer which it was read from, where one does. */
  readonly raw?: string | null;
}

/** A record that is now another than it was. */
export interface ChangedRecord {
  readonly key: string;
  /** Keys of the record that it belongs to, and belonged to before. */
  readonly owners: readonly string[];
}

/** How a listing was read to its end; times are ms since the epoch. */
interface Completed {
  readonly gone: readonly string[];
  /** When it began. */
  readonly sinceMs: number;
  readonly completedAtMs: number;
  /** Whether the customer index is made from the collection. */
  readonly isIndexed: boolean;
}

/** A removed record's key is kept so long, in ms, so that no older reading brings it back. */
const GONE_KEPT_MS = 3_600_000;

interface ChangedRow {
  readonly key: string;
  readonly owner: string | null;
  readonly former: string | null;
}

interface Row {
  readonly key: string;
  readonly entity: AnyEntity;
  readonly issues: readonly FieldIssue[];
  readonly clues: MirrorRecord["clues"];
  readonly fetched_at_ms: string | number;
}

/** The latest canonical record per collection and key. */
export class Mirror {
  readonly #database: Database;
  /** Collection → until when, in ms since the epoch, nobody tries again to have all of it here. */
  readonly #givenUp = new Map<string, number>();
  constructor(database: Database) {
    this.#database = database;
  }

  /** The records among `keys` that are not older than `since` (ms since the epoch). */
  async fresh(collection: string, keys: readonly string[], sinceMs: number): Promise<ReadonlyMap<string, MirrorRecord>> {
    const records = await this.#records("FROM mirror WHERE collection = $1 AND key = ANY($2) AND fetched_at_ms >= $3", [
      collection,
      keys,
      sinceMs,
    ]);
    return new Map(records.map(record => [record.entity.key, record]));
  }

  /**
   * All records of each owner (a key in the source's collection of customers), in no order; an owner of more than `most` is not in the answer, one that has
   * none is.
   */
  async owned(
    collection: string,
    owners: readonly string[],
    most: number,
  ): Promise<ReadonlyMap<string, readonly MirrorRecord[]>> {
    const records = await this.#records(
      `FROM unnest($2::text[]) AS owner, LATERAL (
         SELECT * FROM mirror WHERE collection = $1 AND entity->>'customer' = owner LIMIT $3) AS record`,
      [collection, owners, most + 1],
    );
    const found = new Map<string, MirrorRecord[]>(owners.map(owner => [owner, []]));
    for (const record of records) found.get(String(record.entity["customer"]))?.push(record);
    for (const [owner, some] of found) if (some.length > most) found.delete(owner);
    return found;
  }

  /** Every record of a collection, by key. */
  async all(collection: string): Promise<readonly MirrorRecord[]> {
    const rows = await this.#database.query<Row>(
      "SELECT key, entity, issues, clues, fetched_at_ms FROM mirror WHERE collection = $1 ORDER BY key",
      [collection],
    );
    return rows.map(recordOf);
  }

  /** As one JSON text: a row for each record costs the driver more than the record. Who reads them so has no use for their clues. */
  async #records(from: string, parameters: readonly unknown[]): Promise<readonly MirrorRecord[]> {
    const [row] = await this.#database.query<{ records: string }>(
      `SELECT '[' || coalesce(string_agg('{"entity":' || entity::text || ',"issues":' || issues::text || ',"clues":[]'
         || ',"fetchedAtMs":' || fetched_at_ms || coalesce(',"eventAtMs":' || event_at_ms, '') || coalesce(',"raw":"' || raw || '"', '')
         || '}', ','), '') || ']' AS records ${from}`,
      parameters,
    );
    return JSON.parse(row?.records ?? "[]") as readonly MirrorRecord[];
  }

  /**
   * Writes records over what is there, unless what is there was fetched later, was removed since, or is of a later version: then that stays, seen once more.
   * Returns those that are now others than they were.
   */
  async put(collection: string, records: readonly MirrorRecord[]): Promise<readonly ChangedRecord[]> {
    if (records.length === 0) return [];
    const rows = await this.#database.query<ChangedRow>(
      `WITH given AS (
         SELECT item->'entity'->>'key' AS key, item->'entity' AS entity, item->'issues' AS issues, item->'clues' AS clues,
           (item->>'fetchedAtMs')::bigint AS fetched_at_ms, (item->>'versionMs')::bigint AS version_ms,
           (item->>'eventAtMs')::bigint AS event_at_ms, item->>'raw' AS raw
         FROM jsonb_array_elements($2::jsonb) AS item
       ), before AS (
         SELECT key, entity FROM mirror WHERE collection = $1 AND key IN (SELECT key FROM given)
       ), written AS (
         INSERT INTO mirror (collection, key, entity, issues, clues, fetched_at_ms, version_ms, event_at_ms, raw)
         SELECT $1, key, entity, issues, clues, fetched_at_ms, version_ms, event_at_ms, raw FROM given
         WHERE NOT EXISTS (
           SELECT FROM mirror_gone AS gone WHERE gone.collection = $1 AND gone.key = given.key AND gone.at_ms > given.fetched_at_ms)
         ORDER BY key
         ON CONFLICT (collection, key) DO UPDATE
         SET fetched_at_ms = excluded.fetched_at_ms, ${taken.map(column => `${column} = ${newerSql(column)}`).join(", ")}
         WHERE mirror.fetched_at_ms <= excluded.fetched_at_ms
         RETURNING key, entity
       )
       SELECT key, written.entity->>'customer' AS owner, before.entity->>'customer' AS former
       FROM written LEFT JOIN before USING (key) WHERE before.entity IS DISTINCT FROM written.entity ORDER BY key`,
      [collection, JSON.stringify(latestPerKey(records))],
    );
    return rows.map(changedOf);
  }

  /** Removes records that their source does not have any more, unless what is there is newer than that word of it (ms since the epoch). Returns those that were there. */
  async remove(collection: string, keys: readonly string[], atMs: number): Promise<readonly ChangedRecord[]> {
    if (keys.length === 0) return [];
    return this.#database.transaction(async inside => {
      await inside.query("DELETE FROM mirror_gone WHERE at_ms < $1", [atMs - GONE_KEPT_MS]);
      await inside.query(
        `INSERT INTO mirror_gone SELECT DISTINCT $1, key, $3::bigint FROM unnest($2::text[]) AS key ORDER BY key
         ON CONFLICT (collection, key) DO UPDATE SET at_ms = greatest(mirror_gone.at_ms, excluded.at_ms)`,
        [collection, keys, atMs],
      );
      const rows = await inside.query<ChangedRow>(
        `DELETE FROM mirror WHERE collection = $1 AND key = ANY($2) AND fetched_at_ms <= $3
         RETURNING key, entity->>'customer' AS owner, NULL AS former`,
        [collection, keys, atMs],
      );
      return rows.map(changedOf);
    });
  }

  /** How many records of a collection there are. */
  async count(collection: string): Promise<number> {
    const rows = await this.#database.query<{ known: string | number }>(
      "SELECT count(*) AS known FROM mirror WHERE collection = $1",
      [collection],
    );
    return Number(rows[0]?.known ?? 0);
  }

  /** Keys that were not seen since a moment (ms since the epoch), the longest unseen first. */
  async unseen(collection: string, sinceMs: number): Promise<readonly string[]> {
    const rows = await this.#database.query<{ key: string }>(
      "SELECT key FROM mirror WHERE collection = $1 AND fetched_at_ms < $2 ORDER BY fetched_at_ms, key",
      [collection, sinceMs],
    );
    return rows.map(({ key }) => key);
  }

  /**
   * After a listing was read to its end: notes it, and drops the records under `gone` that were not seen since it began (ms since the epoch) either.
   * Returns the records that were dropped.
   */
  async completeFill(
    collection: string,
    { gone, sinceMs, completedAtMs, isIndexed }: Completed,
  ): Promise<readonly ChangedRecord[]> {
    return this.#database.transaction(async inside => {
      const dropped = await inside.query<ChangedRow>(
        `DELETE FROM mirror WHERE collection = $1 AND key = ANY($2) AND fetched_at_ms < $3
         RETURNING key, entity->>'customer' AS owner, NULL AS former`,
        [collection, gone, sinceMs],
      );
      await inside.query(
        `INSERT INTO fill (collection, completed_at_ms, records, as_of_ms) SELECT $1, $2, count(*), $3 FROM mirror WHERE collection = $1
         ON CONFLICT (collection) DO UPDATE SET completed_at_ms = excluded.completed_at_ms, records = excluded.records,
           as_of_ms = greatest(fill.as_of_ms, excluded.as_of_ms)`,
        [collection, completedAtMs, sinceMs],
      );
      if (isIndexed) await inside.query("UPDATE customer_index SET is_behind = true");
      return dropped.map(changedOf);
    });
  }

  /** Collection → from when on (ms since the epoch) everything that its source has of it is here; one of which that was never so is absent. */
  async asOfAll(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#database.query<{ collection: string; as_of_ms: string | number }>(
      "SELECT collection, as_of_ms FROM fill",
    );
    return new Map(rows.map(row => [row.collection, Number(row.as_of_ms)]));
  }

  /** From when on (ms since the epoch) everything that its source has of a collection is here; undefined when that was never so. */
  async asOf(collection: string): Promise<number | undefined> {
    const [row] = await this.#database.query<{ as_of_ms: string | number }>("SELECT as_of_ms FROM fill WHERE collection = $1", [
      collection,
    ]);
    return row && Number(row.as_of_ms);
  }

  /** Notes that what changed up to a moment (ms since the epoch) is here, deletions included, if everything was here before. */
  async noteAsOf(collection: string, asOfMs: number): Promise<void> {
    await this.#database.query("UPDATE fill SET as_of_ms = $2 WHERE collection = $1 AND as_of_ms < $2", [collection, asOfMs]);
  }

  /** Drops a collection that is too large to be here, until a moment (ms since the epoch) after which it may be tried again. */
  async giveUp(collection: string, untilMs: number): Promise<void> {
    this.#givenUp.set(collection, untilMs);
    await this.#database.transaction(async inside => {
      await inside.query("DELETE FROM mirror WHERE collection = $1", [collection]);
      await inside.query("DELETE FROM fill WHERE collection = $1", [collection]);
    });
  }

  /** Whether a collection has turned out to be too large to be here. */
  isGivenUp(collection: string, nowMs: number): boolean {
    return (this.#givenUp.get(collection) ?? -Infinity) > nowMs;
  }

  /** Drops the records whose time (a field of the entity, as text) is before another: their source does not keep them so long. */
  async expire(collection: string, field: string, before: string): Promise<void> {
    await this.#database.query("DELETE FROM mirror WHERE collection = $1 AND entity->>($2::text) < $3", [
      collection,
      field,
      before,
    ]);
  }

  /** Drops the records that were fetched first, until `most` are left. Returns how many went. */
  async trim(collection: string, most: number): Promise<number> {
    const rows = await this.#database.query(
      `DELETE FROM mirror WHERE collection = $1 AND key IN (
         SELECT key FROM mirror WHERE collection = $1 ORDER BY fetched_at_ms DESC, key OFFSET $2) RETURNING key`,
      [collection, most],
    );
    return rows.length;
  }

  /** Collection → when it was last read to its end, in ms since the epoch. */
  async fills(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#database.query<{ collection: string; completed_at_ms: string | number }>(
      "SELECT collection, completed_at_ms FROM fill",
    );
    return new Map(rows.map(row => [row.collection, Number(row.completed_at_ms)]));
  }
}

const taken = ["entity", "issues", "clues", "version_ms", "event_at_ms", "raw"];
/** A source may answer from a copy that lags behind itself: of two versions the later one stays, whenever it was fetched. */
const newerSql = (column: string): string =>
  `CASE WHEN mirror.version_ms > excluded.version_ms THEN mirror.${column} ELSE excluded.${column} END`;

const recordOf = (row: Row): MirrorRecord => ({
  entity: row.entity,
  issues: row.issues,
  clues: row.clues,
  fetchedAtMs: Number(row.fetched_at_ms),
});

const changedOf = ({ key, owner, former }: ChangedRow): ChangedRecord => ({
  key,
  owners: [...new Set([owner, former].filter(each => each !== null))],
});

/** One statement may not write a row twice: of the same key the last one counts. */
const latestPerKey = (records: readonly MirrorRecord[]): MirrorRecord[] => [
  ...new Map(records.map(record => [record.entity.key, record])).values(),
];
