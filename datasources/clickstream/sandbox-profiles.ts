import type { Population } from "../../src/sandbox/population.ts";

/** One profile on the wire: what is known of whoever carries an anonymous id. */
export interface Profile {
  readonly anonymous_id: string;
  /** The product's account that was logged in with this id; null where nobody ever was. */
  readonly account_id: string | null;
  /** As the site's forms collected them; a telephone number is kept as E.164. */
  readonly traits: Readonly<Record<"name" | "email" | "phone" | "company" | "country", string | null>>;
  readonly first_seen_at: string;
}

const LOGGED_IN_SHARE = 0.85;

/** The anonymous ids of a population; a person with two devices has two. */
export const profileKeys = (population: Population) => {
  const keys = population.keys.uuid("clickstream.profiles");
  return {
    of: (person: number, copy: number): string => keys.of(person * 2 + copy),
    /** Where in the listing a key stands, or -1. */
    positionOf(key: string): number {
      const index = keys.indexOf(key);
      return index === null || index >= population.size * 2
        ? -1
        : population.traces("clickstream").positionOf(index >>> 1, index & 1);
    },
  };
};

/** The profile at a position, oldest first. */
export function profileAt(population: Population, position: number): Profile {
  const traces = population.traces("clickstream");
  const { person, copy } = traces.at(position);
  const { fullName: name, email, phone, company, country } = population.rendering(person, "clickstream", copy);
  const hasLoggedIn =
    population.isPresent("product", person) && population.states("clickstream.account", person, LOGGED_IN_SHARE, copy);
  return {
    anonymous_id: profileKeys(population).of(person, copy),
    account_id: hasLoggedIn ? population.keys.uuid("product.accounts").of(person) : null,
    traits: { name, email, phone: phone === null || phone === "n/a" ? null : population.person(person).phone, company, country },
    first_seen_at: new Date(traces.createdAt(position)).toISOString(),
  };
}
