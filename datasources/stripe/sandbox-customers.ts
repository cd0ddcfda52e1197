import type { Population, Traces } from "../../src/sandbox/population.ts";
import { indexText } from "../../src/sandbox/text-index.ts";
import type { TextIndex } from "../../src/sandbox/text-index.ts";
import type { Sequence } from "./sandbox-listing.ts";

/** A customer on the wire. @see https://docs.stripe.com/api/customers/object */
export interface Customer {
  readonly id: string;
  readonly object: "customer";
  readonly address: Readonly<Record<"city" | "country" | "line1" | "line2" | "postal_code" | "state", string | null>> | null;
  readonly balance: number;
  readonly created: number;
  readonly currency: string | null;
  readonly default_source: null;
  readonly delinquent: boolean | null;
  readonly description: string | null;
  readonly email: string | null;
  readonly invoice_prefix: string;
  readonly invoice_settings: Readonly<Record<"custom_fields" | "default_payment_method" | "footer" | "rendering_options", null>>;
  readonly livemode: false;
  readonly metadata: Readonly<Record<string, string>>;
  readonly name: string | null;
  readonly next_invoice_sequence: number;
  readonly phone: string | null;
  readonly preferred_locales: readonly string[];
  readonly shipping: null;
  readonly tax_exempt: "none";
  readonly test_clock: null;
}

/** Fields that a write has changed. */
export type CustomerPatch = Partial<Pick<Customer, "address" | "description" | "email" | "metadata" | "name" | "phone">>;

const SOURCE = "stripe";
const ACCOUNT_NUMBER_SHARE = 0.65;
const settings = { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null };

/** The key space of customers: person index ↔ `cus_…`. */
export const customerKeys = (population: Population) => population.keys.opaque("stripe.customers", "cus_");

/** The letters that begin the customer's invoice numbers. */
export const invoicePrefixOf = (id: string): string => id.slice(4, 12).toUpperCase();

const addressIn = (country: string | null) => ({ city: null, country, line1: null, line2: null, postal_code: null, state: null });

/** A customer as the world was made, before any write. */
function makeCustomer(population: Population, person: number): Customer {
  const id = customerKeys(population).of(person);
  const rendering = population.rendering(person, SOURCE);
  const { currency, country, accountNumber, lifecycle } = rendering.person;
  const dice = rendering.dice(1);
  const hasAddress = person === 0 || dice.chance(0.94);
  const knowsStanding = person === 0 || dice.chance(0.97);
  const statesAccount = population.states("stripe.account_number", person, ACCOUNT_NUMBER_SHARE);
  return {
    id,
    object: "customer",
    // Unlike the other sources, this provider takes only codes.
    address: hasAddress ? addressIn(rendering.country === null ? null : country) : null,
    balance: 0,
    created: population.recordedAt(person, SOURCE) / 1000,
    currency: currency.toLowerCase(),
    default_source: null,
    delinquent: knowsStanding ? lifecycle === "past_due" : null,
    description: null,
    email: rendering.email,
    invoice_prefix: invoicePrefixOf(id),
    invoice_settings: settings,
    livemode: false,
    metadata: {
      ...(statesAccount ? { account_number: accountNumber } : {}),
      ...(rendering.company === null ? {} : { company: rendering.company }),
    },
    name: rendering.fullName,
    next_invoice_sequence: 1,
    phone: rendering.phone,
    preferred_locales: [],
    shipping: null,
    tax_exempt: "none",
    test_clock: null,
  };
}

/** The customers of a world with what has been written to them since. */
export interface CustomerBook extends Sequence<Customer> {
  /** The person behind a key, or null when there is no such customer here. Deleted ones still have theirs. */
  personOf(id: string): number | null;
  /** The customer key of a person, or null when this source does not know them. */
  keyOf(person: number): string | null;
  get(person: number): Customer;
  isDeleted(person: number): boolean;
  /** Newest first, those with exactly this address. */
  withEmail(email: string): Sequence<Customer>;
  patch(person: number, patch: CustomerPatch): Customer;
  delete(person: number): void;
  reset(): void;
}

const found = (positions: readonly number[], all: Sequence<Customer>): Sequence<Customer> => ({
  object: all.object,
  length: positions.length,
  createdAt: at => all.createdAt(positions[at] ?? -1),
  at: at => all.at(positions[at] ?? -1),
  positionOf: id => positions.indexOf(all.positionOf(id)),
});

/** Opens the customers of a population. */
export function openCustomers(population: Population): CustomerBook {
  const traces: Traces = population.traces(SOURCE);
  const keys = customerKeys(population);
  const patches = new Map<number, CustomerPatch>();
  const deleted = new Set<number>();
  let index: TextIndex | undefined;
  const personAt = (position: number) => traces.at(traces.length - 1 - position).person;
  const newestPosition = (person: number) => traces.length - 1 - traces.positionOf(person);
  const get = (person: number) => ({ ...makeCustomer(population, person), ...patches.get(person) });
  const keyOf = (person: number) => (traces.positionOf(person) >= 0 ? keys.of(person) : null);
  const personOf = (id: string) => {
    const person = keys.indexOf(id);
    return person !== null && traces.positionOf(person) >= 0 ? person : null;
  };
  const sequence: Sequence<Customer> = {
    object: "customer",
    length: traces.length,
    createdAt: position => population.recordedAt(personAt(position), SOURCE) / 1000,
    at: position => (deleted.has(personAt(position)) ? null : get(personAt(position))),
    positionOf: id => {
      const person = personOf(id);
      return person === null ? -1 : newestPosition(person);
    },
  };
  const withEmail = (email: string) => {
    index ??= indexText(traces.length, position => population.rendering(personAt(position), SOURCE).email);
    const candidates = new Set([...index.find(email), ...Array.from(patches.keys(), newestPosition)]);
    const matching = [...candidates].filter(position => get(personAt(position)).email === email);
    return found(
      matching.toSorted((a, b) => a - b),
      sequence,
    );
  };
  const patch = (person: number, change: CustomerPatch) => {
    patches.set(person, { ...patches.get(person), ...change });
    return get(person);
  };
  const reset = () => {
    patches.clear();
    deleted.clear();
  };
  const remove = (person: number) => void deleted.add(person);
  return { ...sequence, personOf, keyOf, get, isDeleted: person => deleted.has(person), withEmail, patch, delete: remove, reset };
}
