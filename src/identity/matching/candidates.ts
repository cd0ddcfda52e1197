import { named } from "../../mapping/sql-text.ts";
import type { Engine } from "./engine.ts";
import type { Field } from "./model.ts";

/** A blocking rule: pairs that agree on every part are looked at. */
export interface BlockingRule {
  readonly name: string;
  /** The columns that a pair of this rule agrees on altogether: they say nothing more about such a pair. */
  readonly columns: readonly string[];
  /** SQL over a record; NULL leaves the record out. */
  readonly parts: readonly string[];
}

/** Records in one block at most: what more of them share says little, and pairs grow with the square. */
const MAX_BLOCK = 60;
/** Pairs that one rule may bring, for each record. */
const MAX_PAIRS_PER_RULE = 12;
/** Pairs that all rules may bring: so many for each record, but some hundred thousand are no trouble for a small input. */
const MAX_PAIRS_PER_RECORD = 6;
const FREE_PAIRS = 400_000;
/** A rule whose large blocks were left out for more than this share of the records does not stand for the narrower rules. */
const MAX_LEFT_OUT = 0.01;

const whole = ({ column }: Field): string => named(column);
const begins: Readonly<Partial<Record<Field["kind"], (column: string) => string>>> = {
  name: column => `left(${column}, 3)`,
  date: column => `left(${column}, 6)`,
  email: column => `split_part(${column}, '@', 1)`,
  phone: column => `right(${column}, 7)`,
  text: column => `left(${column}, 8)`,
};

/** Every rule that might be worth it: a field whole, two fields whole, and two fields of which one is only begun alike. */
function possibleRules(fields: readonly Field[]): BlockingRule[] {
  const rules: BlockingRule[] = [];
  const add = (columns: readonly string[], parts: readonly string[], name: string) => rules.push({ name, columns, parts });
  const telling = fields.filter(({ kind }) => kind !== "category");
  for (const field of telling) {
    add([field.column], [whole(field)], field.column);
    const begun = begins[field.kind]?.(named(field.column));
    if (begun !== undefined && field.kind !== "name" && field.kind !== "text") add([], [begun], `${field.column}…`);
  }
  for (const [index, one] of fields.entries()) {
    for (const two of fields.slice(index + 1)) {
      add([one.column, two.column], [whole(one), whole(two)], `${one.column} + ${two.column}`);
      const [begun, begunTwo] = [begins[one.kind]?.(named(one.column)), begins[two.kind]?.(named(two.column))];
      if (begun !== undefined && begunTwo !== undefined) add([], [begun, begunTwo], `${one.column}… + ${two.column}…`);
    }
  }
  return rules;
}

/** Declared blocking rules as rules. */
export const declaredRules = (blocking: readonly (readonly string[])[]): BlockingRule[] =>
  blocking.map(columns => ({ name: columns.join(" + "), columns, parts: columns.map(named) }));

const keyOf = ({ parts }: BlockingRule): string => `(${parts.join(" || '|' || ")})`;

interface Measured {
  readonly rule: BlockingRule;
  readonly reached: number;
  readonly pairs: number;
  /** Records in blocks that are too large. */
  readonly leftOut: number;
}

/**
 * The possible rules that bring a bearable number of pairs, those first that bring few for each record that they reach. A rule all of whose pairs
 * another brings is left out.
 */
export async function chooseRules(
  engine: Engine,
  fields: readonly Field[],
  records: number,
  atMost: number,
): Promise<BlockingRule[]> {
  const measured: Measured[] = [];
  for (const rule of possibleRules(fields)) measured.push(await measureRule(engine, rule));
  const bearable = measured.filter(({ reached, pairs }) => reached > 0 && pairs <= MAX_PAIRS_PER_RULE * records);
  bearable.sort((a, b) => a.pairs / a.reached - b.pairs / b.reached);
  const most = Math.max(FREE_PAIRS, MAX_PAIRS_PER_RECORD * records);
  let chosen: Measured[] = [];
  for (const each of bearable) {
    if (chosen.some(wide => covers(wide, each, records))) continue;
    const kept = chosen.filter(narrow => !covers(each, narrow, records));
    if (kept.length < atMost && each.pairs + kept.reduce((sum, { pairs }) => sum + pairs, 0) <= most) chosen = [...kept, each];
  }
  return chosen.map(({ rule }) => rule);
}

async function measureRule(engine: Engine, rule: BlockingRule): Promise<Measured> {
  const key = keyOf(rule);
  const [row] = await engine.rows(`
    SELECT coalesce(sum(size) FILTER (size <= ${MAX_BLOCK}), 0) AS reached, coalesce(sum(size) FILTER (size > ${MAX_BLOCK}), 0) AS left_out,
      coalesce(sum(size * (size - 1) / 2) FILTER (size <= ${MAX_BLOCK}), 0) AS pairs
    FROM (SELECT count(*) AS size FROM record WHERE ${key} IS NOT NULL GROUP BY ${key} HAVING count(*) > 1)`);
  return { rule, reached: Number(row?.["reached"]), pairs: Number(row?.["pairs"]), leftOut: Number(row?.["left_out"]) };
}

/** Whether a rule brings every pair of another that matters. */
const covers = (wide: Measured, narrow: Measured, records: number): boolean =>
  wide.leftOut <= MAX_LEFT_OUT * records && wide.rule.parts.every(part => narrow.rule.parts.includes(part));

/** The pairs of one rule, smaller number first, as a query. */
function pairsOf(rule: BlockingRule, acrossOnly: boolean): string {
  const key = keyOf(rule);
  const blocks = `SELECT n, source, ${key} AS block FROM record WHERE block IS NOT NULL QUALIFY count(*) OVER (PARTITION BY block) BETWEEN 2 AND ${MAX_BLOCK}`;
  const across = acrossOnly ? "AND l.source <> r.source" : "";
  return `SELECT l.n AS a, r.n AS b FROM (${blocks}) AS l JOIN (${blocks}) AS r ON l.block = r.block AND l.n < r.n ${across}`;
}

/** Makes the table `pair` (a, b): every pair that some rule brings, once. Returns how many there are. */
export async function collectPairs(engine: Engine, rules: readonly BlockingRule[], acrossOnly: boolean): Promise<number> {
  const none = "SELECT n AS a, n AS b FROM record WHERE FALSE";
  const all = [none, ...rules.map(rule => pairsOf(rule, acrossOnly))].join(" UNION ");
  await engine.run(`CREATE OR REPLACE TABLE pair AS ${all}`);
  const [row] = await engine.rows("SELECT count(*) AS pairs FROM pair");
  return Number(row?.["pairs"]);
}
