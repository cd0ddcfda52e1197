import { type Decision, INPUT_COLUMNS, resolveTables } from "../identity/resolve.ts";
import type { Workbench } from "../mapping/bench.ts";
import { quoted } from "../mapping/sql-text.ts";
import type { Normalized } from "./normalize.ts";

/**
 * Finds out who is who among the normalized customers and keeps it as the table `member`: collection, key, customer id, and the record's
 * position in its cluster, by which "the smallest key" is decided, so that text is compared in one place only; and as `identity_edges` why. Returns the
 * number of customers.
 */
export async function identify(
  bench: Workbench,
  customers: readonly Normalized[],
  decisions: readonly Decision[],
): Promise<number> {
  await bench.run(`CREATE TABLE input (${INPUT_COLUMNS})`);
  for (const each of customers) await bench.run(`INSERT INTO input ${inputSql(each)}`);
  const single = customers.filter(({ input }) => input.entry.collection.identity?.onePerCustomer);
  return resolveTables(bench, { onePerCustomer: new Set(single.map(({ input }) => input.entry.id)), decisions });
}

function inputSql({ input, table, clues }: Normalized): string {
  const held = clues.map(
    ({ space, value }) => `CASE WHEN ${value} IS NOT NULL THEN {space: ${quoted(space)}, value: ${value}} END`,
  );
  const list = held.length === 0 ? "[]" : `list_filter([${held.join(", ")}], clue -> clue IS NOT NULL)`;
  return `SELECT ${quoted(input.entry.id)}, "key", name, email, phone, company, country, ${list} FROM ${table}`;
}
