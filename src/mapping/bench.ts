import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from "@duckdb/node-api";
import { asError, StoreError } from "../core/errors.ts";

/** A row as text by column name; what is not text comes as the text that DuckDB prints. */
export type Row = Readonly<Record<string, string | null>>;

/** An embedded DuckDB. Nothing of it remains once it is closed. */
export interface Workbench {
  readonly connection: DuckDBConnection;
  /** Runs a statement; throws `STORE_UNAVAILABLE`. */
  run(sql: string): Promise<void>;
  /** All rows of a query; throws `STORE_UNAVAILABLE`. */
  rows(sql: string): Promise<readonly Row[]>;
  close(): void;
}

/** What DuckDB may use; all cores, and most of the memory, unless stated. */
export interface BenchLimits {
  readonly threads?: number;
  /** In MiB. */
  readonly memoryMib?: number;
}

/** Opens an empty workbench that knows nothing beyond DuckDB; it spills to a folder when memory is short, or nowhere. */
export async function openBench(spillFolder: string | null, { threads, memoryMib }: BenchLimits = {}): Promise<Workbench> {
  const options = {
    ...(spillFolder !== null && { temp_directory: spillFolder }),
    ...(threads !== undefined && { threads: String(threads) }),
    ...(memoryMib !== undefined && { memory_limit: `${memoryMib}MiB` }),
  };
  const instance = await guarded("open", () => DuckDBInstance.create(":memory:", options));
  const connection = await instance.connect();
  return {
    connection,
    run: async sql => void (await guarded(sql, () => connection.run(sql))),
    rows: sql => guarded(sql, async () => (await connection.runAndReadAll(sql)).getRowObjects().map(textRow)),
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

async function guarded<T>(sql: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const place = sql.trim().slice(0, 80);
    throw new StoreError("STORE_UNAVAILABLE", `DuckDB refused "${place}": ${asError(cause).message}`, { cause });
  }
}

const textRow = (row: Record<string, DuckDBValue>): Row =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)]));
