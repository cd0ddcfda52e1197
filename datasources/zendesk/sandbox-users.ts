import type { Population } from "../../src/sandbox/population.ts";
import { isoSeconds } from "./sandbox-records.ts";
import type { SeededListing } from "./sandbox-records.ts";

/** A user on the wire. @see https://developer.zendesk.com/api-reference/ticketing/users/users/ */
export interface User {
  readonly id: number;
  readonly url: string;
  readonly name: string;
  readonly email: string | null;
  readonly phone: string | null;
  /** The product account's UUID, where someone linked the two. */
  readonly external_id: string | null;
  readonly role: "end-user";
  readonly active: boolean;
  readonly verified: boolean;
  readonly suspended: boolean;
  readonly tags: readonly string[];
  readonly created_at: string;
  readonly updated_at: string;
  readonly locale: string;
  readonly time_zone: string;
  readonly iana_time_zone: string;
  readonly organization_id: number | null;
  readonly user_fields: { readonly country: string | null; readonly company: string | null };
}

/** The seeded history ends here, so that it does not depend on the day it is read. */
export const HISTORY_END_MS = Date.UTC(2026, 9, 1);

const LINKED_SHARE = 0.6;
const PRODUCT_PRESENCE = 0.8;
const labels = ["vip", "newsletter", "enterprise", "beta", "churn-risk", "reseller"] as const;

type Place = readonly [locale: string, zone: string, iana: string];
const UNITED_STATES: Place = ["en-US", "Eastern Time (US & Canada)", "America/New_York"];
const places: Readonly<Record<string, Place>> = {
  AU: ["en-AU", "Sydney", "Australia/Sydney"],
  BR: ["pt-BR", "Brasilia", "America/Sao_Paulo"],
  CA: ["en-CA", "Eastern Time (US & Canada)", "America/Toronto"],
  CN: ["zh-CN", "Beijing", "Asia/Shanghai"],
  DE: ["de", "Berlin", "Europe/Berlin"],
  DK: ["da", "Copenhagen", "Europe/Copenhagen"],
  ES: ["es", "Madrid", "Europe/Madrid"],
  FR: ["fr", "Paris", "Europe/Paris"],
  GB: ["en-GB", "London", "Europe/London"],
  IE: ["en-GB", "Dublin", "Europe/Dublin"],
  IN: ["en-IN", "New Delhi", "Asia/Kolkata"],
  JP: ["ja", "Tokyo", "Asia/Tokyo"],
  KW: ["ar", "Kuwait", "Asia/Kuwait"],
  MX: ["es-MX", "Mexico City", "America/Mexico_City"],
  NL: ["nl", "Amsterdam", "Europe/Amsterdam"],
  PL: ["pl", "Warsaw", "Europe/Warsaw"],
  SE: ["sv", "Stockholm", "Europe/Stockholm"],
  UA: ["uk", "Kyiv", "Europe/Kyiv"],
};

/** The users of a population, ascending by id, which is the order they were made in. */
export interface Users extends SeededListing<User> {
  /** The index of a person's user, or -1. */
  indexOfPerson(person: number): number;
  personAt(index: number): number;
  createdAtMs(index: number): number;
}

const changedAtMs = (population: Population, person: number, createdMs: number) =>
  createdMs +
  Math.floor((population.dice("zendesk.users.changed", person).fraction() * (HISTORY_END_MS - createdMs)) / 1000) * 1000;

/** The external id of a person's user: always right where it is stated. */
function externalIdOf(population: Population, person: number): string | null {
  if (!population.isPresent("product", person)) return null;
  const isLinked = population.states("zendesk.external_id", person, LINKED_SHARE / PRODUCT_PRESENCE);
  return isLinked ? population.keys.uuid("product.accounts").of(person) : null;
}

function organizationOf(population: Population, person: number): number | null {
  const dice = population.dice("zendesk.organizations", person);
  return dice.chance(0.3) ? population.keys.ordered("zendesk.organizations").of(dice.below(5000)) : null;
}

function userOf(population: Population, person: number, id: number, createdMs: number): User {
  const trace = population.rendering(person, "zendesk");
  const dice = trace.dice(0);
  const [locale, time_zone, iana_time_zone] = places[trace.person.country] ?? UNITED_STATES;
  const suspended = person !== 0 && dice.chance(0.01);
  return {
    id,
    url: `https://example.zendesk.com/api/v2/users/${id}.json`,
    name: trace.fullName,
    email: trace.email,
    phone: trace.phone,
    external_id: externalIdOf(population, person),
    role: "end-user",
    active: person === 0 || dice.chance(0.97),
    verified: dice.chance(0.8),
    suspended,
    tags: labels.filter(() => dice.chance(0.12)),
    created_at: isoSeconds(createdMs),
    updated_at: isoSeconds(changedAtMs(population, person, createdMs)),
    locale,
    time_zone,
    iana_time_zone,
    organization_id: organizationOf(population, person),
    user_fields: { country: trace.country, company: trace.company },
  };
}

/** Lists the users of a population. */
export function listUsers(population: Population): Users {
  const traces = population.traces("zendesk");
  const ids = population.keys.ordered("zendesk.users");
  const personAt = (index: number) => traces.at(index).person;
  const createdAtMs = (index: number) => population.recordedAt(personAt(index), "zendesk");
  return {
    length: traces.length,
    idAt: index => ids.of(index),
    indexOf: id => {
      const index = ids.indexOf(id) ?? -1;
      return index < traces.length ? index : -1;
    },
    at: index => userOf(population, personAt(index), ids.of(index), createdAtMs(index)),
    indexOfPerson: person => traces.positionOf(person),
    personAt,
    createdAtMs,
    changedAtSeconds: index => changedAtMs(population, personAt(index), createdAtMs(index)) / 1000,
  };
}
