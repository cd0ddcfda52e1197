import { named } from "../../mapping/sql-text.ts";
import type { Engine } from "./engine.ts";
import type { Field } from "./model.ts";

/** A blocking rule: pairs that agree on every part are looked at. */
export interface BlockingRule {
  readonly name: string;
  /** The columns that a pair of this rule agrees on altogether: they say nothing more about such a pair. */
  readonly columns: readonly string[];
  /** SQL over a record; NULL leaves the record out. */
  readonly key: string;
}

/** Records in one block at most: what more of them share says little, and pairs grow with the square. */
const MAX_BLOCK = 60;
/** Pairs that one rule may bring, and all together, for each record; and all together at most. */
const MAX_PAIRS_PER_RULE = 12;
const MAX_PAIRS_PER_RECORD = 40;
const MAX_PAIRS = 30_000_000;

const whole = ({ column }: Field): string => named(column);
const part: Readonly<Partial<Record<Field["kind"], (column: string) => string>>> = {
  name: column => `left(${column}, 3)`,
  date: column => `left(${column}, 6)`,
  email: column => `split_part(${column}, '@', 1)`,
  phone: column => `right(${column}, 7)`,
  text: column => `left(${column}, 8)`,
};

/** Every rule that might be worth it: a field whole, two fields whole, and two fields of which one is only begun alike. */
function possibleRules(fields: readonly Field[]): BlockingRule[] {
  const rules: BlockingRule[] = [];
  const add = (columns: readonly string[], parts: readonly string[], name: string) =>
    rules.push({ name, columns, key: parts.length === 1 ? parts[0]! : `(${parts.join(` || '|' || `)})` });
  for (const field of fields) if (field.kind !== "category") add([field.column], [whole(field)], field.column);
  for (const [index, one] of fields.entries()) {
    const begun = part[one.kind]?.(named(one.column));
    if (begun !== undefined && one.kind !== "name" && one.kind !== "text") add([], [begun], `${one.column}…`);
    for (const two of fields.slice(index + 1)) {
      add([one.column, two.column], [whole(one), whole(two)], `${one.column} + ${two.column}`);
      const begunTwo = part[two.kind]?.(named(two.column));
      if (begun !== undefined && begunTwo !== undefined) add([], [begun, begunTwo], `${one.column}… + ${two.column}…`);
    }
  }
  return rules;
}

/** Declared blocking rules as rules. */
export const declaredRules = (blocking: readonly (readonly string[])[]): BlockingRule[] =>
  blocking.map(columns => ({
    name: columns.join(" + "),
    columns,
    key: `(${columns.map(column => named(column)).join(" || '|' || ")})`,
  }));

/** The possible rules that bring a bearable number of pairs, those that reach most records first. */
export async function chooseRules(
  engine: Engine,
  fields: readonly Field[],
  records: number,
  atMost: number,
): Promise<BlockingRule[]> {
  const measured: { rule: BlockingRule; reached: number; pairs: number }[] = [];
  for (const rule of possibleRules(fields)) {
    const [row] = await engine.rows(`
      SELECT coalesce(sum(size), 0) AS reached, coalesce(sum(size * (size - 1) / 2), 0) AS pairs
      FROM (SELECT count(*) AS size FROM record WHERE ${rule.key} IS NOT NULL GROUP BY ${rule.key} HAVING count(*) BETWEEN 2 AND ${MAX_BLOCK})`);
    const [reached, pairs] = [Number(row?.["reached"]), Number(row?.["pairs"])];
    if (reached > 0 && pairs <= MAX_PAIRS_PER_RULE * records) measured.push({ rule, reached, pairs });
  }
  measured.sort((a, b) => b.reached - a.reached || (a.rule.name < b.rule.name ? -1 : 1));
  let left = Math.min(MAX_PAIRS, MAX_PAIRS_PER_RECORD * records);
  const chosen = measured.slice(0, atMost).filter(({ pairs }) => {
    if (pairs > left) return false;
    left -= pairs;
    return true;
  });
  return chosen.map(({ rule }) => rule);
}

/** The pairs of one rule, smaller number first, as a query. */
export const pairsOf = ({ key }: BlockingRule, acrossOnly: boolean): string => `
  SELECT l.n AS a, r.n AS b
  FROM (SELECT n, source, ${key} AS block FROM record) AS l
  JOIN (SELECT n, source, ${key} AS block FROM record) AS r ON l.block = r.block AND l.n < r.n
  JOIN (SELECT ${key} AS block FROM record WHERE ${key} IS NOT NULL GROUP BY block HAVING count(*) BETWEEN 2 AND ${MAX_BLOCK}) AS small ON small.block = l.block
  ${acrossOnly ? "WHERE l.source <> r.source" : ""}`;

/** Makes the table `pair` (a, b): every pair that some rule brings, once. Returns how many there are. */
export async function collectPairs(engine: Engine, rules: readonly BlockingRule[], acrossOnly: boolean): Promise<number> {
  const all = rules.map(rule => pairsOf(rule, acrossOnly)).join(" UNION ");
  await engine.run(`CREATE OR REPLACE TABLE pair AS ${all}`);
  const [row] = await engine.rows("SELECT count(*) AS pairs FROM pair");
  return Number(row?.["pairs"]);
}
