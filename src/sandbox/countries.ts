/** A country as the generator needs it. */
export interface Country {
  /** ISO 3166-1 alpha-2. */
  readonly code: string;
  readonly name: string;
  /** ISO 4217. */
  readonly currency: string;
  readonly callingCode: string;
  /** Dialled before a national number at home, empty where nothing is. */
  readonly trunk: string;
  /** Mobile numbers: fixed leading digits and the count of free digits after them. */
  readonly mobile: readonly (readonly [leading: string, free: number])[];
}

const country = (
  [code, name, currency]: readonly [string, string, string],
  [callingCode, trunk]: readonly [string, string],
  ...mobile: Country["mobile"]
): Country => ({ code, name, currency, callingCode, trunk, mobile });

/** Every country of the population by its code. */
const countries = {
  AU: country(["AU", "Australia", "AUD"], ["61", "0"], ["41", 7], ["40", 7]),
  BR: country(["BR", "Brazil", "BRL"], ["55", "0"], ["119", 8], ["219", 8]),
  CA: country(["CA", "Canada", "CAD"], ["1", ""], ["416555", 4], ["604555", 4], ["5145550", 3]),
  CN: country(["CN", "China", "CNY"], ["86", "0"], ["138", 8], ["150", 8]),
  DE: country(["DE", "Germany", "EUR"], ["49", "0"], ["1512", 7], ["1601", 6], ["171", 7]),
  DK: country(["DK", "Denmark", "DKK"], ["45", ""], ["201", 5], ["311", 5]),
  ES: country(["ES", "Spain", "EUR"], ["34", ""], ["61", 7], ["65", 7]),
  FR: country(["FR", "France", "EUR"], ["33", "0"], ["61", 7], ["67", 7]),
  GB: country(["GB", "United Kingdom", "GBP"], ["44", "0"], ["7400", 6], ["7412", 6]),
  IE: country(["IE", "Ireland", "EUR"], ["353", "0"], ["85", 7], ["87", 7]),
  IN: country(["IN", "India", "INR"], ["91", "0"], ["98", 8], ["99", 8]),
  JP: country(["JP", "Japan", "JPY"], ["81", "0"], ["902", 7], ["803", 7]),
  KW: country(["KW", "Kuwait", "KWD"], ["965", ""], ["500", 5], ["660", 5], ["990", 5]),
  MX: country(["MX", "Mexico", "MXN"], ["52", ""], ["55", 8], ["33", 8]),
  NL: country(["NL", "Netherlands", "EUR"], ["31", "0"], ["61", 7], ["64", 7]),
  PL: country(["PL", "Poland", "PLN"], ["48", ""], ["501", 6], ["601", 6]),
  SE: country(["SE", "Sweden", "SEK"], ["46", "0"], ["70", 7], ["73", 7]),
  UA: country(["UA", "Ukraine", "UAH"], ["380", "0"], ["67", 7], ["50", 7]),
  US: country(["US", "United States", "USD"], ["1", ""], ["212555", 4], ["415555", 4], ["312555", 4], ["646555", 4]),
} as const satisfies Readonly<Record<string, Country>>;

/** A country code of the population. */
export type CountryCode = keyof typeof countries;

/** The country of a code the generator made. Throws `RangeError` on any other. */
export function countryOf(code: string): Country {
  const found = (countries as Readonly<Record<string, Country>>)[code];
  if (found === undefined) throw new RangeError(`no country ${code} in the population`);
  return found;
}
