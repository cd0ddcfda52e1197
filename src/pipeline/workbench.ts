import {
  type DuckDBDataChunk,
  DuckDBScalarFunction,
  type DuckDBType,
  type DuckDBValue,
  listValue,
  LIST,
  VARCHAR,
} from "@duckdb/node-api";
import { asError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { openBench, type Workbench } from "../mapping/bench.ts";
import { registerFunctions } from "../mapping/functions.ts";
import { recordText } from "../mapping/record-text.ts";
import type { Catalog } from "../source/catalog.ts";
import { contractBreaks } from "../upstream/decode.ts";
import { itemsAt } from "../upstream/records.ts";

/**
 * Opens a workbench for building. Beyond the mapping's own functions its SQL has `records_of(body, items)`, the records of a response as exact
 * JSON texts, and `contract_breaks(record, collection)`, the places where a record breaks its collection's contract, or NULL.
 */
export async function openWorkbench(catalog: Catalog, spillFolder: string | null): Promise<Workbench> {
  const bench = await openBench(spillFolder);
  await registerFunctions(bench.connection);
  bench.connection.registerScalarFunction(recordsOf);
  bench.connection.registerScalarFunction(breaksFunction(catalog));
  return bench;
}

/** A function of texts. DuckDB's own reading of JSON is no way to a record: it rounds decimals, keeps the first of equal names and refuses what JSON allows. */
function textFunction(
  name: string,
  returnType: DuckDBType,
  read: (first: string, second: string) => DuckDBValue,
): DuckDBScalarFunction {
  return DuckDBScalarFunction.create({
    name,
    parameterTypes: [VARCHAR, VARCHAR],
    returnType,
    mainFunction: (info, input, output) => {
      try {
        const [first, second] = columnsOf(input);
        for (let row = 0; row < input.rowCount; row++) output.setItem(row, read(first(row), second(row)));
        output.flush();
      } catch (thrown) {
        info.setError(asError(thrown).message);
      }
    },
  });
}

type TextColumn = (row: number) => string;

function columnsOf(input: DuckDBDataChunk): [TextColumn, TextColumn] {
  const [first, second] = [input.getColumnVector(0), input.getColumnVector(1)];
  return [row => String(first.getItem(row)), row => String(second.getItem(row))];
}

const recordsOf = textFunction("records_of", LIST(VARCHAR), (body, items) =>
  listValue(itemsAt(parseJson(body), items, "a kept response").map(recordText)),
);

const breaksFunction = (catalog: Catalog): DuckDBScalarFunction =>
  textFunction("contract_breaks", VARCHAR, (record, collection) => {
    const breaks = contractBreaks(catalog.get(collection), parseJson(record));
    return breaks.length === 0 ? null : breaks.join("; ");
  });
