import { LRUCache } from "lru-cache";
import type { Database } from "./database.ts";

/** A record that belongs to a customer. */
export interface Member {
  /** `<source>.<collection>`. */
  readonly collection: string;
  readonly key: string;
}

/** A customer as the index is written: its members, the keys it is found by, and what listings filter on. */
export interface IndexedCustomer {
  readonly id: string;
  readonly members: readonly Member[];
  readonly clues: readonly { readonly space: string; readonly value: string }[];
  readonly country: string | null;
  readonly status: string | null;
  readonly createdAt: string | null;
}

/** What a listing of customers may ask for; absent means any. */
export interface CustomerFilter {
  readonly country?: string;
  readonly status?: string;
  /** The source in which the customer must have a record. */
  readonly source?: string;
}

const CACHED = 20_000;
/** Where another process may replace the index, answers that are kept are at most this much older than it, in ms. */
const LOOK_AGAIN_MS = 1_000;

/** Who is who: canonical ids, their members, and the keys by which they are found. Answers are kept until the next rebuild, whoever does it. */
export class CustomerIndex {
  readonly #database: Database;
  #cache = new LRUCache<string, object>({ max: CACHED });
  #version: number | undefined;
  #lookedAtMs = -Infinity;
  #looking: Promise<void> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Replaces the whole index at once; ids that vanished are redirected to where their first record went. */
  async replace(customers: readonly IndexedCustomer[]): Promise<void> {
    await this.#database.transaction(async inside => {
      // First of all, since it makes whoever else replaces the index wait.
      await inside.query("UPDATE customer_index SET version = version + 1, is_behind = false");
      await inside.query("CREATE TEMP TABLE retired ON COMMIT DROP AS SELECT customer_id, collection, key FROM member");
      await inside.query("DELETE FROM customer");
      await inside.query("DELETE FROM member");
      await inside.query("DELETE FROM clue");
      await insertAll(
        inside,
        "customer (id, country, status, created_at)",
        "id text, country text, status text, created_at text",
        customers.map(({ id, country, status, createdAt }) => ({ id, country, status, created_at: createdAt })),
      );
      await insertAll(
        inside,
        "member (collection, key, customer_id)",
        "collection text, key text, customer_id text",
        customers.flatMap(({ id, members }) => members.map(({ collection, key }) => ({ collection, key, customer_id: id }))),
      );
      await insertAll(
        inside,
        "clue (space, value, customer_id)",
        "space text, value text, customer_id text",
        customers.flatMap(({ id, clues }) => clues.map(({ space, value }) => ({ space, value, customer_id: id }))),
      );
      await inside.query(redirectRetired);
      await inside.query(redirectOnwards);
      await inside.query("DELETE FROM redirect WHERE retired_id IN (SELECT id FROM customer)");
    });
    this.#forget();
  }

  /** Notes that a record changed which the index does not know yet. */
  async markBehind(): Promise<void> {
    await this.#database.query("UPDATE customer_index SET is_behind = true");
  }

  /** Whether a collection was read to its end since the index was made. */
  async isBehind(): Promise<boolean> {
    const [row] = await this.#database.query<{ is_behind: boolean }>("SELECT is_behind FROM customer_index");
    return row?.is_behind ?? true;
  }

  /** The customers that a text may mean: a canonical id, a retired one, or a key in any source. More than one: ambiguous. */
  async find(text: string): Promise<readonly string[]> {
    return this.#cached(`find ${text}`, () =>
      this.#ids(
        `SELECT id FROM customer WHERE id = $1 UNION SELECT customer_id FROM redirect WHERE retired_id = $1
         UNION SELECT customer_id FROM member WHERE key = $1 UNION SELECT customer_id FROM clue WHERE value = $1 AND space <> 'email' ORDER BY 1`,
        [text],
      ),
    );
  }

  /** The customers with a key in a source: of one of its collections, or an explicit key that one of its records carries. */
  async findByKey(source: string, key: string): Promise<readonly string[]> {
    return this.#cached(`key ${source} ${key}`, () =>
      this.#ids("SELECT DISTINCT customer_id AS id FROM member WHERE key = $1 AND starts_with(collection, $2) ORDER BY 1", [
        key,
        `${source}.`,
      ]),
    );
  }

  /** The customers that a mailbox, normalised for matching, stands for. */
  async findByMailbox(mailbox: string): Promise<readonly string[]> {
    return this.#cached(`mailbox ${mailbox}`, () =>
      this.#ids("SELECT customer_id AS id FROM clue WHERE space = 'email' AND value = $1 ORDER BY 1", [mailbox]),
    );
  }

  /** The members of many customers, sorted by collection and key; an unknown id is not in the answer. */
  async membersOf(ids: readonly string[]): Promise<ReadonlyMap<string, readonly Member[]>> {
    await this.#keepUp();
    const cache = this.#cache;
    const known = new Map<string, readonly Member[]>();
    const unknown: string[] = [];
    for (const id of ids) {
      const members = cache.get(`members ${id}`) as readonly Member[] | undefined;
      if (members) known.set(id, members);
      else unknown.push(id);
    }
    if (unknown.length === 0) return known;
    const rows = await this.#database.query<{ customer_id: string; members: readonly Member[] }>(
      `SELECT customer_id, json_agg(json_build_object('collection', collection, 'key', key) ORDER BY collection, key) AS members
       FROM member WHERE customer_id = ANY($1) GROUP BY customer_id`,
      [unknown],
    );
    for (const { customer_id: id, members } of rows) {
      cache.set(`members ${id}`, members);
      known.set(id, members);
    }
    return known;
  }

  /** Canonical ids after `after`, in their order, `limit` at most. */
  async page(filter: CustomerFilter, after: string | null, limit: number): Promise<readonly string[]> {
    return this.#cached(`page ${JSON.stringify([filter.country, filter.status, filter.source, after, limit])}`, () =>
      this.#ids(`SELECT id FROM customer WHERE ${matchesFilter} AND ($4::text IS NULL OR id > $4) ORDER BY id LIMIT $5`, [
        ...filterParameters(filter),
        after,
        limit,
      ]),
    );
  }

  async count(filter: CustomerFilter): Promise<number> {
    if (filterParameters(filter).some(holdsNul)) return 0;
    const rows = await this.#database.query<{ count: string | number }>(
      `SELECT count(*) AS count FROM customer WHERE ${matchesFilter}`,
      filterParameters(filter),
    );
    return Number(rows[0]?.count ?? 0);
  }

  async #ids(sql: string, parameters: readonly unknown[]): Promise<readonly string[]> {
    if (parameters.some(holdsNul)) return [];
    const rows = await this.#database.query<{ id: string }>(sql, parameters);
    return rows.map(row => row.id);
  }

  /** Keeps an answer unless the index was replaced while it was being read. */
  async #cached(name: string, load: () => Promise<readonly string[]>): Promise<readonly string[]> {
    await this.#keepUp();
    const cache = this.#cache;
    const known = cache.get(name) as readonly string[] | undefined;
    if (known) return known;
    const loaded = await load();
    cache.set(name, loaded);
    return loaded;
  }

  #forget(): void {
    this.#cache = new LRUCache<string, object>({ max: CACHED });
  }

  /** Forgets what is kept when another process has replaced the index. */
  async #keepUp(): Promise<void> {
    if (!this.#database.isShared || performance.now() - this.#lookedAtMs < LOOK_AGAIN_MS) return;
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    await this.#looking;
  }

  async #look(): Promise<void> {
    const [row] = await this.#database.query<{ version: string | number }>("SELECT version FROM customer_index");
    const version = Number(row?.version);
    if (version !== this.#version) this.#forget();
    this.#version = version;
    this.#lookedAtMs = performance.now();
  }
}

