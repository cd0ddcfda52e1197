import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type { Change } from "../../src/core/changes.ts";
import { type Answer, type Loose, startWorld, type TestWorld } from "../support/world.ts";
import { until } from "../support/until.ts";

const related = `nodes { id invoices(last: 5) { id number amount status issuedAt } tickets(last: 5) { id subject status createdAt } events(last: 4) { id name occurredAt amount } }`;
const fromMirror = `query { customers(first: 100) { ${related} } }`;
const fromSources = `query @freshness(maxAge: 0) { customers(first: 100) { ${related} } }`;
/** A field of each source, and of no other. */
const fieldOf: Readonly<Record<string, string>> = { hubspot: "name", stripe: "invoices", zendesk: "tickets" };

interface Stale {
  readonly path: readonly (string | number)[];
  readonly source: string;
  readonly collection: string;
  readonly age: number;
  readonly asOf: string;
  readonly reason: string;
}
const staleOf = ({ extensions }: Answer): readonly Stale[] => (extensions["freshness"] ?? []) as Stale[];
/** In the order of their rank for names. */
const named = ["hubspot", "stripe", "product", "zendesk", "accounts", "clickstream"];

/** Customer by customer, which sources each field has to look at. */
async function consulted(own: TestWorld): Promise<readonly Readonly<Record<string, readonly string[]>>[]> {
  const { data } = await own.ask(`{ customers(first: 20) { nodes { identities { source } provenance { field source } } } }`);
  return (data.customers.nodes as Loose[]).map(({ identities, provenance }) => {
    const has = (source: string) => identities.some((identity: Loose) => identity.source === source);
    const { source: taken } = provenance.find(({ field }: Loose) => field === "name");
    return {
      name: named.slice(0, taken === null ? Infinity : named.indexOf(taken) + 1).filter(has),
      invoices: ["stripe"].filter(has),
      tickets: ["zendesk"].filter(has),
    };
  });
}

const sorted = (answer: Answer) =>
  (answer.data.customers.nodes as Loose[]).map(({ id, invoices, tickets, events }) => ({
    id,
    events,
    invoices: invoices.map((invoice: Loose) => JSON.stringify(invoice)).sort(),
    tickets: tickets.map((ticket: Loose) => JSON.stringify(ticket)).sort(),
  }));

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld({ customers: 100, quotas: false, environment: { MAX_UPSTREAM_CALLS: "2000" } });
  expect(await world.product.relations.round()).toBe(true);
});
afterAll(() => world.close());
afterEach(async () => {
  await world.heal();
  world.product.gateway.clear();
});

describe("relations from the mirror", () => {
  it("cost no request for a customer, and are what the sources say", async () => {
    const answers: Answer[] = [];
    const calls = await world.callsDuring(async () => answers.push(await world.ask(fromMirror)));
    expect(calls).toMatchObject({ stripe: 0, zendesk: 0, hubspot: 0, product: 0, clickstream: 0 });
    const asked = await world.callsDuring(async () => answers.push(await world.ask(fromSources)));
    expect(asked["stripe"]).toBeGreaterThan(50);
    expect(asked["zendesk"]).toBeGreaterThan(30);
    expect(asked["clickstream"]).toBeGreaterThan(30);
    const [mirrored, live] = answers.map(sorted);
    expect(mirrored).toEqual(live);
    expect(mirrored!.flatMap(({ invoices }) => invoices).length).toBeGreaterThan(200);
    expect(answers.map(({ errors, extensions }) => [errors, extensions["freshness"]])).toEqual([
      [[], undefined],
      [[], undefined],
    ]);
  });

  it("are paged through as at their source, from one to the other and back", async () => {
    const page = (freshness: string, key: string, after: string | null) =>
      world.ask(
        `query Page($key: ID!, $after: String) ${freshness} { customer(id: $key) { invoicesConnection(first: 2, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } } } }`,
        { key, after },
      );
    const { data } = await world.ask(`{ customers(first: 100) { nodes { id invoices(last: 9) { id } } } }`);
    const { id } = (data.customers.nodes as Loose[]).find(({ invoices }) => invoices.length >= 6);
    const walk = async (freshnessOf: (page: number) => string) => {
      const ids: string[] = [];
      let after: string | null = null;
      for (let number = 0; number < 3; number++) {
        const answer: Answer = await page(freshnessOf(number), id, after);
        expect(answer.errors).toEqual([]);
        const { nodes, pageInfo } = answer.data.customer.invoicesConnection;
        ids.push(...nodes.map((node: Loose) => node.id));
        after = pageInfo.endCursor;
      }
      return ids;
    };
    const live = await walk(() => "@freshness(maxAge: 0)");
    expect(new Set(live).size).toBe(6);
    expect(await walk(() => "")).toEqual(live);
    expect(await walk(number => (number % 2 === 0 ? "" : "@freshness(maxAge: 0)"))).toEqual(live);
  });

  it("do not serve a query that wants them younger than they are", async () => {
    await new Promise(resolve => setTimeout(resolve, 1_100));
    const old = await world.callsDuring(() => world.ask(`query @freshness(maxAge: 1) { customers(first: 5) { ${related} } }`));
    expect(old["stripe"]).toBeGreaterThan(0);
    const young = await world.callsDuring(() =>
      world.ask(`query @freshness(maxAge: 600) { customers(first: 5) { ${related} } }`),
    );
    expect(young).toMatchObject({ stripe: 0, zendesk: 0 });
  });

  it("hold what has changed after the next reading, and not what was deleted", async () => {
    await world.change("zendesk", 30, 7);
    await world.change("stripe", 30, 7);
    world.product.gateway.clear();
    const wanted = sorted(await world.ask(fromSources));
    // Everything: what changed in the last minute is not in the list of what changed.
    await world.product.intake.reconcile(["zendesk", "stripe"], true);
    world.product.gateway.clear();
    const answers: Answer[] = [];
    const calls = await world.callsDuring(async () => answers.push(await world.ask(fromMirror)));
    expect(calls).toMatchObject({ stripe: 0, zendesk: 0 });
    expect(answers.map(sorted)).toEqual([wanted]);
  });
});

