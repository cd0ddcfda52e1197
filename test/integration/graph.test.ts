import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Answer, type Loose, startWorld, type TestWorld } from "../support/world.ts";

const textbookQuery = `query { customer(id: "4821") { name invoices(last: 5) { amount status } tickets(open: true) { subject createdAt } } }`;
const everything = `query ($first: Int!) { customers(first: $first) { nodes {
  id name email phone company country status createdAt
  invoices(last: 5) { amount currency status } tickets(last: 5) { subject status } usage { day sessions } } } }`;

/** The requests that were made, by source. */
const made = (calls: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(calls).filter(([, count]) => count > 0));

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld({ customers: 120 });
});
afterAll(() => world.close());

describe("the textbook's own query", () => {
  it("runs as written", async () => {
    const { status, data, errors } = await world.ask(textbookQuery);
    expect(errors).toEqual([]);
    expect(status).toBe(200);
    expect(data.customer.name).toEqual(expect.any(String));
    expect(data.customer.invoices).toHaveLength(5);
    for (const { amount, status: state } of data.customer.invoices) {
      expect(amount).toMatch(/^\d+(\.\d+)?$/);
      expect(["DRAFT", "OPEN", "PAID", "VOID", "UNCOLLECTIBLE", "UNKNOWN", null]).toContain(state);
    }
    expect(data.customer.tickets.length).toBeGreaterThan(0);
    for (const ticket of data.customer.tickets) expect(ticket.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });
});

describe("finding a customer", () => {
  const idOf = async (query: string, variables: object = {}) =>
    (await world.ask(query, variables)).data.customer?.id as string | undefined;

  it("takes the canonical id, any source's key, a key in a named source, and an e-mail address", async () => {
    const { data } = await world.ask(`{ customer(id: "4821") { id email identities { source collection key } } }`);
    const { id, email, identities } = data.customer;
    expect(id).toMatch(/^cst_[0-9a-f]{20}$/);
    expect(new Set(identities.map(({ source }: Loose) => source))).toEqual(
      new Set(world.product.catalog.of("Customer").map(({ source }) => source.name)),
    );
    expect(await idOf(`query ($id: ID!) { customer(id: $id) { id } }`, { id })).toBe(id);
    for (const { source, key } of identities) {
      expect(await idOf(`query ($id: ID!) { customer(id: $id) { id } }`, { id: key })).toBe(id);
      expect(
        await idOf(`query ($source: String!, $key: ID!) { customer(by: {source: $source, key: $key}) { id } }`, { source, key }),
      ).toBe(id);
    }
    const byEmail = await world.ask(`query ($email: String!) { customerByEmail(email: $email) { id } }`, {
      email: email.toUpperCase(),
    });
    expect(byEmail.data.customerByEmail.id).toBe(id);
    const node = await world.ask(`query ($id: ID!) { node(id: $id) { __typename id } }`, { id });
    expect(node.data.node).toEqual({ __typename: "Customer", id });
  });

  it("answers null for nobody, without an error", async () => {
    const { data, errors } = await world.ask(`{ customer(id: "nobody") { name } }`);
    expect({ data, errors }).toEqual({ data: { customer: null }, errors: [] });
  });

  it("lists the candidates of an ambiguous key", async () => {
    const members = [{ collection: "hubspot.contacts", key: "twin" }];
    const twin = (id: string) => ({
      id,
      members: id === "cst_a" ? members : [],
      clues: [{ space: "account_number", value: "twin" }],
      country: null,
      status: null,
      createdAt: null,
    });
    const other = await startWorld({ customers: 1, isFilled: false });
    await other.product.gateway.index.replace([twin("cst_a"), twin("cst_b")]);
    const { data, errors } = await other.ask(`{ customer(id: "twin") { id } }`);
    await other.close();
    expect(data.customer).toBeNull();
    const ambiguous = errors.find(error => error.extensions["code"] === "CUSTOMER_KEY_AMBIGUOUS");
    expect(ambiguous?.extensions["candidates"]).toEqual(["cst_a", "cst_b"]);
  });

  it("follows an id that a merge retired", async () => {
    const other = await startWorld({ customers: 1, isFilled: false });
    const customer = (id: string, ...keys: string[]) => ({
      id,
      members: keys.map(key => ({ collection: "hubspot.contacts", key })),
      clues: [],
      country: null,
      status: null,
      createdAt: null,
    });
    await other.product.gateway.index.replace([customer("cst_a", "1"), customer("cst_b", "2"), customer("cst_c", "3")]);
    await other.product.gateway.index.replace([customer("cst_a", "1"), customer("cst_b", "2", "3")]);
    await other.product.gateway.index.replace([customer("cst_a", "1", "2", "3")]);
    for (const retired of ["cst_b", "cst_c"])
      expect((await other.ask(`{ customer(id: "${retired}") { id } }`)).data.customer).toEqual({ id: "cst_a" });
    await other.close();
  });

  it("refuses both id and by, and an unknown source, saying what to give", async () => {
    const both = await world.ask(`{ customer(id: "1", by: {source: "stripe", key: "1"}) { id } }`);
    expect(both.errors[0]?.extensions["code"]).toBe("REQUEST_INVALID");
    const unknown = await world.ask(`{ customer(by: {source: "nowhere", key: "1"}) { id } }`);
    expect(unknown.errors[0]).toMatchObject({
      extensions: { code: "SOURCE_UNKNOWN" },
      message: expect.stringContaining("stripe"),
    });
  });
});

describe("connections", () => {
  it("visit every customer once, at any page size", async () => {
    const idsAt = async (first: number) => {
      const ids: string[] = [];
      let after: string | null = null;
      do {
        const { data } = await world.ask(
          `query ($first: Int, $after: String) { customers(first: $first, after: $after) { totalCount nodes { id } pageInfo { hasNextPage endCursor } } }`,
          { first, after },
        );
        ids.push(...data.customers.nodes.map(({ id }: Loose) => id));
        after = data.customers.pageInfo.hasNextPage ? data.customers.pageInfo.endCursor : null;
        if (after === null) expect(data.customers.totalCount).toBe(ids.length);
      } while (after !== null);
      return ids;
    };
    const whole = await idsAt(200);
    expect(new Set(whole).size).toBe(whole.length);
    expect(await idsAt(7)).toEqual(whole);
  });

  it("visit every invoice and ticket of a customer once", async () => {
    const all = await world.ask(
      `{ customer(id: "4821") { invoicesConnection(first: 100) { nodes { id } } ticketsConnection(first: 100) { nodes { id } } } }`,
    );
    for (const name of ["invoicesConnection", "ticketsConnection"]) {
      const ids: string[] = [];
      let after: string | null = null;
      do {
        const { data, errors } = await world.ask(
          `query ($after: String) { customer(id: "4821") { ${name}(first: 3, after: $after) { edges { cursor node { id } } pageInfo { hasNextPage endCursor } } } }`,
          { after },
        );
        expect(errors).toEqual([]);
        const page = data.customer[name];
        ids.push(...page.edges.map(({ node }: Loose) => node.id));
        after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
      } while (after !== null);
      expect(ids).toEqual(all.data.customer[name].nodes.map(({ id }: Loose) => id));
      expect(ids.length).toBeGreaterThan(2);
    }
  });

  it("refuse a foreign cursor", async () => {
    const { errors } = await world.ask(`{ customer(id: "4821") { invoicesConnection(after: "bm9wZQ") { nodes { id } } } }`);
    expect(errors[0]?.extensions["code"]).toBe("CURSOR_INVALID");
  });

  it("filter by country, status and source", async () => {
    const { data } = await world.ask(
      `{ customers(first: 50, filter: {source: "zendesk"}) { nodes { country status identities { source } } } }`,
    );
    expect(data.customers.nodes.length).toBeGreaterThan(0);
    for (const { identities } of data.customers.nodes) expect(identities.map(({ source }: Loose) => source)).toContain("zendesk");
    const country = data.customers.nodes.find((node: Loose) => node.country).country as string;
    const inCountry = await world.ask(
      `query ($country: String) { customers(first: 50, filter: {country: $country}) { nodes { country } } }`,
      { country },
    );
    expect(new Set(inCountry.data.customers.nodes.map((node: Loose) => node.country))).toEqual(new Set([country]));
  });

  it("refuse a source that there is not, rather than to answer that nobody is in it", async () => {
    const { data, errors } = await world.ask(`{ customers(filter: {source: "nowhere"}) { nodes { id } } }`);
    expect([data.customers, errors[0]?.extensions["code"]]).toEqual([null, "SOURCE_UNKNOWN"]);
  });

  it("find nothing, without an error, for texts that nothing can be called by", async () => {
    const query = `query ($text: ID!) { customer(id: $text) { id } }`;
    for (const text of ["", "\u0000", "☃ ' OR 1=1 --", "x".repeat(50_000)]) {
      expect(await world.ask(query, { text })).toMatchObject({ data: { customer: null }, errors: [] });
    }
    expect(await world.ask(`{ node(id: "product.usage:x") { id } }`)).toMatchObject({ data: { node: null }, errors: [] });
  });

  it("finds an invoice and a ticket by its id", async () => {
    const { data } = await world.ask(
      `{ customer(id: "4821") { invoices(last: 1) { id amount } tickets(last: 1) { id subject } } }`,
    );
    const [invoice, ticket] = [data.customer.invoices[0], data.customer.tickets[0]];
    const found = await world.ask(
      `query ($invoice: ID!, $ticket: ID!) { invoice: node(id: $invoice) { ... on Invoice { id amount } } ticket: node(id: $ticket) { ... on Ticket { id subject } } }`,
      { invoice: invoice.id, ticket: ticket.id },
    );
    expect(found.data).toEqual({ invoice, ticket });
  });
});

describe("provenance and usage", () => {
  it("says for each scalar which source, record, field and rule it comes from, and when", async () => {
    const { data } = await world.ask(
      `{ customer(id: "4821") { name provenance { field source key sourceField rule fetchedAt } identities { source key } } }`,
    );
    const { provenance, identities } = data.customer;
    expect(provenance.map(({ field }: Loose) => field)).toEqual([
      "name",
      "email",
      "phone",
      "company",
      "country",
      "status",
      "createdAt",
    ]);
    const name = provenance[0];
    expect(name).toMatchObject({ source: "hubspot", rule: "fullName", fetchedAt: expect.stringMatching(/Z$/) });
    expect(identities).toContainEqual({ source: name.source, key: name.key });
  });

  it("sums a window of days exactly", async () => {
    const { data } = await world.ask(
      `{ customer(id: "4821") { usage { day sessions apiCalls } usageSummary(days: 30) { from to activeDays sessions apiCalls lastActiveDay } } }`,
    );
    const { usage, usageSummary } = data.customer;
    expect(usageSummary.activeDays).toBe(usage.length);
    expect(usageSummary.apiCalls).toBe(String(usage.reduce((sum: bigint, day: Loose) => sum + BigInt(day.apiCalls), 0n)));
    expect(usageSummary.sessions).toBe(String(usage.reduce((sum: number, day: Loose) => sum + day.sessions, 0)));
    expect(usageSummary.lastActiveDay).toBe(usage.at(-1).day);
  });

  it("refuses a window that makes no sense", async () => {
    const { errors } = await world.ask(`{ customer(id: "4821") { usage(from: "2026-02-30") { day } } }`);
    expect(errors[0]?.extensions["code"]).toBe("REQUEST_INVALID");
  });
});

describe("upstream calls", () => {
  it("25 customers with invoices, tickets and usage cost one batch each where that exists, and nothing within freshness", async () => {
    world.product.gateway.clear();
    const answers: Answer[] = [];
    const calls = await world.callsDuring(async () => answers.push(await world.ask(everything, { first: 25 })));
    const again = await world.callsDuring(async () => answers.push(await world.ask(everything, { first: 25 })));
    const [first, second] = answers;
    expect(first?.errors).toEqual([]);
    expect(first?.data.customers.nodes).toHaveLength(25);
    expect(calls["hubspot"]).toBe(1);
    expect(calls["product"]).toBe(1);
    for (const source of ["stripe", "zendesk"]) {
      expect(calls[source]).toBeLessThanOrEqual(25);
      expect(calls[source]).toBeGreaterThan(0);
    }
    expect(second?.data).toEqual(first?.data);
    expect(made(again)).toEqual({});
  });

  it("the same customer asked for twice in one query costs once", async () => {
    world.product.gateway.clear();
    const query = `{ a: customer(id: "4821") { name invoices(last: 5) { id } } b: customer(id: "4821") { name invoices(last: 5) { id } } }`;
    const calls = await world.callsDuring(async () => {
      const { data } = await world.ask(query);
      expect(data.a).toEqual(data.b);
    });
    expect(made(calls)).toEqual({ hubspot: 1, stripe: 1 });
  });

  it("50 identical queries at once cost as much as one", async () => {
    world.product.gateway.clear();
    const alone = await world.callsDuring(() => world.ask(everything, { first: 10 }));
    world.product.gateway.clear();
    const together = await world.callsDuring(async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, () => world.ask(everything, { first: 10 })));
      for (const answer of answers) expect(answer.data).toEqual(answers[0]?.data);
    });
    expect(together).toEqual(alone);
  });
});