const matchesFilter = `
  ($1::text IS NULL OR country = $1) AND ($2::text IS NULL OR status = $2)
  AND ($3::text IS NULL OR EXISTS (SELECT 1 FROM member WHERE customer_id = customer.id AND starts_with(collection, $3)))`;

const filterParameters = (filter: CustomerFilter): (string | null)[] => [
  filter.country ?? null,
  filter.status ?? null,
  filter.source ?? null,
];

/** PostgreSQL's text cannot hold U+0000: nothing in the store can be equal to such a text. */
const holdsNul = (parameter: unknown): boolean => typeof parameter === "string" && parameter.includes("\0");

const redirectRetired = `
  INSERT INTO redirect (retired_id, customer_id)
  SELECT DISTINCT ON (retired.customer_id) retired.customer_id, member.customer_id
  FROM retired JOIN member USING (collection, key)
  WHERE NOT EXISTS (SELECT 1 FROM customer WHERE id = retired.customer_id)
  ORDER BY retired.customer_id, retired.collection, retired.key
  ON CONFLICT (retired_id) DO UPDATE SET customer_id = excluded.customer_id`;

/** What was redirected to an id that has now itself been retired goes where that one went. */
const redirectOnwards = `
  UPDATE redirect SET customer_id = onwards.customer_id FROM redirect onwards
  WHERE onwards.retired_id = redirect.customer_id AND NOT EXISTS (SELECT 1 FROM customer WHERE id = redirect.customer_id)`;

async function insertAll(inside: Pick<Database, "query">, into: string, columns: string, rows: readonly object[]): Promise<void> {
  const BATCH = 20_000;
  for (let start = 0; start < rows.length; start += BATCH) {
    const batch = JSON.stringify(rows.slice(start, start + BATCH));
    await inside.query(
      `INSERT INTO ${into} SELECT * FROM jsonb_to_recordset($1::jsonb) AS item(${columns}) ON CONFLICT DO NOTHING`,
      [batch],
    );
  }
}
