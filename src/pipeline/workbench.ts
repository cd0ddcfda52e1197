import { type DuckDBDataChunk, DuckDBScalarFunction, listValue, LIST, VARCHAR } from "@duckdb/node-api";
import { asError } from "../core/errors.ts";
import { type Json, mayHoldExactNumbers, parseJson } from "../core/json.ts";
import { type BenchLimits, openBench, type Workbench } from "../mapping/bench.ts";
import { registerFunctions } from "../mapping/functions.ts";
import { recordText } from "../mapping/record-text.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import { breaksIn, keepsOut, shownKey } from "../upstream/decode.ts";
import { type Examined, examinerOf } from "../upstream/drift/examine.ts";
import type { Shape } from "../upstream/drift/shape.ts";
import { itemsAt, locatedItems } from "../upstream/records.ts";

/**
 * Opens a workbench for building. Beyond the mapping's own functions its SQL has `records_of(body, items, collection)`, for each record of a response its exact
 * JSON text and then how it differs from what was agreed, or NULL; and `pointers_of(body, items)`, the JSON pointer of each. How it differs is a JSON text of all `findings`, the `worst` of
 * them, the record's `key`, the `policy` that keeps it from being mapped with the `breaks` that it is for, and the `record` to be mapped where it is
 * another than the one that came.
 * @param known the fields that the records of a collection may have; null where nobody knows
 */
export async function openWorkbench(
  catalog: Catalog,
  spillFolder: string | null,
  known: (collection: string) => Shape | null = () => null,
  limits: BenchLimits = {},
): Promise<Workbench> {
  const bench = await openBench(spillFolder, limits);
  await registerFunctions(bench.connection);
  bench.connection.registerScalarFunction(recordsFunction(catalog, known));
  bench.connection.registerScalarFunction(pointersOf);
  return bench;
}

/** A function of texts that gives a list of texts. DuckDB's own reading of JSON is no way to a record: it rounds decimals, keeps the first of equal names and refuses what JSON allows. */
function listFunction(
  name: string,
  parameters: number,
  read: (...texts: [string, string, string]) => readonly (string | null)[],
): DuckDBScalarFunction {
  return DuckDBScalarFunction.create({
    name,
    parameterTypes: Array.from({ length: parameters }, () => VARCHAR),
    returnType: LIST(VARCHAR),
    mainFunction: (info, input, output) => {
      try {
        const [rows, [first, second, third]] = [input.rowCount, columnsOf(input)];
        for (let row = 0; row < rows; row++) output.setItem(row, listValue(read(first(row), second(row), third?.(row) ?? "")));
        output.flush();
      } catch (thrown) {
        info.setError(asError(thrown).message);
      }
    },
  });
}

type TextColumn = (row: number) => string;

function columnsOf(input: DuckDBDataChunk): [TextColumn, TextColumn, TextColumn?] {
  const column = (index: number): TextColumn => {
    const vector = input.getColumnVector(index);
    return row => String(vector.getItem(row));
  };
  return input.columnCount > 2 ? [column(0), column(1), column(2)] : [column(0), column(1)];
}

const pointersOf = listFunction("pointers_of", 2, (body, items) =>
  locatedItems(parseJson(body), items, "a kept response").map(({ pointer }) => pointer),
);

/** A record is read, examined and written in one go: to bring its text to JavaScript once more costs as much as all of that. */
const recordsFunction = (catalog: Catalog, known: (collection: string) => Shape | null): DuckDBScalarFunction =>
  listFunction("records_of", 3, (body, items, collection) => {
    const [entry, mayBeExact] = [catalog.get(collection), mayHoldExactNumbers(body)];
    const examine = examinerOf(entry.collection);
    const options = { known: known(collection), withWords: true };
    return itemsAt(parseJson(body), items, "a kept response").flatMap(record => {
      const examined = examine(record, options);
      return [recordText(record, mayBeExact), examined === null ? null : driftText(entry, record, examined)];
    });
  });

function driftText(entry: CatalogEntry, record: Json, examined: Examined): string {
  const { policy, findings } = examined;
  return JSON.stringify({
    findings,
    worst: findings.find(finding => finding.policy === policy),
    key: shownKey(entry, record),
    ...(keepsOut(policy) && { policy, breaks: breaksIn(examined).join("; ") }),
    ...(examined.record !== record && { record: recordText(examined.record) }),
  });
}
