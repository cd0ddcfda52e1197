import { named } from "../../mapping/sql-text.ts";
import { type BlockingRule } from "./candidates.ts";
import { expectedChance, levelCount, levelNames, levelSql, measureSql } from "./comparison.ts";
import type { Engine } from "./engine.ts";
import type { Field } from "./model.ts";
import { wholeColumn } from "./prepare.ts";

/** How often pairs reach each level of a field, best first: `m` among pairs of one entity, `u` among pairs of two. Shares from 0 to 1. */
export interface FieldEstimate {
  readonly field: Field;
  readonly m: readonly number[];
  readonly u: readonly number[];
}

/** A pattern of levels over all fields, -1 for no value on either side, and how many pairs show it. */
interface Pattern {
  readonly levels: readonly number[];
  readonly pairs: number;
}

/** Makes the table `gamma`: every pair with the level that it reaches in each field. */
export async function compareAll(engine: Engine, fields: readonly Field[], pairTable: string, into: string): Promise<void> {
  const values = fields.map((field, index) => {
    const [number, text] = [wholeColumn(index), named(field.column)];
    const measure = measureSql(field, `l.${text}`, `r.${text}`);
    return `l.${number} = r.${number} AS equal_${index}, CASE WHEN l.${number} <> r.${number} THEN ${measure} END AS measure_${index}`;
  });
  const levels = fields.map((field, index) => `${levelSql(field, `equal_${index}`, `measure_${index}`)} AS g${index}`);
  await engine.run(`
    CREATE OR REPLACE TABLE ${into} AS SELECT a, b, ${levels.join(", ")}
    FROM (SELECT a, b, ${values.join(", ")} FROM ${pairTable} JOIN record AS l ON l.n = a JOIN record AS r ON r.n = b)`);
}

async function patternsOf(engine: Engine, table: string, fields: number, where = "TRUE"): Promise<Pattern[]> {
  const names = Array.from({ length: fields }, (_, index) => `g${index}`);
  const rows = await engine.rows(
    `SELECT ${names.join(", ")}, count(*) AS pairs FROM ${table} WHERE ${where} GROUP BY ${names.join(", ")} ORDER BY ${names.join(", ")}`,
  );
  return rows.map(row => ({ levels: names.map(name => Number(row[name] ?? -1)), pairs: Number(row["pairs"]) }));
}

/** Records whose pairs, all with all, stand for pairs of two entities. */
const SAMPLE = 1_200;

/**
 * How often two records that are not one entity agree by chance: "equal" exactly, from how often each value occurs; the rest from all pairs
 * of a sample that is drawn by hash, so that it is the same every time.
 */
export async function estimateChance(engine: Engine, fields: readonly Field[]): Promise<number[][]> {
  await engine.run(`
    CREATE OR REPLACE TABLE sampled AS
    SELECT l.n AS a, r.n AS b FROM (SELECT n FROM record ORDER BY hash(source, key), n LIMIT ${SAMPLE}) AS l
    CROSS JOIN (SELECT n FROM record ORDER BY hash(source, key), n LIMIT ${SAMPLE}) AS r WHERE l.n < r.n`);
  await compareAll(engine, fields, "sampled", "sampled_gamma");
  const patterns = await patternsOf(engine, "sampled_gamma", fields.length);
  const chances = [];
  for (const [index, field] of fields.entries()) {
    const [row] = await engine.rows(`
      SELECT coalesce(sum(same_${index}), 0) AS same, count(*) AS filled FROM record WHERE same_${index} IS NOT NULL`);
    const [same, filled] = [Number(row?.["same"]), Number(row?.["filled"])];
    const seen = { equal: filled === 0 ? 0 : same / filled ** 2, pairs: (filled * (filled - 1)) / 2 };
    chances.push(chanceOf(expectedChance(field), countLevels(patterns, index, levelCount(field)), seen));
  }
  return chances;
}