describe("sources", () => {
  it("tells health, budget, breaker and last success of each", async () => {
    await world.ask(textbookQuery);
    await world.ask(
      `{ customer(id: "4821") { invoices(last: 1) { usd: amountIn(currency: "USD") { rate } sek: amountIn(currency: "SEK") { rate } } } }`,
    );
    const { data } = await world.ask(
      `{ sources { name health breaker budgets { name unit allowed used left queued windowMs } lastSuccessAt calls collections { name entity indexedAt issues { field code count } } } }`,
    );
    expect(data.sources.map(({ name }: Loose) => name)).toEqual(world.product.catalog.sources.map(({ name }) => name));
    for (const source of data.sources) {
      expect(source).toMatchObject({ health: "UP", breaker: "CLOSED", lastSuccessAt: expect.any(String) });
      for (const { allowed, used, left } of source.budgets) expect(used + left).toBe(allowed);
    }
  });
});

describe("values that a declaration does not know", () => {
  it("become UNKNOWN, fail nothing, and are counted", async () => {
    const large = await startWorld({ customers: 600, quotas: false });
    try {
      const statuses: string[] = [];
      for (let after: string | null = null, more = true; more;) {
        const { data, errors } = await large.ask(
          `query ($after: String) { customers(first: 150, after: $after, filter: {source: "product"}) { nodes { status } pageInfo { hasNextPage endCursor } } }`,
          { after },
        );
        expect(errors).toEqual([]);
        statuses.push(...data.customers.nodes.map(({ status }: Loose) => status));
        after = data.customers.pageInfo.endCursor;
        more = data.customers.pageInfo.hasNextPage;
      }
      const unknown = statuses.filter(status => status === "UNKNOWN").length;
      expect(unknown).toBeGreaterThan(0);
      const { data } = await large.ask(`{ sources { collections { issues { field code count } } } }`);
      const issues = data.sources.flatMap(({ collections }: Loose) => collections.flatMap((each: Loose) => each.issues));
      expect(issues).toContainEqual({ field: "status", code: "UNKNOWN_ENUM_VALUE", count: unknown });
    } finally {
      await large.close();
    }
  });
});
