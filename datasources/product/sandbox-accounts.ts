import type { Dice, Lifecycle, Population, Rendering } from "../../src/sandbox/population.ts";

/** An account's own fields on the wire. */
export interface Account {
  readonly id: string;
  readonly displayName: string | null;
  readonly ownerEmail: string | null;
  readonly ownerPhone: string | null;
  readonly companyName: string | null;
  readonly countryCode: string | null;
  readonly plan: string | null;
  readonly state: string | null;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Epoch milliseconds. */
  readonly lastSeenAt: number | null;
  readonly billingCustomerId: string | null;
  readonly timezone: string | null;
}

/** The accounts of a population, reached by position, oldest first. */
export interface Accounts {
  readonly length: number;
  personAt(position: number): number;
  /** Where an id stands, or -1. */
  positionOf(id: string): number;
  at(position: number): Account;
  /** Lays changes over an account. */
  change(position: number, changes: Partial<Account>): void;
  /** Forgets every change. */
  reset(): void;
}

const LINKED_SHARE = 0.5;
const STRIPE_PRESENCE = 0.75;
const plans = ["free", "starter", "starter", "pro", "pro", "enterprise"] as const;
const spellings: Readonly<Record<Lifecycle, readonly [string, ...string[]]>> = {
  lead: ["trialing", "trial"],
  trial: ["trialing", "TRIALING", "trial"],
  active: ["active", "ACTIVE", "1", "Active"],
  past_due: ["SUSPENDED", "suspended", "past_due"],
  churned: ["closed", "CLOSED", "0"],
};
const timezones: Readonly<Record<string, string>> = {
  AU: "Australia/Sydney",
  BR: "America/Sao_Paulo",
  CA: "America/Toronto",
  CN: "Asia/Shanghai",
  DE: "Europe/Berlin",
  DK: "Europe/Copenhagen",
  ES: "Europe/Madrid",
  FR: "Europe/Paris",
  GB: "Europe/London",
  IE: "Europe/Dublin",
  IN: "Asia/Kolkata",
  JP: "Asia/Tokyo",
  KW: "Asia/Kuwait",
  MX: "America/Mexico_City",
  NL: "Europe/Amsterdam",
  PL: "Europe/Warsaw",
  SE: "Europe/Stockholm",
  UA: "Europe/Kyiv",
  US: "America/New_York",
};

/** A word of the time, or now and then one that nobody remembers, or nothing. */
function stateOf(trace: Rendering): string | null {
  const dice = trace.dice(1);
  const value = trace.person.index === 0 ? 1 : dice.fraction();
  if (value < 0.01) return null;
  return value < 0.015 ? "grandfathered" : trace.spelling(...spellings[trace.person.lifecycle]);
}

/** A code, in the case it was typed in, where the person gave a country at all. */
function countryCodeOf({ country, person }: Rendering): string | null {
  if (country === null) return null;
  return country === country.toLowerCase() ? person.country.toLowerCase() : person.country;
}

/** The payments processor's id of the same person: always right where it is stated. */
function billingCustomerIdOf(population: Population, person: number): string | null {
  if (!population.isPresent("stripe", person)) return null;
  const isLinked = population.states("product.billingCustomerId", person, LINKED_SHARE / STRIPE_PRESENCE);
  return isLinked ? population.keys.opaque("stripe.customers", "cus_").of(person) : null;
}

function accountOf(population: Population, person: number, todayMs: number): Account {
  const trace = population.rendering(person, "product");
  const dice = trace.dice(0);
  const createdAt = population.recordedAt(person, "product") + dice.below(1000);
  const sinceMs = Math.max(0, todayMs - createdAt);
  return {
    id: population.keys.uuid("product.accounts").of(person),
    displayName: trace.fullName,
    ownerEmail: trace.email,
    ownerPhone: trace.phone,
    companyName: trace.company,
    countryCode: countryCodeOf(trace),
    plan: dice.pick(plans),
    state: stateOf(trace),
    createdAt,
    lastSeenAt: dice.chance(0.1) ? null : createdAt + Math.floor(sinceMs * Math.sqrt(dice.fraction())),
    billingCustomerId: billingCustomerIdOf(population, person),
    timezone: timezones[trace.person.country] ?? null,
  };
}

/** Lists the accounts of a population. `todayMs` bounds when they were last seen. */
export function listAccounts(population: Population, todayMs: number): Accounts {
  const traces = population.traces("product");
  const ids = population.keys.uuid("product.accounts");
  const changed = new Map<number, Partial<Account>>();
  const personAt = (position: number) => traces.at(position).person;
  return {
    length: traces.length,
    personAt,
    positionOf: id => {
      const person = ids.indexOf(id.toLowerCase());
      return person === null || person >= population.size ? -1 : traces.positionOf(person);
    },
    at: position => ({ ...accountOf(population, personAt(position), todayMs), ...changed.get(position) }),
    change: (position, changes) => void changed.set(position, { ...changed.get(position), ...changes }),
    reset: () => changed.clear(),
  };
}

/** Changes an account as its owner might; returns its id. */
export function changeAccount(accounts: Accounts, dice: Dice): string {
  const position = dice.below(accounts.length);
  accounts.change(position, { ownerPhone: `+4930${dice.digits(7)}`, companyName: `Company ${dice.digits(6)}` });
  return accounts.at(position).id;
}