function countLevels(patterns: readonly Pattern[], index: number, count: number): number[] {
  const levels = Array.from({ length: count }, () => 0);
  for (const pattern of patterns) {
    const level = pattern.levels[index] ?? -1;
    if (level >= 0) levels[level]! += pattern.pairs;
  }
  return levels;
}

/** Pairs that the expectation is worth: it decides while there are few records, and is nothing beside many. */
const EXPECTED_PAIRS = 2_000;
const LEAST = 1e-7;

function chanceOf(expected: readonly number[], counted: readonly number[], seen: { equal: number; pairs: number }): number[] {
  const [expectedEqual = LEAST, ...expectedOthers] = expected;
  const equal = (seen.equal * seen.pairs + expectedEqual * EXPECTED_PAIRS) / (seen.pairs + EXPECTED_PAIRS);
  const chance = Math.min(0.999, Math.max(LEAST, equal));
  const others = shares(expectedOthers.map((share, level) => share * EXPECTED_PAIRS + (counted[level + 1] ?? 0)));
  return [chance, ...others.map(share => Math.max(LEAST, share * (1 - chance)))];
}

function shares(amounts: readonly number[]): number[] {
  const sum = amounts.reduce((a, b) => a + b, 0);
  return amounts.map(amount => amount / sum);
}

/** A level's share among pairs of one entity before anything is known. */
function firstGuess(count: number): number[] {
  const rest = Array.from({ length: count - 1 }, (_, level) => 1 / 3 ** level);
  return [0.8, ...shares(rest).map(share => share * 0.2)];
}

const MAX_ROUNDS = 200;
const SETTLED = 1e-6;
/** Pairs' worth of first guess that every estimate starts from, so that a level that was never seen is not impossible. */
const PRIOR_PAIRS = 10;

interface Trained {
  readonly m: readonly (readonly number[])[];
  readonly matches: number;
}

/**
 * Expectation–maximisation over the patterns of one block: which share of its pairs is one entity, and how such pairs agree. How the others agree is
 * learnt along with it, from chance agreement on: who shares a name more often shares a country, too, and must not pass for one entity by that.
 * @see https://doi.org/10.1080/01621459.1969.10501049
 */
function maximise(patterns: readonly Pattern[], chances: readonly (readonly number[])[], trained: readonly boolean[]): Trained {
  let m = chances.map(levels => firstGuess(levels.length));
  let u = chances;
  let share = 0.2;
  const total = patterns.reduce((sum, { pairs }) => sum + pairs, 0);
  let matches = 0;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const alike = chances.map(levels => firstGuess(levels.length).map(guess => guess * PRIOR_PAIRS));
    const apart = chances.map(levels => levels.map(chance => chance * PRIOR_PAIRS));
    matches = 0;
    for (const { levels, pairs } of patterns) {
      let odds = share / (1 - share);
      for (const [index, level] of levels.entries())
        if (trained[index] && level >= 0) odds *= m[index]![level]! / u[index]![level]!;
      const expected = (pairs * odds) / (1 + odds);
      matches += expected;
      for (const [index, level] of levels.entries()) {
        if (level < 0) continue;
        alike[index]![level]! += expected;
        apart[index]![level]! += pairs - expected;
      }
    }
    const next = alike.map(shares);
    const nextShare = Math.min(0.999, Math.max(1e-6, matches / Math.max(1, total)));
    const moved = Math.max(
      Math.abs(nextShare - share),
      ...next.flatMap((levels, at) => levels.map((value, level) => Math.abs(value - m[at]![level]!))),
    );
    [m, u, share] = [next, apart.map(shares), nextShare];
    if (moved < SETTLED) break;
  }
  return { m, matches };
}

