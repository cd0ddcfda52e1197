import { countryOf } from "./countries.ts";
import type { Country } from "./countries.ts";
import { companyParts, cultures, slugOf } from "./names.ts";
import type { Culture, Name } from "./names.ts";
import { Dice, hashText } from "./random.ts";

/** Where a person stands as a customer. */
export type Lifecycle = "lead" | "trial" | "active" | "past_due" | "churned";

/** The hidden truth about one human being. Sources only hold traces of it. */
export interface Person {
  readonly index: number;
  readonly givenName: string;
  readonly familyName: string;
  /** What friends call them; the given name itself when there is nothing shorter. */
  readonly nickname: string;
  /** The address they use, lower case and without tags; null for people without one. Household members may share it. */
  readonly email: string | null;
  /** E.164. */
  readonly phone: string;
  /** With its legal form. */
  readonly company: string;
  /** Under which the company's own addresses live. */
  readonly companyDomain: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  /** ISO 4217. */
  readonly currency: string;
  /** Unique decimal digits; `4821` for person 0, seven or eight digits for everyone else. */
  readonly accountNumber: string;
  readonly lifecycle: Lifecycle;
  /** When they first appeared anywhere, epoch milliseconds, whole seconds. */
  readonly createdAt: number;
}

/** The account number of person 0, who is in every source. */
const FIRST_ACCOUNT_NUMBER = "4821";

const FIRST_CREATED_AT = Date.UTC(2022, 2, 14, 9, 26, 53);
const START_MS = Date.UTC(2021, 0, 4);
const SPAN_SECONDS = (Date.UTC(2026, 6, 1) - START_MS) / 1000;
const HOUSEHOLD_SHARE = 0.02;
const NO_EMAIL_SHARE = 0.02;
const ACCOUNT_BASE = 1_000_000;
const WEIGHT_TOTAL = cultures.reduce((sum, culture) => sum + culture.weight, 0);

const PERSON = hashText("person");
const APPEARANCE = hashText("appearance");
const HOUSEHOLD = hashText("household");
const ACCOUNT = hashText("account");

function drawCulture(dice: Dice): Culture {
  let left = dice.fraction() * WEIGHT_TOTAL;
  for (const culture of cultures) {
    left -= culture.weight;
    if (left < 0) return culture;
  }
  return dice.pick(cultures);
}

function drawLifecycle(dice: Dice): Lifecycle {
  const value = dice.fraction();
  if (value < 0.14) return "lead";
  if (value < 0.26) return "trial";
  if (value < 0.8) return "active";
  return value < 0.88 ? "past_due" : "churned";
}

function drawCompany(dice: Dice, country: Country) {
  const plainName = `${dice.pick(companyParts.first)} ${dice.pick(companyParts.second)}`;
  const form = companyParts.form[country.code];
  return { company: form === undefined ? plainName : `${plainName} ${form}`, companyDomain: `${slugOf(plainName)}.example` };
}

function drawPhone(dice: Dice, country: Country): string {
  const [leading, free] = dice.pick(country.mobile);
  return `+${country.callingCode}${leading}${dice.digits(free)}`;
}

function drawEmail(dice: Dice, who: { index: number; given: Name; family: Name; companyDomain: string }): string | null {
  if (dice.chance(NO_EMAIL_SHARE)) return null;
  const given = who.given.latin;
  const family = who.family.latin;
  // The index makes an address unique even after dots and tags are taken away.
  const local =
    dice.pick([`${given}.${family}`, `${given}${family}`, `${given.charAt(0)}.${family}`, `${family}.${given}`]) +
    String(who.index);
  const where = dice.fraction();
  if (where < 0.42) return `${local}@gmail.com`;
  return where < 0.58 ? `${local}@outlook.com` : `${local}@${who.companyDomain}`;
}

/** Digits that nobody else has: account numbers of one seed never repeat and never equal the first one. */
function accountNumberOf(seed: number, index: number): string {
  if (index === 0) return FIRST_ACCOUNT_NUMBER;
  const key = seed ^ ACCOUNT;
  // 24 bits, permuted: odd multiplication and xor-shift are both reversible there.
  let value = (Math.imul(index, 0x5bd1e9) + key) & 0xffffff;
  value ^= value >>> 13;
  value = Math.imul(value, 0xc2b2ad) & 0xffffff;
  return String(ACCOUNT_BASE + (value ^ (value >>> 11)));
}

/** When the person first appeared, epoch milliseconds. */
export const createdAtOf = (seed: number, index: number): number =>
  index === 0 ? FIRST_CREATED_AT : START_MS + new Dice(seed, APPEARANCE, index).below(SPAN_SECONDS) * 1000;

function drawPerson(seed: number, index: number): Person {
  const dice = new Dice(seed, PERSON, index);
  const culture = drawCulture(dice);
  const country = countryOf(dice.pick(culture.countries));
  const given = dice.pick(culture.given);
  const family = dice.pick(culture.family);
  const { company, companyDomain } = drawCompany(dice, country);
  return {
    index,
    givenName: given.text,
    familyName: family.text,
    nickname: given.nickname ?? given.text,
    email: drawEmail(dice, { index, given, family, companyDomain }),
    phone: drawPhone(dice, country),
    company,
    companyDomain,
    country: country.code,
    currency: country.currency,
    accountNumber: accountNumberOf(seed, index),
    lifecycle: drawLifecycle(dice),
    createdAt: createdAtOf(seed, index),
  };
}

/** Person 0 is the same whatever the seed, so that a written-down query has a known answer. */
const firstPerson: Person = {
  index: 0,
  givenName: "Amélie",
  familyName: "O'Neill",
  nickname: "Amy",
  email: "amelie.oneill@harbourfreight.example",
  phone: "+447412345678",
  company: "Harbour Freight Ltd",
  companyDomain: "harbourfreight.example",
  country: "GB",
  currency: "GBP",
  accountNumber: FIRST_ACCOUNT_NUMBER,
  lifecycle: "active",
  createdAt: FIRST_CREATED_AT,
};

/** Whether the person is the second half of a household, who uses the first half's address. Halves are 2k and 2k + 1. */
const sharesEmail = (seed: number, index: number): boolean =>
  index % 2 === 1 && index > 1 && new Dice(seed, HOUSEHOLD, index >>> 1).chance(HOUSEHOLD_SHARE);

/** The truth about person `index` under a seed: a pure function, nothing is kept. */
export function personOf(seed: number, index: number): Person {
  if (index === 0) return firstPerson;
  const person = drawPerson(seed, index);
  if (!sharesEmail(seed, index)) return person;
  const { familyName, email, country, currency, phone } = drawPerson(seed, index - 1);
  return { ...person, familyName, email, country, currency, phone };
}
