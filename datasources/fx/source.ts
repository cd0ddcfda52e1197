import { z } from "zod";
import { isCurrency } from "../../src/core/currency.ts";
import * as t from "../../src/source/index.ts";

/** Only what is used. @see https://frankfurter.dev/ */
const rate = z.object({
  date: z.string(),
  base: z.string(),
  quote: z.string(),
  rate: t.wireNumber(),
});

const PATH = "/v2/rates";
const KEY = /^EUR:([A-Z]{3}):(\d{4}-\d\d-\d\d)$/;

const isDay = (day: string): boolean => {
  const atMs = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(atMs) && new Date(atMs).toISOString().startsWith(day);
};

/**
 * One request for the days from the first key's to the last one's, and the currencies that the keys name. A key that names no day or no currency is
 * nobody's: it is left out, because the feed would refuse the whole request; where none is left the latest rates are asked for, which have no such key.
 */
function byKeys(keys: readonly string[]) {
  const places = keys.flatMap(key => {
    const [, quote = "", day = ""] = KEY.exec(key) ?? [];
    return isDay(day) && isCurrency(quote) ? [{ quote, day }] : [];
  });
  const days = places.map(({ day }) => day).toSorted();
  const quotes = [...new Set(places.map(({ quote }) => quote))].toSorted().join(",");
  return t.get("rates.byDays", PATH, days.length === 0 ? {} : { from: days[0], to: days.at(-1), quotes });
}

export default t.defineSource({
  name: "fx",
  title: "Exchange rates",
  version: "v2",
  client: {
    baseUrl: "https://api.frankfurter.dev",
    auth: t.noAuth(),
    limits: [],
    concurrency: 4,
  },
  collections: {
    rates: t.collection({
      canonical: "ExchangeRate",
      contract: rate,
      list: {
        request: ({ from, to }) => t.get("rates.list", PATH, { from, to }),
        items: "[*]",
        pages: t.onePage(),
        order: "oldest-first",
        days: 366,
      },
      lookup: t.batchLookup({ max: 1000, request: byKeys, items: "[*]", missing: "absent" }),
      freshness: { cacheMs: 900_000 },
      map: {
        key: t.joined(":", "base", "quote", "date"),
        base: t.currency("base"),
        quote: t.currency("quote"),
        day: t.date("date"),
        rate: t.decimal("rate"),
      },
    }),
  },
});
