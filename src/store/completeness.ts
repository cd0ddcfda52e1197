import type { Database } from "./database.ts";

/** How complete a source's events were on one day, UTC. */
export interface CompletenessDay {
  readonly source: string;
  /** `YYYY-MM-DD`. */
  readonly day: string;
  /** Events that came, each once. */
  readonly delivered: number;
  /** How often one came that had come before. */
  readonly duplicated: number;
  /** Events that came more than a minute after what they tell of, or after we had found it ourselves. */
  readonly late: number;
  /** Events that came after a later one about the same object. */
  readonly outOfOrder: number;
  /** Records that were found to be others than we knew, without any event about them. */
  readonly missed: number;
}

/** How a reconciliation went. Times are ms since the epoch. */
export interface Reconciliation {
  readonly source: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Whether everything was listed, not what changed alone. */
  readonly isFull: boolean;
  readonly records: number;
  /** Records that were others than we knew. */
  readonly found: number;
  readonly problem: string | null;
}

/** An event may come this much before or after we find what it tells of, in ms, and still is the word on it. */
const BEFORE_MS = 120_000;
const AFTER_MS = 600_000;
const LATE_MS = 60_000;
const DAY_MS = 86_400_000;
const KEPT_DAYS = 400;
/** Fewer than what is settled is known for. */
const COUNTED_DAYS = 3;
/** Findings older than this are counted and not needed any more. */
const FINDINGS_KEPT_MS = 7 * DAY_MS;

/** What webhooks and streams missed: found by reading sources, held against the inbox. */
export class Completeness {
  readonly #database: Database;
  constructor(database: Database) {
    this.#database = database;
  }

  /** Notes records that were found to be others than we knew. */
  async note(source: string, collection: string, keys: readonly string[], atMs: number): Promise<void> {
    if (keys.length === 0) return;
    await this.#database.query(
      `INSERT INTO intake_found SELECT $1, $2, key, $4::bigint FROM unnest($3::text[]) AS key ON CONFLICT DO NOTHING`,
      [source, collection, keys, atMs],
    );
  }

  /** Counts the last days anew: those of which the inbox has forgotten nothing yet. */
  async count(nowMs: number): Promise<void> {
    const fromMs = Math.floor(nowMs / DAY_MS - COUNTED_DAYS) * DAY_MS;
    await this.#database.transaction(async inside => {
      await inside.query(countSql, [fromMs, LATE_MS, BEFORE_MS, AFTER_MS]);
      await inside.query("DELETE FROM intake_day WHERE day < $1", [dayOf(nowMs - KEPT_DAYS * DAY_MS)]);
      await inside.query("DELETE FROM intake_found WHERE at_ms < $1", [nowMs - FINDINGS_KEPT_MS]);
    });
  }

  /** The days from one on (ms since the epoch) as they were last counted, the newest first. */
  async days(sinceMs: number): Promise<readonly CompletenessDay[]> {
    const rows = await this.#database.query<Record<string, string | number>>(
      "SELECT * FROM intake_day WHERE day >= $1 ORDER BY day DESC, source",
      [dayOf(sinceMs)],
    );
    return rows.map(row => ({
      source: String(row["source"]),
      day: String(row["day"]),
      delivered: Number(row["delivered"]),
      duplicated: Number(row["duplicated"]),
      late: Number(row["late"]),
      outOfOrder: Number(row["out_of_order"]),
      missed: Number(row["missed"]),
    }));
  }

  async noteRun(run: Reconciliation): Promise<void> {
    await this.#database.query(
      "INSERT INTO reconciliation (source, started_at_ms, ended_at_ms, is_full, records, found, problem) VALUES ($1, $2, $3, $4, $5, $6, $7)",
      [run.source, run.startedAtMs, run.endedAtMs, run.isFull, run.records, run.found, run.problem],
    );
  }

  /** The last reconciliations of a source, of all unless given; the newest first. */
  async runs(limit: number, source: string | null = null): Promise<readonly Reconciliation[]> {
    const rows = await this.#database.query<Record<string, never>>(
      "SELECT source, started_at_ms, ended_at_ms, is_full, records, found, problem FROM reconciliation WHERE $2::text IS NULL OR source = $2 ORDER BY id DESC LIMIT $1",
      [limit, source],
    );
    return rows.map(row => ({
      source: row["source"]!,
      startedAtMs: Number(row["started_at_ms"]),
      endedAtMs: Number(row["ended_at_ms"]),
      isFull: row["is_full"]!,
      records: row["records"]!,
      found: row["found"]!,
      problem: row["problem"] ?? null,
    }));
  }

  /** How far a collection's changes have been read, in ms since the epoch, and when everything was last; null: never. */
  async reached(collection: string): Promise<{ readonly watermarkMs: number; readonly fullAtMs: number } | null> {
    const [row] = await this.#database.query<{ watermark_ms: string | number; full_at_ms: string | number }>(
      "SELECT watermark_ms, full_at_ms FROM reconciled WHERE collection = $1",
      [collection],
    );
    return row === undefined ? null : { watermarkMs: Number(row.watermark_ms), fullAtMs: Number(row.full_at_ms) };
  }

  /** @param fullAtMs when everything was read; null: what changed was */
  async noteReached(collection: string, watermarkMs: number, fullAtMs: number | null): Promise<void> {
    await this.#database.query(
      `INSERT INTO reconciled VALUES ($1, $2, coalesce($3::bigint, 0)) ON CONFLICT (collection) DO UPDATE
       SET watermark_ms = excluded.watermark_ms, full_at_ms = coalesce($3::bigint, reconciled.full_at_ms)`,
      [collection, watermarkMs, fullAtMs],
    );
  }
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

const daySql = (column: string): string => `to_char(to_timestamp(${column} / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD')`;

const countSql = `
  INSERT INTO intake_day (source, day, delivered, duplicated, late, out_of_order, missed)
  SELECT source, day, sum(delivered), sum(duplicated), sum(late), sum(out_of_order), sum(missed) FROM (
    SELECT source, ${daySql("received_at_ms")} AS day, count(*) AS delivered, sum(deliveries - 1) AS duplicated,
      count(*) FILTER (WHERE received_at_ms - occurred_at_ms > $2 OR is_found) AS late,
      count(*) FILTER (WHERE occurred_at_ms < latest) AS out_of_order, 0 AS missed
    FROM (
      SELECT *, max(occurred_at_ms) OVER (PARTITION BY collection, key ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS latest,
        EXISTS (SELECT FROM intake_found AS found WHERE found.collection = inbox.collection AND found.key = inbox.key
          AND inbox.received_at_ms > found.at_ms AND inbox.received_at_ms <= found.at_ms + $4) AS is_found
      FROM inbox
    ) AS event WHERE received_at_ms >= $1 GROUP BY 1, 2
    UNION ALL
    SELECT source, ${daySql("at_ms")}, 0, 0, 0, 0, count(*) FROM intake_found AS found
    WHERE at_ms >= $1 AND NOT EXISTS (
      SELECT FROM inbox WHERE inbox.collection = found.collection AND inbox.key = found.key
        AND inbox.received_at_ms BETWEEN found.at_ms - $3 AND found.at_ms + $4)
    GROUP BY 1, 2
  ) AS counted GROUP BY 1, 2
  ON CONFLICT (source, day) DO UPDATE SET delivered = excluded.delivered, duplicated = excluded.duplicated, late = excluded.late,
    out_of_order = excluded.out_of_order, missed = excluded.missed`;
