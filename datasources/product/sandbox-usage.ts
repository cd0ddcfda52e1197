import { exactNumber } from "../../src/sandbox/exact-json.ts";
import type { Lifecycle, Population } from "../../src/sandbox/population.ts";

/** One account's day on the wire. */
export interface DailyUsage {
  readonly accountId: string;
  /** YYYY-MM-DD. */
  readonly day: string;
  readonly sessions: number;
  /** A decimal as a string, or a JSON number with its digits kept. */
  readonly activeMinutes: string | object | null;
  /** A JSON number with its digits kept. */
  readonly apiCalls: object;
  readonly events: number;
}

/** A stretch of days, both ends included, counted from 1970-01-01. */
export interface DayRange {
  readonly from: number;
  readonly to: number;
}

/** What everybody did in the ninety days before the sandbox started. */
export interface UsageHistory {
  /** All days that are kept. */
  readonly kept: DayRange;
  /** The range listed when none is asked for: the last thirty days. */
  readonly recent: DayRange;
  /** A person's day, or null when they did nothing. */
  on(person: number, day: number): DailyUsage | null;
}

const DAY_MS = 86_400_000;
const DAYS_KEPT = 90;
const DAYS_LISTED = 30;
const FIRST_INEXACT = 2n ** 53n + 1n;
const OLD_AGENT_SHARE = 0.1;
const activity: Readonly<Record<Lifecycle, number>> = { lead: 0.4, trial: 0.8, active: 0.9, past_due: 0.5, churned: 0.05 };

/** The day an instant lies in, UTC. */
export const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);

/** Writes a day as YYYY-MM-DD. */
const dayText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

/** Mostly thousands; on a few days more than a double can count, always odd there so that a rounded one shows. */
function apiCallsOf(population: Population, person: number, day: number): object {
  const dice = population.dice("product.usage.calls", person, day);
  const isHuge = dice.chance(0.02) || (person === 0 && day % DAYS_LISTED === 0);
  return exactNumber(isHuge ? String(FIRST_INEXACT + 2n * BigInt(dice.next())) : String(dice.below(60_000)));
}

function activeMinutesOf(population: Population, person: number, day: number): string | object | null {
  const dice = population.dice("product.usage.minutes", person, day);
  if (dice.chance(0.01)) return null;
  const minutes = `${dice.below(480)}.${dice.digits(2)}`;
  return population.dice("product.agents", person).chance(OLD_AGENT_SHARE) ? exactNumber(minutes) : minutes;
}

function usageOf(population: Population, person: number, day: number): DailyUsage | null {
  const dice = population.dice("product.usage", person, day);
  const share = person === 0 ? 1 : activity[population.person(person).lifecycle];
  if (!dice.chance(share) || day < dayOf(population.recordedAt(person, "product"))) return null;
  return {
    accountId: population.keys.uuid("product.accounts").of(person),
    day: dayText(day),
    sessions: 1 + dice.below(24),
    activeMinutes: activeMinutesOf(population, person, day),
    apiCalls: apiCallsOf(population, person, day),
    events: dice.below(4000),
  };
}

/** Opens the history of a population as of the day of `todayMs`, which has no usage itself yet. */
export function openUsageHistory(population: Population, todayMs: number): UsageHistory {
  const to = dayOf(todayMs) - 1;
  return {
    kept: { from: to - DAYS_KEPT + 1, to },
    recent: { from: to - DAYS_LISTED + 1, to },
    on: (person, day) => usageOf(population, person, day),
  };
}
