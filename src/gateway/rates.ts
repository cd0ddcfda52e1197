import { exponentOf, isCurrency } from "../core/currency.ts";
import { dayOf } from "../core/days.ts";
import { productOver, quotientOf } from "../core/decimal.ts";
import { ContractError, RequestError } from "../core/errors.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { CallContext } from "../upstream/context.ts";
import { type Fetched, type Outcomes, placed } from "../upstream/reads.ts";
import { fieldOf } from "./customer-reader.ts";
import type { DatasetReader } from "./dataset-reader.ts";
import { type Freshness, keptAgeMs, readAgeMs } from "./freshness.ts";
import type { Gateway } from "./gateway.ts";
import { readRateYear, type RateYear } from "./rate-year.ts";
import type { ReadPlan } from "./shared-reads.ts";

/** What is to be converted. */
export interface Money {
  /** A canonical decimal. */
  readonly amount: string;
  /** ISO 4217, upper case. */
  readonly currency: string;
  /** The day whose rate counts, UTC, `YYYY-MM-DD`. */
  readonly day: string;
}

/** Money in another currency, and by which rate. */
export interface Conversion {
  readonly amount: string;
  readonly currency: string;
  readonly rate: string;
  readonly rateDay: string;
  /** Null when no rate was needed. */
  readonly source: string | null;
  readonly fetchedAtMs: number | null;
}

/** What one unit of the pivot is worth in a currency on a day. */
interface Leg {
  readonly rate: string;
  readonly fetchedAtMs: number;
}

/** Rates are read against this currency: open feeds publish them so, and two of them make any other. */
const PIVOT = "EUR";
const ONE: Leg = { rate: "1", fetchedAtMs: Number.POSITIVE_INFINITY };
/** Over weekends and holidays there are no rates; further back they would be another time's. */
const MAX_DAYS_BACK = 7;
const SIGNIFICANT_DIGITS = 12;
const DAY_MS = 86_400_000;
/** The euro has rates since 1999, one listing for each year. */
const FIRST_YEAR = 1999;

/** The requests that so many conversions take at most. */
export const callsForRates = (conversions: number, nowMs: number): number =>
  Math.min(2 * conversions, new Date(nowMs).getUTCFullYear() - FIRST_YEAR + 1);

/** Converts money for one request. Rates are read by calendar year, once for all requests while they are fresh, and decoded as they are needed. */
export class RateReader {
  readonly #gateway: Gateway;
  readonly #call: CallContext;
  readonly #freshness: Freshness;

  constructor(gateway: Gateway, call: CallContext, freshness: Freshness) {
    this.#gateway = gateway;
    this.#call = call;
    this.#freshness = freshness;
  }

  /**
   * Money in another currency (in any case) at the latest rate of its day or the 7 days before it. Throws `REQUEST_INVALID` for what is no currency,
   * `RATE_UNAVAILABLE` when no such rate is published, and why the source could not be read. By the rates of a version of the tables where one is given.
   */
  async convert(money: Money, to: string, dataset?: DatasetReader): Promise<Conversion> {
    const currency = to.toUpperCase();
    if (!isCurrency(currency)) throw refused("currency must be a code of ISO 4217 such as USD");
    if (currency === money.currency) return unchanged(money);
    const entry = this.#gateway.catalog.of("ExchangeRate")[0];
    if (entry === undefined) throw refused("no source of exchange rates is declared");
    const days = daysBack(money.day).filter(day => yearOf(day) >= FIRST_YEAR);
    const years = await this.#years(entry, days, dataset);
    for (const day of days) {
      const year = years.get(String(yearOf(day)));
      const [from, into] = [money.currency, currency].map(code => legOf(entry, year, code, day));
      if (from && into) return converted(entry, money, currency, { day, from, into });
    }
    throw unavailable(entry, money, currency);
  }

