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

  /** Writes records over what is there, unless what is there is newer. */
  async put(collection: string, records: readonly MirrorRecord[]): Promise<void> {
    await this.#database.query(
      `INSERT INTO mirror (collection, key, entity, issues, clues, fetched_at_ms)
       SELECT $1, item->'entity'->>'key', item->'entity', item->'issues', item->'clues', (item->>'fetchedAtMs')::bigint
       FROM jsonb_array_elements($2::jsonb) AS item
       ON CONFLICT (collection, key) DO UPDATE
       SET entity = excluded.entity, issues = excluded.issues, clues = excluded.clues, fetched_at_ms = excluded.fetched_at_ms
       WHERE mirror.fetched_at_ms <= excluded.fetched_at_ms`,
      [collection, JSON.stringify(latestPerKey(records))],
    );
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
   * Returns how many records were dropped.
   */
  async completeFill(collection: string, gone: readonly string[], sinceMs: number, completedAtMs: number): Promise<number> {
    return this.#database.transaction(async inside => {
      const dropped = await inside.query(
        "DELETE FROM mirror WHERE collection = $1 AND key = ANY($2) AND fetched_at_ms < $3 RETURNING key",
        [collection, gone, sinceMs],
      );
      await inside.query(
        `INSERT INTO fill SELECT $1, $2, count(*) FROM mirror WHERE collection = $1
         ON CONFLICT (collection) DO UPDATE SET completed_at_ms = excluded.completed_at_ms, records = excluded.records`,
        [collection, completedAtMs],
      );
      await inside.query("UPDATE customer_index SET is_behind = true");
      return dropped.length;
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

/** One statement may not write a row twice: of the same key the last one counts. */
const latestPerKey = (records: readonly MirrorRecord[]): MirrorRecord[] => [
  ...new Map(records.map(record => [record.entity.key, record])).values(),
];
