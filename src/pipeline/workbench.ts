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
import { type BenchLimits, openBench, type Workbench } from "../mapping/bench.ts";
import { registerFunctions } from "../mapping/functions.ts";
import { recordText } from "../mapping/record-text.ts";
import type { Catalog } from "../source/catalog.ts";
import { breaksIn, keepsOut, shownKey } from "../upstream/decode.ts";
import { examinerOf } from "../upstream/drift/examine.ts";
import type { Shape } from "../upstream/drift/shape.ts";
import { itemsAt, locatedItems } from "../upstream/records.ts";

/**
 * Opens a workbench for building. Beyond the mapping's own functions its SQL has `records_of(body, items)`, the records of a response as exact
 * JSON texts, `pointers_of(body, items)`, the JSON pointer of each, and `drift_of(record, collection)`, how a record differs from what was agreed, or NULL: a JSON text of all `findings`, the `worst` of
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
  bench.connection.registerScalarFunction(recordsOf);
  bench.connection.registerScalarFunction(pointersOf);
  bench.connection.registerScalarFunction(driftFunction(catalog, known));
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

const pointersOf = textFunction("pointers_of", LIST(VARCHAR), (body, items) =>
  listValue(locatedItems(parseJson(body), items, "a kept response").map(({ pointer }) => pointer)),
);

const driftFunction = (catalog: Catalog, known: (collection: string) => Shape | null): DuckDBScalarFunction =>
  textFunction("drift_of", VARCHAR, (text, collection) => {
    const entry = catalog.get(collection);
    const record = parseJson(text);
    const examined = examinerOf(entry.collection)(record, { known: known(collection), withWords: true });
    if (examined === null) return null;
    const { policy, findings } = examined;
    return JSON.stringify({
      findings,
      worst: findings.find(finding => finding.policy === policy),
      key: shownKey(entry, record),
      ...(keepsOut(policy) && { policy, breaks: breaksIn(examined).join("; ") }),
      ...(examined.record !== record && { record: recordText(examined.record) }),
    });
  });