  /** Throws the first failure: without a year it is not known which of its days has the latest rate. */
  async #years(
    entry: CatalogEntry,
    days: readonly string[],
    dataset: DatasetReader | undefined,
  ): Promise<ReadonlyMap<string, RateYear | null>> {
    const names = [...new Set(days.map(day => String(yearOf(day))))];
    if (dataset) return new Map(await Promise.all(names.map(async name => [name, await dataset.rateYear(entry, name)] as const)));
    const outcomes = await this.#gateway.rateYears.readMany(planOf(this.#gateway, entry, this.#freshness), names, this.#call);
    return new Map(names.map((name, place) => [name, orThrow(outcomes[place] ?? null)]));
  }
}

function orThrow<T>(outcome: T | Error): T {
  if (outcome instanceof Error) throw outcome;
  return outcome;
}

function planOf(gateway: Gateway, entry: CatalogEntry, freshness: Freshness): ReadPlan<RateYear | null> {
  const upstream = gateway.upstreamOf(entry.source.name);
  const onDecoded = ({ issues }: Fetched) => gateway.issues.count(entry.id, issues);
  const read = (year: string, context: CallContext) =>
    readRateYear(entry, year, { upstream, context, onDecoded }).catch((thrown: unknown) => placed(thrown, entry));
  const load = async (years: readonly string[], context: CallContext): Promise<Outcomes<RateYear | null>> =>
    new Map(await Promise.all(years.map(async year => [year, await read(year, context)] as const)));
  const maxAgeMs = { read: readAgeMs(entry, freshness), kept: keptAgeMs(entry, freshness) };
  return { scope: entry.id, entry, freshMs: entry.collection.freshness.cacheMs, maxAgeMs, load };
}

const yearOf = (day: string): number => Number(day.slice(0, 4));

const unchanged = ({ amount, currency, day }: Money): Conversion => ({
  amount,
  currency,
  rate: "1",
  rateDay: day,
  source: null,
  fetchedAtMs: null,
});

/** A day and those before it, latest first. */
const daysBack = (day: string): readonly string[] => {
  const atMs = Date.parse(`${day}T00:00:00Z`);
  return Array.from({ length: MAX_DAYS_BACK + 1 }, (_empty, back) => dayOf(atMs - back * DAY_MS));
};

/** Undefined when nothing is published for that day. */
function legOf(entry: CatalogEntry, year: RateYear | null | undefined, code: string, day: string): Leg | undefined {
  if (code === PIVOT) return ONE;
  const found = year?.find(`${PIVOT}:${code}:${day}`);
  if (found === undefined) return undefined;
  const rate = fieldOf(entry, found, "rate");
  if (typeof rate === "string" && /^[^-]*[1-9]/.test(rate)) return { rate, fetchedAtMs: found.fetchedAtMs };
  const details = { source: entry.source.name, collection: entry.name };
  throw new ContractError("UPSTREAM_CONTRACT", `${entry.source.title}: a rate is not greater than zero`, { details });
}

interface Pair {
  readonly day: string;
  readonly from: Leg;
  readonly into: Leg;
}

const converted = (entry: CatalogEntry, { amount }: Money, currency: string, { day, from, into }: Pair): Conversion => ({
  amount: productOver([amount, into.rate], from.rate, exponentOf(currency)),
  currency,
  rate: from === ONE ? into.rate : quotientOf(into.rate, from.rate, SIGNIFICANT_DIGITS),
  rateDay: day,
  source: entry.source.name,
  fetchedAtMs: Math.min(from.fetchedAtMs, into.fetchedAtMs),
});

const refused = (problem: string): RequestError => new RequestError("REQUEST_INVALID", problem);

const unavailable = (entry: CatalogEntry, { currency, day }: Money, to: string): RequestError =>
  new RequestError(
    "RATE_UNAVAILABLE",
    `${entry.source.title} has no rate from ${currency} to ${to} on ${day} nor in the ${MAX_DAYS_BACK} days before it`,
    { details: { source: entry.source.name, collection: entry.name } },
  );
