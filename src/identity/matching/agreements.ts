import { levelNames } from "./comparison.ts";
import type { Engine } from "./engine.ts";
import type { Field } from "./model.ts";

/** Pairs in one statement. */
const PAIRS_AT_ONCE = 5_000;

/** How pairs that `scoreRecords` has looked at agree, by `<a> <b>`: `email: equal; name: Jaro–Winkler ≥ 0.95`, the fields that one of them lacks left out. */
export async function agreements(
  engine: Engine,
  fields: readonly Field[],
  pairs: readonly { readonly a: number; readonly b: number }[],
): Promise<ReadonlyMap<string, string>> {
  if (pairs.length === 0) return new Map();
  await engine.run("CREATE OR REPLACE TABLE wanted (a INTEGER, b INTEGER)");
  for (let at = 0; at < pairs.length; at += PAIRS_AT_ONCE) {
    const rows = pairs.slice(at, at + PAIRS_AT_ONCE).map(({ a, b }) => `(${a}, ${b})`);
    await engine.run(`INSERT INTO wanted VALUES ${rows.join(", ")}`);
  }
  const levels = fields.map((_, index) => `g${index}`).join(", ");
  const found = await engine.rows(`
    SELECT a, b, ${levels} FROM wanted JOIN (FROM gamma UNION ALL BY NAME FROM missing_gamma) AS looked_at USING (a, b)`);
  return new Map(found.map(row => [`${row["a"]} ${row["b"]}`, agreementOf(fields, row)]));
}

const agreementOf = (fields: readonly Field[], row: Readonly<Record<string, string | null>>): string =>
  fields
    .flatMap((field, index) => {
      const level = row[`g${index}`] ?? null;
      return level === null ? [] : [`${field.column}: ${levelNames(field)[Number(level)]}`];
    })
    .join("; ");