/** How pairs of one entity agree: learnt from the pairs of each blocking rule on the fields that the rule leaves open. */
export async function estimateMatches(
  engine: Engine,
  fields: readonly Field[],
  chances: readonly (readonly number[])[],
  rules: readonly BlockingRule[],
): Promise<FieldEstimate[]> {
  const sums = fields.map(field => Array.from({ length: levelCount(field) }, () => 0));
  const weights = fields.map(() => 0);
  for (const { columns } of rules) {
    if (columns.length === 0) continue;
    const held = fields.map(({ column }) => columns.includes(column));
    const where = held.flatMap((isHeld, index) => (isHeld ? [`g${index} = 0`] : [])).join(" AND ");
    const patterns = await patternsOf(engine, "gamma", fields.length, where);
    if (patterns.length === 0) continue;
    const { m, matches } = maximise(
      patterns,
      chances,
      held.map(isHeld => !isHeld),
    );
    for (const [index, isHeld] of held.entries()) {
      if (isHeld) continue;
      weights[index]! += matches;
      for (const [level, value] of m[index]!.entries()) sums[index]![level]! += value * matches;
    }
  }
  return fields.map((field, index) => ({
    field,
    m: weights[index]! > 0 ? sums[index]!.map(sum => sum / weights[index]!) : firstGuess(levelCount(field)),
    u: chances[index]!,
  }));
}

/** The prior log-odds (base 2) that two records of all are one entity: such that the expected number of matches agrees with itself. */
export async function estimatePrior(engine: Engine, estimates: readonly FieldEstimate[], records: number): Promise<number> {
  const patterns = await patternsOf(engine, "gamma", estimates.length);
  const total = Math.max(1, (records * (records - 1)) / 2);
  let share = Math.min(0.5, records / Math.max(1, total) / 4);
  for (let round = 0; round < 50; round++) {
    let matches = 0;
    for (const { levels, pairs } of patterns) {
      const odds = (share / (1 - share)) * 2 ** weightOf(estimates, levels);
      matches += (pairs * odds) / (1 + odds);
    }
    share = Math.min(0.5, Math.max(1 / total / 10, matches / total));
  }
  return Math.log2(share / (1 - share));
}

/** The weight of a level, log2(m/u): how much it speaks for one entity. */
export const levelWeight = ({ m, u }: FieldEstimate, level: number): number => Math.log2(m[level]! / u[level]!);

const weightOf = (estimates: readonly FieldEstimate[], levels: readonly number[]): number =>
  levels.reduce((sum, level, index) => (level < 0 ? sum : sum + levelWeight(estimates[index]!, level)), 0);

/** Records that the average frequency of a value is worth: in a handful of records every value is frequent, and none is. */
const EXPECTED_RECORDS = 500;

/** A number as SQL that DuckDB takes for a double; without an exponent it would reckon in decimals, which is slow. */
const double = (value: number): string => value.toExponential();

/** What a table of levels is scored by. */
export interface Learnt {
  readonly estimates: readonly FieldEstimate[];
  readonly prior: number;
  readonly records: number;
}

/** Makes the table `scored` (a, b, weight) out of a table of levels: prior and level weights, "equal" by how rare the value is. */
export async function score(engine: Engine, { estimates, prior, records }: Learnt, from: string, into: string): Promise<void> {
  const terms = estimates.map((estimate, index) => {
    const weights = levelNames(estimate.field).map((_, level) => `WHEN ${level} THEN ${double(levelWeight(estimate, level))}`);
    const [equal = 1] = estimate.u;
    const share = `(l.same_${index} + ${double(equal * EXPECTED_RECORDS)}) / ${double(records + EXPECTED_RECORDS)}`;
    const rare = `log2(${double(equal)} / greatest(${share}, ${double(equal / 1000)}))`;
    return `coalesce(CASE g${index} ${weights.join(" ")} END, 0e0) + CASE g${index} WHEN 0 THEN ${rare} ELSE 0e0 END`;
  });
  await engine.run(`
    CREATE OR REPLACE TABLE ${into} AS SELECT a, b, ${double(prior)} + ${terms.join(" + ")} AS weight
    FROM ${from} JOIN record AS l ON l.n = a`);
}
