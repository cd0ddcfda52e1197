import { DuckDBScalarFunction, VARCHAR } from "@duckdb/node-api";
import type { EntityName } from "../../core/canonical.ts";
import { exponentOf } from "../../core/currency.ts";
import { productOver } from "../../core/decimal.ts";
import { asError } from "../../core/errors.ts";
import type { Workbench } from "../../mapping/bench.ts";
import { named, quoted } from "../../mapping/sql-text.ts";
import type { BuildParameters } from "../dataset.ts";
import type { Known } from "../history.ts";
import { type BuildInput, knownAtOf } from "../inputs.ts";
import { featuresPlan } from "./plan.ts";
import { featuresSql } from "./sql.ts";

const columns = featuresPlan.columns.map(({ name }) => named(name)).join(", ");

/** Stages `customer_features`, as texts, from the staged tables of a build: a row for each customer and moment; without any moment, at the end of the last pull. */
export async function makeFeatures(
  bench: Workbench,
  { inputs, moments }: Pick<Known, "inputs" | "moments">,
  { currency }: Pick<BuildParameters, "currency">,
): Promise<void> {
  registerMoney(bench, currency);
  const knownAt = knownAtOf(inputs);
  const from = (entity: EntityName) => knownFrom(inputs, entity);
  const known = { Invoice: from("Invoice"), Ticket: from("Ticket"), UsageDay: from("UsageDay") };
  const texts = featuresPlan.columns.map(({ name }) => `${named(name)} VARCHAR`);
  await bench.run(`CREATE TABLE ${featuresPlan.name} (${texts.join(", ")})`);
  for (const asOf of moments.length === 0 ? [knownAt] : moments) {
    const sql = featuresSql({ asOf, knownAt, currency, knownFrom: known });
    await bench.run(`INSERT INTO ${featuresPlan.name} BY NAME SELECT * FROM (${sql})`);
  }
}

/** Writes the staged features into a file, for the bench that makes the dataset. */
export async function keepFeatures(bench: Workbench, file: string): Promise<void> {
  await bench.run(`COPY (SELECT ${columns} FROM ${featuresPlan.name}) TO ${quoted(file)} (FORMAT parquet)`);
}

/** Adds features that were kept in files to those that are staged. */
export async function addFeatures(bench: Workbench, files: readonly string[]): Promise<void> {
  if (files.length === 0) return;
  await bench.run(`INSERT INTO ${featuresPlan.name} SELECT ${columns} FROM read_parquet([${files.map(quoted).join(", ")}])`);
}

/** Adds `money_in(amount, from, into)`: an amount by the rates of its own currency and the given one, exactly as the live graph converts it. */
export const registerMoney = (bench: Workbench, currency: string): void =>
  bench.connection.registerScalarFunction(moneyIn(exponentOf(currency)));

/** The first day from which on an entity's records are known: null where all are, undefined where a collection of them was never pulled. */
function knownFrom(inputs: readonly BuildInput[], entity: EntityName): string | null | undefined {
  const own = inputs.filter(({ entry }) => entry.collection.canonical === entity);
  if (own.length === 0 || own.some(({ pull }) => pull === null)) return undefined;
  const dated = own.filter(({ entry }) => entry.collection.list.days !== undefined);
  const days = dated.map(({ pull }) => pull?.manifest.window.from ?? "");
  return days.reduce<string | null>((latest, day) => (latest === null || day > latest ? day : latest), null);
}

const moneyIn = (exponent: number): DuckDBScalarFunction =>
  DuckDBScalarFunction.create({
    name: "money_in",
    parameterTypes: [VARCHAR, VARCHAR, VARCHAR],
    returnType: VARCHAR,
    mainFunction: (info, input, output) => {
      try {
        const columns = [0, 1, 2].map(column => input.getColumnVector(column));
        for (let row = 0; row < input.rowCount; row++) {
          const values = columns.map(column => column.getItem(row));
          const [amount = "", from = "", into = ""] = values.map(String);
          // DuckDB asks for rows with nulls too, and for those that a CASE leaves out.
          output.setItem(row, values.includes(null) ? null : productOver([amount, into], from, exponent));
        }
        output.flush();
      } catch (thrown) {
        info.setError(asError(thrown).message);
      }
    },
  });
