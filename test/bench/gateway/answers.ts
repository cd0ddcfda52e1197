import type { Loose } from "../../support/world.ts";
import { contactQuery, queries } from "./queries.ts";
import type { Served } from "./servers.ts";

/** How much alike two servers answer the 25-customer query. */
export interface Likeness {
  /** Customers of the plain server's page of whom both say the same, value by value, of 25; of the others it finds fewer records. */
  readonly equalCustomers: number;
  /** Records below the customers in each server's own page. */
  readonly records: readonly [number, number];
}

/** Asks both for the same; throws unless the one customer is equal, and the page of 25 equal in shape and count and nowhere contradictory. */
export async function compareAnswers(ours: Served, plain: Served): Promise<Likeness> {
  const [one, other] = [await answer(ours, queries["one customer"]), await answer(plain, queries["one customer"])];
  if (JSON.stringify(one) !== JSON.stringify(other)) throw new Error(`unequal: ${JSON.stringify(one)}, ${JSON.stringify(other)}`);
  const pages = [await pageOf(ours), await pageOf(plain)] as const;
  const [shape, otherShape] = pages.map(shapeOf);
  if (shape !== otherShape) throw new Error(`unequal shapes: ${shape}, ${otherShape}`);
  return { equalCustomers: await countEqual(ours, pages[1]), records: [recordsIn(pages[0]), recordsIn(pages[1])] };
}

async function answer({ name, url }: Served, query: string): Promise<Loose> {
  const headers = { "content-type": "application/json" };
  const { data, errors } = (await (
    await fetch(url, { method: "POST", headers, body: JSON.stringify({ query }) })
  ).json()) as Loose;
  if (errors) throw new Error(`${name}: ${JSON.stringify(errors)}`);
  return data;
}

async function pageOf(server: Served): Promise<Loose[]> {
  const { customers } = await answer(server, queries["25 customers"]);
  if (customers.nodes.length !== 25) throw new Error(`${server.name}: ${customers.nodes.length} customers`);
  return customers.nodes;
}

/** Every path that some customer has, lists as `[]`, with the kinds of value found there; null says nothing of a kind. */
function shapeOf(page: readonly Loose[]): string {
  const paths = new Set<string>();
  const walk = (value: Loose, path: string): void => {
    if (Array.isArray(value)) for (const item of value) walk(item, `${path}[]`);
    else if (typeof value === "object" && value !== null)
      for (const [name, child] of Object.entries(value)) walk(child, `${path}.${name}`);
    else if (value !== null) paths.add(`${path}: ${typeof value}`);
  };
  for (const customer of page) walk(customer, "");
  return [...paths].sort().join(", ");
}

/**
 * How many customers of the plain server's page are in ours with the same values; its ids are the keys of the CRM. Matching more simply, it may find none
 * of a customer's records where we find some, but what it has must be the same: else throws.
 */
async function countEqual(ours: Served, page: readonly Loose[]): Promise<number> {
  let equal = 0;
  for (const { id, name, invoices, tickets, usageSummary } of page) {
    const { customer } = await answer(ours, contactQuery(id));
    const unequal = Object.entries({ name, invoices, tickets, usageSummary }).filter(
      ([field, value]) => JSON.stringify(value) !== JSON.stringify(customer[field]),
    );
    for (const [field, value] of unequal)
      if (!nothing.has(JSON.stringify(value))) throw new Error(`${field} of ${id} is not the same in both`);
    if (unequal.length === 0) equal++;
  }
  return equal;
}

/** What the plain server answers where it finds no records. */
const nothing = new Set(["[]", '{"sessions":"0"}']);

const recordsIn = (page: readonly Loose[]): number =>
  page.reduce((sum, { invoices, tickets }) => sum + invoices.length + tickets.length, 0);
