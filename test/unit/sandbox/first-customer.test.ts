import { describe, expect, it } from "@jest/globals";
import { countInvoices, makeInvoice } from "../../../datasources/stripe/sandbox-invoices.ts";
import { listTickets } from "../../../datasources/zendesk/sandbox-tickets.ts";
import { listUsers } from "../../../datasources/zendesk/sandbox-users.ts";
import { createPopulation } from "../../../src/sandbox/population.ts";
import { rates } from "./rates.ts";

const seeds = Array.from({ length: 60 }, (_empty, seed) => seed);
const populationOf = (seed: number) => createPopulation({ seed, size: 20, rates });

function invoicesOf(seed: number, person: number) {
  const population = populationOf(seed);
  return Array.from({ length: countInvoices(population, person) }, (_empty, n) => makeInvoice(population, person, n));
}

function ticketsOf(seed: number, isOf: (person: number) => boolean) {
  const population = populationOf(seed);
  const users = listUsers(population);
  const tickets = listTickets(population, users);
  const asked = Array.from({ length: users.length }, (_empty, user) => user).filter(user => isOf(users.personAt(user)));
  return asked.flatMap(user => {
    const { from, length } = tickets.rangeOf(user);
    return Array.from({ length }, (_empty, n) => tickets.at(from + n));
  });
}

describe("the first customer, whatever the seed", () => {
  it("has invoices in one currency, each numbered, due and with a known status", () => {
    const invoices = seeds.flatMap(seed => invoicesOf(seed, 0));
    expect(invoices.length).toBeGreaterThan(8 * seeds.length);
    const known = new Set(["open", "paid", "void", "uncollectible"]);
    expect(invoices.filter(({ status }) => status === null || !known.has(status))).toEqual([]);
    expect(invoices.filter(({ created, due_date }) => due_date === null || due_date <= created)).toEqual([]);
    expect(
      invoices.filter(({ number, status_transitions }) => number === null || status_transitions.finalized_at === null),
    ).toEqual([]);
    expect(new Set(invoices.map(({ currency }) => currency))).toEqual(new Set(["gbp"]));
  });

  it.each(["open", "paid"])("has one that is %s among the last five", wanted => {
    const without = seeds.filter(
      seed =>
        !invoicesOf(seed, 0)
          .slice(-5)
          .some(({ status }) => status === wanted),
    );
    expect(without).toEqual([]);
  });

  it("has tickets with every field set, written in one way", () => {
    const tickets = seeds.flatMap(seed => ticketsOf(seed, person => person === 0));
    expect(tickets).toHaveLength(5 * seeds.length);
    expect(tickets.filter(({ subject, priority }) => subject === null || priority === null)).toEqual([]);
    expect(tickets.filter(({ status }) => status !== status.toLowerCase())).toEqual([]);
    expect(tickets.filter(({ created_at }) => !created_at.endsWith("Z"))).toEqual([]);
  });
});

describe("everybody else", () => {
  it("keeps the odd invoices and tickets", () => {
    const others = Array.from({ length: 19 }, (_empty, at) => at + 1);
    const invoices = seeds.flatMap(seed => others.flatMap(person => invoicesOf(seed, person)));
    expect(new Set(invoices.map(({ status }) => status)).has(null)).toBe(true);
    expect(new Set(invoices.map(({ due_date }) => due_date)).has(null)).toBe(true);
    const tickets = seeds.flatMap(seed => ticketsOf(seed, person => person !== 0));
    expect(tickets.some(({ priority }) => priority === null)).toBe(true);
    expect(tickets.some(({ subject }) => subject === null)).toBe(true);
    expect(tickets.some(({ created_at }) => !created_at.endsWith("Z"))).toBe(true);
  });
});
