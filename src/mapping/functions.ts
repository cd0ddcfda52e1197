import { type DuckDBConnection, type DuckDBDataChunk, DuckDBScalarFunction, VARCHAR } from "@duckdb/node-api";
import { parseJson, valueAt } from "../core/json.ts";
import { inputOf } from "./input-js.ts";
import { countryText, phoneText } from "./place-forms.ts";
import { plainNumber } from "./plain-number.ts";

interface TextFunction {
  readonly name: string;
  readonly parameters: number;
  readonly compute: (first: string, second: string) => string | null;
}

/** The number at a path of a record's own text, in plain notation. */
function numberAt(record: string, path: string): string | null {
  const input = inputOf(valueAt(parseJson(record), path));
  return typeof input === "string" ? null : plainNumber(input);
}

const functions: readonly TextFunction[] = [
  { name: "tributary_country", parameters: 1, compute: countryText },
  { name: "tributary_phone", parameters: 1, compute: phoneText },
  { name: "tributary_nfc", parameters: 1, compute: text => text.normalize("NFC") },
  { name: "tributary_number", parameters: 2, compute: numberAt },
];

/**
 * Registers, for the whole database of a connection, what SQL cannot say exactly as JavaScript does:
 *
 * - `tributary_number(record, path)`: a number's exact digits, where DuckDB reads a double
 * - `tributary_country(text)`, `tributary_phone("<alpha-2 or nothing>:<text>")`, `tributary_nfc(text)`
 *
 * Each is NULL when an argument is. To register them again changes nothing.
 */
export async function registerFunctions(connection: DuckDBConnection): Promise<void> {
  for (const definition of functions) connection.registerScalarFunction(scalarFunction(definition));
}

const scalarFunction = ({ name, parameters, compute }: TextFunction): DuckDBScalarFunction =>
  DuckDBScalarFunction.create({
    name,
    returnType: VARCHAR,
    parameterTypes: Array.from({ length: parameters }, () => VARCHAR),
    mainFunction: (_info, input, output) => {
      const rows = input.rowCount;
      const [first, second] = texts(input);
      for (let row = 0; row < rows; row++) {
        const [one, two] = [first?.(row) ?? null, second === undefined ? "" : second(row)];
        output.setItem(row, one === null || two === null ? null : compute(one, two));
      }
      output.flush();
    },
  });

const texts = (input: DuckDBDataChunk) =>
  Array.from({ length: input.columnCount }, (_, column) => {
    const vector = input.getColumnVector(column);
    return (row: number) => vector.getItem(row) as string | null;
  });
