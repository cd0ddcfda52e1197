import { levelNames } from "./comparison.ts";
import { type FieldEstimate, levelWeight } from "./estimate.ts";
import type { MatchReport } from "./match.ts";

const BITS_PER_MARK = 0.5;
const MAX_MARKS = 32;

/** The learnt model as text: for each level of each field its weight in bits, drawn as a bar, with m and u. */
export function weightChart({ fields, prior }: Pick<MatchReport, "fields" | "prior">): string {
  const lines = [`prior: ${prior.toFixed(1)} bits`];
  for (const estimate of fields) {
    lines.push(`${estimate.field.column} (${estimate.field.kind})`);
    for (const [level, name] of levelNames(estimate.field).entries()) lines.push(levelLine(estimate, level, name));
  }
  return lines.join("\n");
}

function levelLine(estimate: FieldEstimate, level: number, name: string): string {
  const weight = levelWeight(estimate, level);
  const marks = (weight < 0 ? "-" : "+").repeat(Math.min(MAX_MARKS, Math.round(Math.abs(weight) / BITS_PER_MARK)));
  const [m, u] = [estimate.m[level] ?? 0, estimate.u[level] ?? 0];
  return `  ${name.padEnd(32)} ${weight.toFixed(1).padStart(6)} ${marks.padEnd(MAX_MARKS)} m ${m.toPrecision(3)}, u ${u.toPrecision(3)}`;
}
