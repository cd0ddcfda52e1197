import DataLoader from "dataloader";
import { exponentOf, isCurrency } from "../core/currency.ts";
import { dayOf } from "../core/days.ts";
import { productOver, quotientOf } from "../core/decimal.ts";
import { ContractError, RequestError } from "../core/errors.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { CallContext } from "../upstream/context.ts";
import type { Fetched } from "../upstream/reads.ts";
import { fieldOf } from "./customer-reader.ts";
import type { Gateway } from "./gateway.ts";

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

type Read = Fetched | null;

/** Rates are read against this currency: open feeds publish them so, and two of them make any other. */
const PIVOT = "EUR";
const ONE: Leg = { rate: "1", fetchedAtMs: Number.POSITIVE_INFINITY };
/** Over weekends and holidays there are no rates; further back they would be another time's. */
const MAX_DAYS_BACK = 7;
const SIGNIFICANT_DIGITS = 12;
const DAY_MS = 86_400_000;

/** Keys that one conversion looks for at most: a rate for each of two currencies on each day that may have one. */
export const KEYS_PER_CONVERSION = 2 * (MAX_DAYS_BACK + 1);

/** Converts money for one request. What several conversions need is read once, in batches, and shared with all other requests while it is fresh. */
export class RateReader {
  readonly #gateway: Gateway;
  readonly #call: CallContext;
  readonly #loaders = new Map<string, DataLoader<string, Read>>();

  constructor(gateway: Gateway, call: CallContext) {
    this.#gateway = gateway;
    this.#call = call;
  }

  /**
   * Money in another currency (in any case) at the latest rate of its day or the 7 days before it. Throws `REQUEST_INVALID` for what is no currency,
   * `RATE_UNAVAILABLE` when no such rate is published, and why the source could not be read.
   */
  async convert(money: Money, to: string): Promise<Conversion> {
    const currency = to.toUpperCase();
    if (!isCurrency(currency)) throw refused("currency must be a code of ISO 4217 such as USD");
    if (currency === money.currency) return unchanged(money);
    const entry = this.#entry();
    const loader = this.#loaderOf(entry);
    const days = daysBack(money.day);
    const [below, above] = await Promise.all([legsOf(loader, money.currency, days), legsOf(loader, currency, days)]);
    for (const [place, day] of days.entries()) {
      const [from, into] = [legOf(entry, below[place]), legOf(entry, above[place])];
      if (from && into) return converted(entry, money, currency, { day, from, into });
    }
    throw unavailable(entry, money, currency);
  }

  #entry(): CatalogEntry {
    const entry = this.#gateway.catalog.of("ExchangeRate").find(({ collection }) => collection.lookup !== undefined);
    if (entry === undefined) throw refused("no source of exchange rates is declared");
    return entry;
  }

  /** While one batch is being read, what else is asked for gathers for the next one: invoices arrive customer by customer. */
  #loaderOf(entry: CatalogEntry): DataLoader<string, Read> {
    const known = this.#loaders.get(entry.id);
    if (known) return known;
    let going: Promise<unknown> = Promise.resolve();
    const batch = (keys: readonly string[]) => {
      const read = this.#read(entry, keys);
      going = read.catch(() => undefined);
      return read;
    };
    const batchScheduleFn = (dispatch: () => void) => void going.then(() => setImmediate(dispatch));
    const loader = new DataLoader<string, Read>(batch, { name: entry.id, batchScheduleFn });
    this.#loaders.set(entry.id, loader);
    return loader;
  }

  /** Reads keys in the order of their days, so that the requests they are divided into each span few days. */
  async #read(entry: CatalogEntry, keys: readonly string[]): Promise<readonly (Read | Error)[]> {
    const sorted = keys.toSorted((a, b) => (a.slice(-10) < b.slice(-10) ? -1 : 1));
    const outcomes = await this.#gateway.records.readMany(this.#gateway.lookupPlan(entry), sorted, this.#call);
    const found = new Map(sorted.map((key, place) => [key, outcomes[place] ?? null]));
    return keys.map(key => found.get(key) ?? null);
  }
}

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

/** What was read of a currency for each day; the pivot is worth one of itself on all of them. */
async function legsOf(
  loader: DataLoader<string, Read>,
  code: string,
  days: readonly string[],
): Promise<readonly (Read | Leg | Error)[]> {
  return code === PIVOT ? days.map(() => ONE) : loader.loadMany(days.map(day => `${PIVOT}:${code}:${day}`));
}

/** Undefined when nothing is published for that day; throws when that is not known. */
function legOf(entry: CatalogEntry, read: Read | Leg | Error | undefined): Leg | undefined {
  if (read instanceof Error) throw read;
  if (read === null || read === undefined) return undefined;
  if ("rate" in read) return read;
  const rate = fieldOf(entry, read, "rate");
  if (typeof rate === "string" && /^[^-]*[1-9]/.test(rate)) return { rate, fetchedAtMs: read.fetchedAtMs };
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
