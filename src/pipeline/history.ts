import { RequestError } from "../core/errors.ts";
import type { Catalog } from "../source/catalog.ts";
import { type IdentityDecision, IdentityDecisions } from "../store/identity-decisions.ts";
import { type BuildInput, chooseInputs, type InputReport, reportInput } from "./inputs.ts";

/** The moments that a build is of. */
export interface BuildMoments {
  /** RFC 3339, UTC: the build knows only what was known then; null: all that is. */
  readonly asOf: string | null;
  /** RFC 3339, UTC: moments before that one which `customer_features` has rows of too. */
  readonly earlier: readonly string[];
}

export type Decided = Pick<IdentityDecision, "type" | "a" | "b">;

/** What was known at some moments, the same at each. */
export interface Known {
  /** RFC 3339, UTC, oldest first. */
  readonly moments: readonly string[];
  readonly inputs: readonly BuildInput[];
  readonly decisions: readonly Decided[];
}

/** What a dataset's manifest says of what was known at earlier moments than its own. */
export interface KnownReport {
  readonly moments: readonly string[];
  readonly inputs: readonly InputReport[];
  readonly decisions: readonly Decided[];
}

/**
 * What was known at each moment that a build is asked for, oldest first; moments at which nothing new was known are together. The last is what the tables
 * are made of. Throws `REQUEST_INVALID` when nothing was known at one of them.
 */
export async function knownAt(
  catalog: Catalog,
  home: string,
  { asOf, earlier }: BuildMoments,
): Promise<readonly [...Known[], Known]> {
  if (earlier.some(moment => asOf === null || moment >= asOf))
    throw new RequestError("REQUEST_INVALID", "earlier moments must lie before the moment that the build is of");
  const decisions = await new IdentityDecisions(home).list();
  const groups: Known[] = [];
  const moments = [...new Set(earlier)].toSorted(byText);
  for (const moment of moments) {
    const known = await knownThen(catalog, home, decisions, moment);
    const last = groups.at(-1);
    if (last !== undefined && isSame(last, known)) groups[groups.length - 1] = { ...last, moments: [...last.moments, moment] };
    else groups.push(known);
  }
  const newest = await knownThen(catalog, home, decisions, asOf);
  const last = groups.at(-1);
  if (last === undefined || !isSame(last, newest)) return [...groups, newest];
  return [...groups.slice(0, -1), { ...newest, moments: [...last.moments, ...newest.moments] }];
}

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

async function knownThen(
  catalog: Catalog,
  home: string,
  decisions: readonly IdentityDecision[],
  asOf: string | null,
): Promise<Known> {
  const made = decisions.filter(({ at }) => asOf === null || at <= asOf);
  return {
    moments: asOf === null ? [] : [asOf],
    inputs: await chooseInputs(catalog, home, asOf),
    decisions: made.map(({ type, a, b }) => ({ type, a, b })),
  };
}

const isSame = (one: Known, other: Known): boolean => stateOf(one) === stateOf(other);

/** What identifies a state of knowledge: its responses and decisions. */
export const stateOf = ({ inputs, decisions }: Omit<Known, "moments">): string =>
  JSON.stringify([
    inputs.map(({ entry, pull, increments }) => [
      entry.id,
      pull?.manifestSha256 ?? null,
      ...increments.map(({ manifestSha256 }) => manifestSha256),
    ]),
    decisions.map(({ type, a, b }) => [type, a, b]),
  ]);

export const reportKnown = ({ moments, inputs, decisions }: Known): KnownReport => ({
  moments,
  inputs: inputs.map(reportInput),
  decisions,
});
