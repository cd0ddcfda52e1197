import { countryTable, otherNames } from "./country-table.ts";

/** A name without what people write differently: accents, case, punctuation, `&` or `and`, `Saint` or `St`, a leading `The`. */
const folded = (name: string): string =>
  name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll("&", " and ")
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim()
    .replace(/\bsaint\b/g, "st")
    .replace(/^the /, "");

const rows = countryTable
  .trim()
  .split("\n")
  .map(line => line.trim())
  .map(line => ({ alpha2: line.slice(0, 2), alpha3: line.slice(3, 6), name: line.slice(7) }));

const codes = new Map(rows.flatMap(({ alpha2, alpha3 }) => [alpha2, alpha3].map(code => [code, alpha2] as const)));

const names = new Map([
  ...rows.map(({ alpha2, name }) => [folded(name), alpha2] as const),
  ...Object.entries(otherNames).flatMap(([alpha2, others]) => others.map(name => [folded(name), alpha2] as const)),
]);

/** The ISO 3166-1 alpha-2 code of a country given as alpha-2, alpha-3 or English name in any case; null when there is none. */
export const countryOf = (text: string): string | null =>
  (/^[A-Za-z]{2,3}$/.test(text) ? codes.get(text.toUpperCase()) : undefined) ?? names.get(folded(text)) ?? null;
