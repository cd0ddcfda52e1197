import { type FileHandle, open } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import {
  DuckDBDateValue,
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBDecimalType,
  DuckDBDecimalValue,
  DuckDBListType,
  DuckDBListValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from "@duckdb/node-api";
import {
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Field,
  Float64,
  Int32,
  Int64,
  List,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { StoreError } from "../../core/errors.ts";

/** How the values of one type of DuckDB become a column of a batch. */
interface Form {
  readonly type: DataType;
  readonly column: (values: readonly DuckDBValue[]) => Data;
}

/** Writes a query's rows as an Arrow IPC file, one batch after another: no more than a few thousand rows are in memory. Throws `STORE_UNAVAILABLE`. */
export async function writeArrow(connection: DuckDBConnection, query: string, path: string): Promise<void> {
  const result = await connection.stream(query);
  const forms = result.columnTypes().map(formOf);
  const schema = new Schema(result.columnNames().map((name, index) => new Field(name, forms[index]!.type, true)));
  const batchOf = (chunk: DuckDBDataChunk) => {
    const children = forms.map(({ column }, index) => column(chunk.getColumnValues(index)));
    return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: chunk.rowCount, nullCount: 0, children }));
  };
  const writer = new RecordBatchFileWriter();
  writer.reset(undefined, schema);
  const bytes = writer[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  const file = await open(path, "w");
  try {
    let next = bytes.next();
    for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
      writer.write(batchOf(chunk));
      ({ pending: next } = await writeReady(file, bytes, next));
    }
    writer.finish();
    for (let step = await next; step.done !== true; step = await bytes.next()) await file.write(step.value);
  } finally {
    await file.close();
  }
}

type Step = Promise<IteratorResult<Uint8Array>>;

/** The writer queues what it is given without end, so what is ready goes to the file before the next batch. Returns the step that is not ready yet. */
async function writeReady(file: FileHandle, bytes: AsyncIterator<Uint8Array>, first: Step): Promise<{ readonly pending: Step }> {
  let next = first;
  for (;;) {
    const step = await Promise.race([next, setImmediate(null)]);
    if (step === null || step.done === true) return { pending: next };
    await file.write(step.value);
    next = bytes.next();
  }
}

function formOf(type: DuckDBType): Form {
  if (type instanceof DuckDBDecimalType) return decimal(type);
  if (type instanceof DuckDBListType && type.valueType.typeId === DuckDBTypeId.VARCHAR)
    return built(new List(new Field("item", new Utf8(), true)), value => (value instanceof DuckDBListValue ? value.items : null));
  const form = forms[type.typeId];
  if (form === undefined) throw new StoreError("STORE_UNAVAILABLE", `a column of type ${type.toString()} has no form in Arrow`);
  return form;
}

/** Through the library's own builder; there is at least one value. */
const built = (type: DataType, read: (value: DuckDBValue) => unknown = value => value): Form => ({
  type,
  column: values =>
    vectorFromArray(
      values.map(value => (value === null ? null : read(value))),
      type,
    ).data[0]!,
});

/** Through an array of whole numbers: the builders would take these values through doubles. */
const whole = <T extends Int32Array | BigInt64Array>(
  type: DataType,
  create: (length: number) => T,
  read: (value: DuckDBValue) => T[number] | null,
): Form => ({
  type,
  column: values => {
    const data = create(values.length);
    for (const [row, value] of values.entries()) data[row] = read(value) ?? data[row]!;
    return makeData({ type: type as Int32, data: data as Int32Array, length: values.length, ...nullsOf(values) });
  },
});

const forms: Readonly<Partial<Record<DuckDBTypeId, Form>>> = {
  [DuckDBTypeId.VARCHAR]: built(new Utf8()),
  [DuckDBTypeId.BOOLEAN]: built(new Bool()),
  [DuckDBTypeId.DOUBLE]: built(new Float64()),
  [DuckDBTypeId.INTEGER]: whole(
    new Int32(),
    length => new Int32Array(length),
    value => (typeof value === "number" ? value : null),
  ),
  [DuckDBTypeId.BIGINT]: whole(
    new Int64(),
    length => new BigInt64Array(length),
    value => (typeof value === "bigint" ? value : null),
  ),
  [DuckDBTypeId.DATE]: whole(
    new DateDay(),
    length => new Int32Array(length),
    value => (value instanceof DuckDBDateValue ? value.days : null),
  ),
  [DuckDBTypeId.TIMESTAMP]: whole(
    new TimestampMicrosecond(),
    length => new BigInt64Array(length),
    value => (value instanceof DuckDBTimestampValue ? value.micros : null),
  ),
  [DuckDBTypeId.TIMESTAMP_TZ]: whole(
    new TimestampMicrosecond("UTC"),
    length => new BigInt64Array(length),
    value => (value instanceof DuckDBTimestampTZValue ? value.micros : null),
  ),
};

/** 128 bits each, the low half first. */
function decimal({ scale, width }: DuckDBDecimalType): Form {
  return {
    type: new Decimal(scale, width, 128),
    column: values => {
      const halves = new BigInt64Array(values.length * 2);
      for (const [row, value] of values.entries()) {
        if (!(value instanceof DuckDBDecimalValue)) continue;
        halves[row * 2] = BigInt.asIntN(64, value.value);
        halves[row * 2 + 1] = value.value >> 64n;
      }
      const data = new Uint32Array(halves.buffer);
      return makeData({ type: new Decimal(scale, width, 128), data, length: values.length, ...nullsOf(values) });
    },
  };
}

/** Which values are there, a bit each, the lowest first. */
function nullsOf(values: readonly DuckDBValue[]): { readonly nullCount: number; readonly nullBitmap: Uint8Array } {
  const nullBitmap = new Uint8Array(Math.ceil(values.length / 64) * 8);
  let nullCount = 0;
  for (const [row, value] of values.entries()) {
    if (value === null) nullCount++;
    else nullBitmap[row >> 3]! |= 1 << (row & 7);
  }
  return { nullCount, nullBitmap };
}
