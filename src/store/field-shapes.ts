import type { Database } from "./database.ts";

/** The fields that the records of each collection had when it was last read to its end. */
export class FieldShapes {
  readonly #database: Database;
  constructor(database: Database) {
    this.#database = database;
  }

  /** Collection → paths of its fields; a collection that was never read to its end is not there. */
  async all(): Promise<ReadonlyMap<string, readonly string[]>> {
    const rows = await this.#database.query<{ collection: string; fields: readonly string[] }>(
      "SELECT collection, fields FROM field_shape",
    );
    return new Map(rows.map(row => [row.collection, row.fields]));
  }

  async put(collection: string, fields: readonly string[]): Promise<void> {
    await this.#database.query(
      `INSERT INTO field_shape VALUES ($1, $2::jsonb)
       ON CONFLICT (collection) DO UPDATE SET fields = excluded.fields`,
      [collection, JSON.stringify(fields)],
    );
  }
}
