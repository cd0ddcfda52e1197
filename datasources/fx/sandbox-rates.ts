import { Dice } from "../../src/sandbox/population.ts";
import { dayNumber, isPublished } from "./sandbox-calendar.ts";

/** What one euro was worth on a day. */
export interface Snapshot {
  /** Counted from 1970-01-01. */
  readonly day: number;
  /** Units of a currency for one euro; undefined for a currency without rates. */
  readonly of: (currency: string) => number | undefined;
}

/** The published rates of a world. */
export interface RateBook {
  /** Every currency that has a rate, the euro included, in alphabetical order. */
  readonly currencies: readonly string[];
  /** The first day with rates, counted from 1970-01-01. */
  readonly firstDay: number;
  /** The latest snapshot on or before a day, if it is at most so many days back. */
  latest(day: number, nowMs: number): Snapshot | undefined;
  /** Every snapshot from one day to another, both included, oldest first. */
  between(from: number, to: number, nowMs: number): readonly Snapshot[];
}

/** About what a euro was worth in 2026: the level that each walk returns to. */
const levels: Readonly<Record<string, number>> = {
  AED: 4.1,
  AUD: 1.75,
  BRL: 6.3,
  CAD: 1.58,
  CHF: 0.94,
  CNY: 8.2,
  CZK: 24.6,
  DKK: 7.46,
  GBP: 0.86,
  HKD: 8.7,
  HUF: 398,
  IDR: 18_100,
  ILS: 3.9,
  INR: 96,
  ISK: 142,
  JPY: 168,
  KRW: 1590,
  KWD: 0.345,
  MXN: 21.4,
  MYR: 4.8,
  NOK: 11.8,
  NZD: 1.93,
  PHP: 65,
  PLN: 4.25,
  RON: 5.07,
  SEK: 11.1,
  SGD: 1.5,
  THB: 37.5,
  TRY: 47,
  UAH: 48,
  USD: 1.13,
  ZAR: 20.4,
};

const EURO = "EUR";
const FIRST_DAY = dayNumber("1999-01-04");
/** Rates of a day are out at 16:00 in Frankfurt; summer time is left aside. */
const PUBLISHED_AT_MS = 15 * 3_600_000;
const DAY_MS = 86_400_000;
/** How far back a day without rates is answered by an earlier one. */
const LOOKBACK_DAYS = 14;
const VOLATILITY = 0.006;
const PULL = 0.002;
const DIGITS = 5;

/** One currency's walk, day by day from the first: in logarithms, drawn back to its level. */
function walkOf(seed: number, place: number, level: number): (day: number) => number {
  const logs: number[] = [];
  return day => {
    for (let at = logs.length; at <= day - FIRST_DAY; at++) {
      const dice = new Dice(seed, place, at);
      const before = logs[at - 1] ?? 0;
      logs.push(before * (1 - PULL) + VOLATILITY * (dice.fraction() + dice.fraction() - 1));
    }
    return Number((level * Math.exp(logs[day - FIRST_DAY] ?? 0)).toPrecision(DIGITS));
  };
}

/** The rates of a seed: the same in every process. */
export function openRates(seed: number): RateBook {
  const walks = new Map(Object.entries(levels).map(([code, level], place) => [code, walkOf(seed, place, level)]));
  const snapshot = (day: number): Snapshot => ({ day, of: code => (code === EURO ? 1 : walks.get(code)?.(day)) });
  const isOut = (day: number, nowMs: number) => day >= FIRST_DAY && isPublished(day) && nowMs >= day * DAY_MS + PUBLISHED_AT_MS;
  const between = (from: number, to: number, nowMs: number) => {
    const [first, last] = [Math.max(from, FIRST_DAY), Math.min(to, Math.floor(nowMs / DAY_MS))];
    const days = Array.from({ length: Math.max(0, last - first + 1) }, (_empty, at) => first + at);
    return days.filter(day => isOut(day, nowMs)).map(snapshot);
  };
  return {
    currencies: [...walks.keys(), EURO].toSorted(),
    firstDay: FIRST_DAY,
    latest: (day, nowMs) => between(day - LOOKBACK_DAYS, day, nowMs).at(-1),
    between,
  };
}
