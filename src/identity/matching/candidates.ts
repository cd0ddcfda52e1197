import { ConfigError } from "../../core/errors.ts";
import type { Engine } from "./engine.ts";
import type { Field } from "./model.ts";
import { begunColumn, canBegin, wholeColumn } from "./prepare.ts";

/** A blocking rule: pairs that agree on every part are looked at. */
export interface BlockingRule {
  readonly name: string;
  /** The columns that a pair of this rule agrees on altogether: they say nothing more about such a pair. */
  readonly columns: readonly string[];
  /** Columns of numbers; NULL leaves the record out. */
  readonly parts: readonly string[];
}

/** Records in one block at most: what more of them share says little, and pairs grow with the square. */
const MAX_BLOCK = 60;
/** Pairs that one rule may bring, for each record. */
const MAX_PAIRS_PER_RULE = 12;
/** Pairs that all rules may bring: so many for each record, but some hundred thousand are no trouble for a small input. */
const MAX_PAIRS_PER_RECORD = 6;
const FREE_PAIRS = 400_000;
/** From so many records on, rules are measured by some of their blocks, drawn by hash: one in so many. */
const MEASURED_WHOLE = 400_000;
const SAMPLED_BLOCKS = 8;
/** A rule whose large blocks were left out for more than this share of the records does not stand for the narrower rules. */
const MAX_LEFT_OUT = 0.01;

/** Every rule that might be worth it: a field whole, two fields whole, and two fields of which one is only begun alike. */
function possibleRules(fields: readonly Field[]): BlockingRule[] {
  const rules: BlockingRule[] = [];
  const add = (columns: readonly string[], parts: readonly string[], name: string) => rules.push({ name, columns, parts });
  for (const [index, one] of fields.entries()) {
    if (one.kind !== "category") add([one.column], [wholeColumn(index)], one.column);
    if (canBegin(one) && one.kind !== "name" && one.kind !== "text") add([], [begunColumn(index)], `${one.column}…`);
    for (const [later, two] of [...fields.entries()].slice(index + 1)) {
      add([one.column, two.column], [wholeColumn(index), wholeColumn(later)], `${one.column} + ${two.column}`);
      if (canBegin(one) && canBegin(two)) add([], [begunColumn(index), begunColumn(later)], `${one.column}… + ${two.column}…`);
    }
  }
  return rules;
}

/** Declared blocking rules as rules; throws `CONFIG_INVALID` for a column that is no field. */
export const declaredRules = (fields: readonly Field[], blocking: readonly (readonly string[])[]): BlockingRule[] =>
  blocking.map(columns => ({
    name: columns.join(" + "),
    columns,
    parts: columns.map(column => wholeColumn(placeOf(fields, column))),
  }));

function placeOf(fields: readonly Field[], wanted: string): number {
  const place = fields.findIndex(({ column }) => column === wanted);
  if (place >= 0) return place;
  const names = fields.map(({ column }) => column).join(", ");
  throw new ConfigError("CONFIG_INVALID", `the model at blocking: ${wanted} is none of the fields that are compared: ${names}`);
}

/** SQL for the number of a record's block; NULL for a record that lacks a part. */
function keyOf({ parts: [first = "NULL", ...others] }: BlockingRule): string {
  const isWhole = [first, ...others].map(part => `${part} IS NOT NULL`).join(" AND ");
  return others.length === 0 ? first : `CASE WHEN ${isWhole} THEN hash(${[first, ...others].join(", ")}) END`;
}

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
  for (const rule of possibleRules(fields)) measured.push(await measureRule(engine, rule, records));
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

async function measureRule(engine: Engine, rule: BlockingRule, records: number): Promise<Measured> {
  const key = keyOf(rule);
  const times = records > MEASURED_WHOLE ? SAMPLED_BLOCKS : 1;
  const sampled = times === 1 ? "" : `AND ${key} % ${times} = 0`;
  const [row] = await engine.rows(`
    SELECT coalesce(sum(size) FILTER (size <= ${MAX_BLOCK}), 0) AS reached, coalesce(sum(size) FILTER (size > ${MAX_BLOCK}), 0) AS left_out,
      coalesce(sum(size * (size - 1) / 2) FILTER (size <= ${MAX_BLOCK}), 0) AS pairs
    FROM (SELECT count(*) AS size FROM record WHERE ${key} IS NOT NULL ${sampled} GROUP BY ${key} HAVING count(*) > 1)`);
  const of = (name: string) => Number(row?.[name]) * times;
  return { rule, reached: of("reached"), pairs: of("pairs"), leftOut: of("left_out") };
}

/** Whether a rule brings every pair of another that matters. */
const covers = (wide: Measured, narrow: Measured, records: number): boolean =>
  wide.leftOut <= MAX_LEFT_OUT * records && wide.rule.parts.every(part => narrow.rule.parts.includes(part));

const blockOf = (index: number): string => `block_${index}`;

/** Makes the table `blocked`: for each record its block by each rule, as the smallest record of the block; NULL where there is none or it is too large. */
async function blockRecords(engine: Engine, rules: readonly BlockingRule[]): Promise<void> {
  const joins = rules.map(
    (rule, index) => `LEFT JOIN (
      SELECT ${keyOf(rule)} AS value, min(n) AS first FROM record WHERE value IS NOT NULL GROUP BY value HAVING count(*) BETWEEN 2 AND ${MAX_BLOCK}
    ) AS of_${index} ON of_${index}.value = ${keyOf(rule)}`,
  );
  const blocks = rules.map((_, index) => `of_${index}.first AS ${blockOf(index)}`);
  await engine.run(`CREATE OR REPLACE TABLE blocked AS SELECT n, source, ${blocks.join(", ")} FROM record ${joins.join(" ")}`);
}

/** Makes the table `pair` (a, b): every pair that some rule brings, once and smaller number first. Returns how many there are. */
export async function collectPairs(engine: Engine, rules: readonly BlockingRule[], acrossOnly: boolean): Promise<number> {
  await engine.run("CREATE OR REPLACE TABLE pair (a INTEGER, b INTEGER)");
  if (rules.length > 0) await blockRecords(engine, rules);
  const across = acrossOnly ? "AND l.source <> r.source" : "";
  for (const index of rules.keys()) {
    // What an earlier rule brings is told by its blocks: to sort all pairs out afterwards takes several times as long.
    const isNew = Array.from({ length: index }, (_, at) => `AND coalesce(l.${blockOf(at)} <> r.${blockOf(at)}, true)`);
    await engine.run(`
      INSERT INTO pair SELECT l.n, r.n FROM blocked AS l JOIN blocked AS r
      ON l.${blockOf(index)} = r.${blockOf(index)} AND l.n < r.n ${across} ${isNew.join(" ")}`);
  }
  await engine.run("DROP TABLE IF EXISTS blocked");
  const [row] = await engine.rows("SELECT count(*) AS pairs FROM pair");
  return Number(row?.["pairs"]);
}
