import {
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBResult,
  DuckDBTypeId,
  type DuckDBValue,
  DOUBLE,
  INTEGER,
} from "@duckdb/node-api";
import { asError, StoreError } from "../core/errors.ts";

/** A row as text by column name; what is not text comes as the text that DuckDB prints. */
export type Row = Readonly<Record<string, string | null>>;

/** A column of numbers, none of them NULL. */
export type NumberColumn = Int32Array | Float64Array;

/** An embedded DuckDB. Nothing of it remains once it is closed. */
export interface Workbench {
  readonly connection: DuckDBConnection;
  /** Runs a statement; throws `STORE_UNAVAILABLE`. */
  run(sql: string): Promise<void>;
  /** All rows of a query; throws `STORE_UNAVAILABLE`. */
  rows(sql: string): Promise<readonly Row[]>;
  /** The columns of a query, each of them INTEGER or DOUBLE and without NULL; throws `STORE_UNAVAILABLE`. */
  columns(sql: string): Promise<readonly NumberColumn[]>;
  /** Puts rows into a table of INTEGER and DOUBLE columns; throws `STORE_UNAVAILABLE`. */
  append(table: string, columns: readonly NumberColumn[]): Promise<void>;
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
    columns: sql => guarded(sql, async () => columnsOf(await connection.stream(sql))),
    append: (table, columns) => guarded(`append to ${table}`, () => appendColumns(connection, table, columns)),
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

async function columnsOf(result: DuckDBResult): Promise<readonly NumberColumn[]> {
  const parts: NumberColumn[][] = Array.from({ length: result.columnCount }, () => []);
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk())
    for (const [index, column] of parts.entries()) column.push(numbersIn(chunk, index).items.slice());
  return parts.map((column, index) => {
    const length = column.reduce((sum, part) => sum + part.length, 0);
    const whole = result.columnTypeId(index) === DuckDBTypeId.INTEGER ? new Int32Array(length) : new Float64Array(length);
    let at = 0;
    for (const part of column) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  });
}

/** The values of a chunk's column of numbers, as the binding keeps them; its types do not show them. */
const numbersIn = (chunk: DuckDBDataChunk, index: number) =>
  chunk.getColumnVector(index) as unknown as { readonly items: NumberColumn; flush(): void };

/** Rows of a chunk: DuckDB's own size of a vector. */
const CHUNK = 2048;

async function appendColumns(connection: DuckDBConnection, table: string, columns: readonly NumberColumn[]): Promise<void> {
  const appender = await connection.createAppender(table);
  const types = columns.map(column => (column instanceof Int32Array ? INTEGER : DOUBLE));
  const rows = columns[0]?.length ?? 0;
  for (let from = 0; from < rows; from += CHUNK) {
    const chunk = DuckDBDataChunk.create(types, Math.min(CHUNK, rows - from));
    for (const [index, column] of columns.entries()) {
      const vector = numbersIn(chunk, index);
      vector.items.set(column.subarray(from, from + CHUNK));
      vector.flush();
    }
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
}

const textRow = (row: Record<string, DuckDBValue>): Row =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)]));
