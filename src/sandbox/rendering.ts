import { countryOf } from "./countries.ts";
import type { Person } from "./person.ts";
import { Dice } from "./random.ts";

/** What one source has written down about a person: the truth with the marks of hands, forms and imports on it. */
export interface Rendering {
  readonly person: Person;
  /** Sometimes a nickname, sometimes mistyped. */
  readonly givenName: string;
  /** Sometimes mistyped. */
  readonly familyName: string;
  /** One field for both, mostly in this order. */
  readonly fullName: string;
  /** In any case, with dots and tags; missing, or a role address of the company, for some. */
  readonly email: string | null;
  /** In any of the ways people write a number; missing for some. */
  readonly phone: string | null;
  readonly company: string | null;
  /** A code in either case, or an English name; missing for some. */
  readonly country: string | null;
  /** One of the words given, chosen for this trace: `spelling("active", "ACTIVE", "1")`. */
  spelling(...words: readonly [string, ...string[]]): string;
  /** A reproducible draw of this trace for anything else. `part` tells draws apart. */
  dice(part: number): Dice;
}

const MISSING_EMAIL = 0.04;
const ROLE_EMAIL = 0.02;
const TYPO = 0.04;
const NICKNAME = 0.06;
const roles = ["info", "sales", "office", "billing", "hello"] as const;
const tags = ["news", "shop", "crm", "work", "2024"] as const;

/** Swaps, drops or doubles one letter. Names shorter than four letters stay. */
function mistype(dice: Dice, text: string): string {
  if (text.length < 4) return text;
  const at = 1 + dice.below(text.length - 2);
  const kind = dice.below(3);
  const here = text.charAt(at);
  if (kind === 0) return text.slice(0, at) + text.charAt(at + 1) + here + text.slice(at + 2);
  return text.slice(0, at) + (kind === 1 ? "" : here + here) + text.slice(at + 1);
}

function dotted(dice: Dice, local: string): string {
  const bare = local.replaceAll(".", "");
  const at = 1 + dice.below(bare.length - 1);
  return `${bare.slice(0, at)}.${bare.slice(at)}`;
}

const capitalised = (text: string) =>
  text.replace(/(^|[.\s-])(\p{L})/gu, (_match, before: string, letter: string) => before + letter.toUpperCase());

/** The same mailbox, written in another way: dots only where the provider ignores them. */
function respellEmail(dice: Dice, email: string): string {
  const [local = "", domain = ""] = email.split("@");
  const dots = domain === "gmail.com" && dice.chance(0.25) ? dotted(dice, local) : local;
  const tag = dice.chance(0.12) ? `+${dice.pick(tags)}` : "";
  const value = dice.fraction();
  if (value < 0.06) return `${dots}${tag}@${domain}`.toUpperCase();
  if (value < 0.18) return `${capitalised(dots)}${tag}@${domain}`;
  return value < 0.23 ? `${dots}${tag}@${capitalised(domain)}` : `${dots}${tag}@${domain}`;
}

function renderEmail(dice: Dice, { email, companyDomain }: Person): string | null {
  const value = dice.fraction();
  if (email === null || value < MISSING_EMAIL) return null;
  if (value < MISSING_EMAIL + ROLE_EMAIL) return `${dice.pick(roles)}@${companyDomain}`;
  return respellEmail(dice, email);
}

const grouped = (digits: string, separator: string) => digits.replace(/(\d{3})(?=\d{2})/g, `$1${separator}`);

function renderPhone(dice: Dice, { phone, country }: Person): string | null {
  const { callingCode, trunk } = countryOf(country);
  const national = phone.slice(callingCode.length + 1);
  const value = dice.fraction();
  if (value < 0.04) return null;
  if (value < 0.05) return "n/a";
  if (value < 0.5) return phone;
  if (value < 0.65) return `+${callingCode} ${grouped(national, " ")}`;
  if (value < 0.75) return `00${callingCode} ${national}`;
  if (value < 0.85) return `+${callingCode}-${grouped(national, "-")}`;
  return callingCode === "1"
    ? `(${national.slice(0, 3)}) ${national.slice(3, 6)}-${national.slice(6)}`
    : `${trunk}${grouped(national, " ")}`;
}

function renderCompany(dice: Dice, company: string): string | null {
  const value = dice.fraction();
  if (value < 0.07) return null;
  if (value < 0.2) return company.split(" ").slice(0, 2).join(" ");
  return value < 0.26 ? company.toUpperCase() : company;
}

function renderCountry(dice: Dice, code: string): string | null {
  const value = dice.fraction();
  if (value < 0.04) return null;
  if (value < 0.29) return countryOf(code).name;
  return value < 0.4 ? code.toLowerCase() : code;
}

function renderNames(dice: Dice, person: Person) {
  const given = dice.chance(NICKNAME) ? person.nickname : person.givenName;
  const wrong = dice.chance(TYPO);
  const inGiven = dice.chance(0.4);
  const givenName = wrong && inGiven ? mistype(dice, given) : given;
  const familyName = wrong && !inGiven ? mistype(dice, person.familyName) : person.familyName;
  const value = dice.fraction();
  const ordered = value < 0.04 ? `${familyName}, ${givenName}` : `${givenName} ${familyName}`;
  return { givenName, familyName, fullName: value > 0.97 ? ordered.toUpperCase() : ordered };
}

function cleanTraits({ givenName, familyName, email, phone, company, country }: Person) {
  return { givenName, familyName, fullName: `${givenName} ${familyName}`, email, phone, company, country };
}

function messyTraits(person: Person, dice: Dice) {
  return {
    ...renderNames(dice, person),
    email: renderEmail(dice, person),
    phone: renderPhone(dice, person),
    company: renderCompany(dice, person.company),
    country: renderCountry(dice, person.country),
  };
}

/** Renders a person as one source has them. Person 0 is written down cleanly everywhere. */
export function renderPerson(person: Person, diceOf: (part: number) => Dice): Rendering {
  const traits = person.index === 0 ? cleanTraits(person) : messyTraits(person, diceOf(1));
  const spelling = (...words: readonly [string, ...string[]]) =>
    person.index === 0 || diceOf(2).chance(0.6) ? words[0] : diceOf(3).pick(words);
  return { person, ...traits, spelling, dice: part => diceOf(part + 16) };
}
