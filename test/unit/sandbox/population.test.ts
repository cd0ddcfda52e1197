import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { parsePhoneNumber } from "libphonenumber-js/max";
import { createPopulation } from "../../../src/sandbox/population.ts";
import { rates } from "./rates.ts";

const population = createPopulation({ seed: 3, size: 20_000, rates });
const people = Array.from({ length: 4000 }, (_empty, index) => population.person(index));
const share = (count: number, of: number) => count / of;
const shareOf = <T>(list: readonly T[], is: (item: T) => boolean) => share(list.filter(is).length, list.length);

/** Undoes what hands and forms do to an address. */
function mailbox(email: string): string {
  const [local = "", domain = ""] = email.toLowerCase().split("@");
  const bare = local.split("+")[0] ?? "";
  return `${domain === "gmail.com" ? bare.replaceAll(".", "") : bare}@${domain}`;
}

describe("a person", () => {
  it("is a pure function of seed and index, whatever the size and the order of asking", () => {
    const small = createPopulation({ seed: 3, size: 50, rates });
    for (const index of [49, 0, 17]) expect(small.person(index)).toEqual(population.person(index));
    expect(createPopulation({ seed: 4, size: 50, rates }).person(17)).not.toEqual(population.person(17));
  });

  it("has account number 4821 first, and no account number twice", () => {
    expect(people[0]?.accountNumber).toBe("4821");
    const numbers = new Set(Array.from({ length: 20_000 }, (_empty, index) => population.person(index).accountNumber));
    expect(numbers.size).toBe(20_000);
    expect([...numbers].slice(1).every(number => /^[1-9]\d{6,7}$/.test(number))).toBe(true);
  });

  it("has a phone number that its country could have dealt out", () => {
    const wrong = people.filter(({ phone }) => !parsePhoneNumber(phone).isValid());
    expect(wrong.map(({ phone, country }) => `${country} ${phone}`)).toEqual([]);
  });

  it("shares a mailbox only within a household", () => {
    const owners = new Map<string, number[]>();
    for (const { email, index } of people)
      if (email !== null) owners.set(mailbox(email), [...(owners.get(mailbox(email)) ?? []), index]);
    const shared = [...owners.values()].filter(indexes => indexes.length > 1);
    expect(shared.every(([a = 0, b = 0, ...rest]) => rest.length === 0 && b === a + 1 && a % 2 === 0)).toBe(true);
    expect(share(shared.flat().length, people.length)).toBeGreaterThan(0.01);
    expect(share(shared.flat().length, people.length)).toBeLessThan(0.03);
  });

  it("comes from several cultures and pays in currencies without and with three decimals", () => {
    const currencies = new Set(people.map(({ currency }) => currency));
    for (const currency of ["USD", "EUR", "GBP", "JPY", "KWD"]) expect(currencies).toContain(currency);
    const written = people.map(({ givenName, familyName }) => givenName + familyName).join("");
    for (const script of [/\p{Script=Cyrillic}/u, /\p{Script=Han}/u, /[éüøł]/, /'/, /-/]) expect(written).toMatch(script);
  });
});

describe("a rendering", () => {
  const renderings = people.slice(1).map(({ index }) => population.rendering(index, "hubspot"));

  it("is a pure function that differs between sources and copies", () => {
    const traits = (index: number, source: string, copy: number) => {
      const { email, fullName, phone } = population.rendering(index, source, copy);
      return JSON.stringify([email, fullName, phone]);
    };
    expect(traits(7, "hubspot", 1)).toBe(traits(7, "hubspot", 1));
    const differs = (a: [string, number], b: [string, number]) =>
      shareOf(people, ({ index }) => traits(index, ...a) !== traits(index, ...b));
    expect(differs(["hubspot", 0], ["stripe", 0])).toBeGreaterThan(0.4);
    expect(differs(["hubspot", 0], ["hubspot", 1])).toBeGreaterThan(0.4);
  });

  it("misses, spoils and respells about as often as it says", () => {
    const known = renderings.filter(({ person }) => person.email !== null);
    const missing = shareOf(known, ({ email }) => email === null);
    const role = shareOf(
      known,
      ({ email, person }) =>
        email !== null &&
        mailbox(email) !== person.email &&
        email.endsWith(`@${person.companyDomain}`) &&
        /^(info|sales|office|billing|hello)@/.test(email),
    );
    const respelt = shareOf(known, ({ email, person }) => email !== null && email !== person.email);
    const misnamed = shareOf(
      renderings,
      ({ familyName, givenName, person }) =>
        familyName !== person.familyName || (givenName !== person.givenName && givenName !== person.nickname),
    );
    for (const [is, low, high] of [
      [missing, 0.03, 0.05],
      [role, 0.012, 0.03],
      [respelt, 0.25, 0.5],
      [misnamed, 0.025, 0.055],
    ] as const) {
      expect(is).toBeGreaterThan(low);
      expect(is).toBeLessThan(high);
    }
  });

  it("never turns one mailbox into another except into a role address", () => {
    for (const { email, person } of renderings)
      if (email !== null && !/^(info|sales|office|billing|hello)@/.test(email))
        expect(mailbox(email)).toBe(mailbox(person.email ?? ""));
  });

  it("writes the first person down cleanly", () => {
    const { email, fullName, person } = population.rendering(0, "zendesk");
    expect({ email, fullName }).toEqual({ email: person.email, fullName: `${person.givenName} ${person.familyName}` });
  });
});

describe("traces", () => {
  it.each([
    ["hubspot", 0.9],
    ["product", 0.8],
    ["stripe", 0.75],
    ["zendesk", 0.6],
  ])("%s knows about the share %d of people, the first one once", (source, presence) => {
    const traces = population.traces(source);
    const present = Array.from({ length: population.size }, (_empty, index) => index).filter(index =>
      population.isPresent(source, index),
    );
    expect(Math.abs(present.length / population.size - presence)).toBeLessThan(0.015);
    expect(present.every(index => traces.copiesOf(index) > 0)).toBe(true);
    expect(traces.copiesOf(0)).toBe(1);
  });

  it("only hubspot knows some people twice", () => {
    const indexes = Array.from({ length: population.size }, (_empty, index) => index);
    const copiesEach = (source: string) =>
      population.traces(source).length / indexes.filter(index => population.isPresent(source, index)).length;
    expect(copiesEach("hubspot")).toBeCloseTo(1.05, 2);
    expect(["product", "stripe", "zendesk"].map(copiesEach)).toEqual([1, 1, 1]);
  });

  it("lead from position to trace and back, oldest first", () => {
    const traces = population.traces("hubspot");
    fc.assert(
      fc.property(fc.integer({ min: 0, max: traces.length - 1 }), position => {
        const { person, copy } = traces.at(position);
        const before = position === 0 ? 0 : traces.createdAt(position - 1);
        return traces.positionOf(person, copy) === position && before <= traces.createdAt(position);
      }),
    );
  });

  it("find the first record at or after an instant", () => {
    const traces = population.traces("stripe");
    const at = traces.createdAt(5000);
    const first = traces.firstAtOrAfter(at);
    expect(traces.createdAt(first)).toBe(at);
    expect(traces.createdAt(first - 1)).toBeLessThan(at);
    expect([traces.firstAtOrAfter(0), traces.firstAtOrAfter(Number.MAX_SAFE_INTEGER)]).toEqual([0, traces.length]);
  });

  it("refuse a position outside and a size that cannot be", () => {
    expect(() => population.traces("stripe").at(-1)).toThrow(RangeError);
    expect(() => createPopulation({ seed: 1, size: 0, rates })).toThrow("1 to 4000000");
  });
});