describe("a source that cannot be asked", () => {
  const query = `{ customer(id: "4821") { name invoices(last: 3) { amount } tickets(last: 3) { subject } } }`;
  it.each(Object.entries(fieldOf))("%s: its field is answered from before, and said to be", async (source, field) => {
    const own = await startWorld({ customers: 20, quotas: false });
    await own.product.relations.round();
    const before = await own.ask(query);
    own.product.gateway.clear();
    await own.fault({ source, kind: "status", status: 503 });
    const strict = await own.ask(`query @freshness(maxAge: 0, staleIfError: false) ${query}`);
    expect(strict.data.customer[field]).toBeNull();
    expect(strict.errors).toMatchObject([
      { path: ["customer", field], extensions: { source, code: expect.stringMatching(/^UPSTREAM_/) } },
    ]);
    const lenient = await own.ask(`query @freshness(maxAge: 0) ${query}`);
    expect(lenient.errors).toEqual([]);
    expect(lenient.data).toEqual(before.data);
    const [stale, ...more] = staleOf(lenient);
    expect(more).toEqual([]);
    expect(stale).toMatchObject({ path: ["customer", field], source, reason: expect.stringMatching(/^UPSTREAM_/) });
    expect(stale!.age).toBe(Math.round((Date.now() - Date.parse(stale!.asOf)) / 1_000));
    await own.close();
  });

  it("is named for exactly the fields that are from before, whichever sources are down", async () => {
    const sources = Object.keys(fieldOf);
    for (let mask = 0; mask < 2 ** sources.length; mask++) {
      const own = await startWorld({ customers: 20, quotas: false });
      try {
        await own.product.relations.round();
        const asked = await consulted(own);
        own.product.gateway.clear();
        const down = sources.filter((_source, bit) => (mask >> bit) % 2 === 1);
        for (const source of down) await own.fault({ source, kind: "reset" });
        const answer = await own.ask(
          `query @freshness(maxAge: 0) { customers(first: 20) { nodes { name invoices(last: 2) { id } tickets(last: 2) { id } } } }`,
        );
        expect(answer.errors).toEqual([]);
        const wanted = asked.flatMap((fields, place) =>
          Object.entries(fields).flatMap(([field, from]) =>
            from.filter(source => down.includes(source)).map(source => `customers/nodes/${place}/${field} ${source}`),
          ),
        );
        expect(
          staleOf(answer)
            .map(({ path, source }) => `${path.join("/")} ${source}`)
            .sort(),
        ).toEqual(wanted.sort());
      } finally {
        await own.close();
      }
    }
  }, 180_000);
});

describe("what is read live", () => {
  it("is in the mirror afterwards, and whoever listens is told what is another than it was", async () => {
    const told: Change[] = [];
    const stop = world.product.changes.subscribe(changes => void told.push(...changes));
    await world.change("hubspot", 20, 3);
    const names = (answer: Answer) =>
      (answer.data.customers.nodes as Loose[]).map(({ name, phone, company }) => [name, phone, company]);
    const query = `{ customers(first: 100) { nodes { name phone company } } }`;
    const live = await world.ask(`query @freshness(maxAge: 0) ${query}`);
    await until(async () => told.some(({ collection }) => collection === "hubspot.contacts"));
    stop();
    await world.fault({ source: "hubspot", kind: "status", status: 503 });
    world.product.gateway.clear();
    const later = await world.ask(query);
    expect(names(later)).toEqual(names(live));
    expect(staleOf(later).every(({ age }) => age < 30)).toBe(true);
  });
});

describe("a collection that is too large for the mirror", () => {
  it("is given up, and its source asked for each customer", async () => {
    const own = await startWorld({ customers: 20, quotas: false, maxMirrored: 30 });
    try {
      expect(await own.product.relations.round()).toBe(false);
      expect(own.lines.some(({ fields }) => String(fields["problem"]).includes("MIRROR_FULL"))).toBe(true);
      expect(await own.product.gateway.mirror.count("stripe.invoices")).toBe(0);
      expect(await own.product.relations.round()).toBe(true);
      const calls = await own.callsDuring(() => own.ask(`{ customers(first: 10) { nodes { invoices(last: 1) { id } } } }`));
      expect(calls["stripe"]).toBeGreaterThan(5);
    } finally {
      await own.close();
    }
  });
});

it("a maxAge that is no age is refused", async () => {
  const { errors } = await world.ask(`query @freshness(maxAge: -1) { customers(first: 1) { nodes { id } } }`);
  expect(errors).toMatchObject([{ message: expect.stringContaining("maxAge"), extensions: { code: "REQUEST_INVALID" } }]);
});
