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
}

/** A record that is now another than it was. */
export interface ChangedRecord {
  readonly key: string;
  /** Keys of the record that it belongs to, and belonged to before. */
  readonly owners: readonly string[];
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
  constructor(database: Database) {
    this.#database = database;
  }

  /** The records among `keys` that are not older than `since` (ms since the epoch). */
  async fresh(collection: string, keys: readonly string[], sinceMs: number): Promise<ReadonlyMap<string, MirrorRecord>> {
    const rows = await this.#database.query<Row>(
      "SELECT key, entity, issues, clues, fetched_at_ms FROM mirror WHERE collection = $1 AND key = ANY($2) AND fetched_at_ms >= $3",
      [collection, keys, sinceMs],
    );
    return new Map(rows.map(row => [row.key, recordOf(row)]));
  }

  /** Every record of a collection, by key. */
  async all(collection: string): Promise<readonly MirrorRecord[]> {
    const rows = await this.#database.query<Row>(
      "SELECT key, entity, issues, clues, fetched_at_ms FROM mirror WHERE collection = $1 ORDER BY key",
      [collection],
    );
    return rows.map(recordOf);
  }

  /** Writes records over what is there, unless what is there is newer, or was removed since. Returns those that are now others than they were. */
  async put(collection: string, records: readonly MirrorRecord[]): Promise<readonly ChangedRecord[]> {
    if (records.length === 0) return [];
    const rows = await this.#database.query<ChangedRow>(
      `WITH given AS (
         SELECT item->'entity'->>'key' AS key, item->'entity' AS entity, item->'issues' AS issues, item->'clues' AS clues,
           (item->>'fetchedAtMs')::bigint AS fetched_at_ms
         FROM jsonb_array_elements($2::jsonb) AS item
       ), before AS (
         SELECT key, entity FROM mirror WHERE collection = $1 AND key IN (SELECT key FROM given)
       ), written AS (
         INSERT INTO mirror (collection, key, entity, issues, clues, fetched_at_ms)
         SELECT $1, key, entity, issues, clues, fetched_at_ms FROM given
         WHERE NOT EXISTS (
           SELECT FROM mirror_gone AS gone WHERE gone.collection = $1 AND gone.key = given.key AND gone.at_ms > given.fetched_at_ms)
         ORDER BY key
         ON CONFLICT (collection, key) DO UPDATE
         SET entity = excluded.entity, issues = excluded.issues, clues = excluded.clues, fetched_at_ms = excluded.fetched_at_ms
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
   * After a listing was read to its end: notes it, and drops the records under `gone` that were not seen since a moment (ms since the epoch) either.
   * Returns the records that were dropped.
   */
  async completeFill(
    collection: string,
    gone: readonly string[],
    sinceMs: number,
    completedAtMs: number,
  ): Promise<readonly ChangedRecord[]> {
    return this.#database.transaction(async inside => {
      const dropped = await inside.query<ChangedRow>(
        `DELETE FROM mirror WHERE collection = $1 AND key = ANY($2) AND fetched_at_ms < $3
         RETURNING key, entity->>'customer' AS owner, NULL AS former`,
        [collection, gone, sinceMs],
      );
      await inside.query(
        `INSERT INTO fill SELECT $1, $2, count(*) FROM mirror WHERE collection = $1
         ON CONFLICT (collection) DO UPDATE SET completed_at_ms = excluded.completed_at_ms, records = excluded.records`,
        [collection, completedAtMs],
      );
      await inside.query("UPDATE customer_index SET is_behind = true");
      return dropped.map(changedOf);
    });
  }

  /** Collection → when it was last read to its end, in ms since the epoch. */
  async fills(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#database.query<{ collection: string; completed_at_ms: string | number }>(
      "SELECT collection, completed_at_ms FROM fill",
    );
    return new Map(rows.map(row => [row.collection, Number(row.completed_at_ms)]));
  }
}

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
