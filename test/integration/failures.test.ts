import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { type Loose, startWorld, type TestWorld } from "../support/world.ts";

/** What is known from before would be taken instead. */
const query = `query @freshness(staleIfError: false) { customer(id: "4821") { id name invoices(last: 3) { amount } tickets(last: 3) { subject } usage { day } } }`;
/** The field that each source gives in the query, and no other source. */
const fieldOf: Readonly<Record<string, string>> = { hubspot: "name", stripe: "invoices", zendesk: "tickets", product: "usage" };
const sources = Object.keys(fieldOf);

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld({ customers: 30 });
});
afterAll(() => world.close());
afterEach(async () => {
  await world.reset();
  await world.heal();
});

/** A breaker that a case before has opened would answer for the source: each case gets a product that has seen nothing. */
async function fresh<T>(work: (own: TestWorld) => Promise<T>): Promise<T> {
  const own = await startWorld({ customers: 40 });
  try {
    return await work(own);
  } finally {
    await own.close();
  }
}

const cases: readonly [string, object, string, boolean][] = [
  ["is down", { kind: "status", status: 503 }, "UPSTREAM_UNAVAILABLE", true],
  ["throttles", { kind: "status", status: 429, retryAfter: 60 }, "UPSTREAM_THROTTLED", true],
  ["answers HTML", { kind: "malformed" }, "UPSTREAM_MALFORMED", true],
  ["cuts its JSON", { kind: "truncate" }, "UPSTREAM_MALFORMED", true],
  ["answers 204", { kind: "empty" }, "UPSTREAM_EMPTY", true],
  ["drops the connection", { kind: "reset" }, "UPSTREAM_CONNECTION", true],
  ["refuses for good", { kind: "status", status: 403 }, "UPSTREAM_FORBIDDEN", false],
];

describe.each(cases)("a source that %s", (_name, fault, code, retryable) => {
  it.each(sources)("%s: fails its own field alone, saying why and when to come back", async source => {
    await fresh(async own => {
      await own.fault({ source, ...fault });
      const { status, data, errors } = await own.ask(query, {}, { "x-tributary-deadline-ms": "4000" });
      expect(status).toBe(200);
      for (const [other, field] of Object.entries(fieldOf)) {
        if (other === source) expect(data.customer[field]).toBeNull();
        else expect(data.customer[field]).not.toBeNull();
      }
      expect(errors).toHaveLength(1);
      expect(errors[0]?.path).toEqual(["customer", fieldOf[source]]);
      expect(errors[0]?.extensions).toMatchObject({
        code,
        source,
        retryable,
        requestId: expect.any(String),
        attempts: expect.any(Number),
      });
      if (retryable) expect(errors[0]?.extensions["retryAfterMs"]).toBeGreaterThan(0);
    });
  });
});

describe("other failures", () => {
  it.each(sources)("%s slower than the deadline: the rest arrives in time", async source => {
    await world.fault({ source, kind: "stall" });
    world.product.gateway.clear();
    const startedAt = Date.now();
    const { data, errors } = await world.ask(query, {}, { "x-tributary-deadline-ms": "700" });
    expect(Date.now() - startedAt).toBeLessThan(3_000);
    expect(data.customer[fieldOf[source]!]).toBeNull();
    expect(Object.values(data.customer).filter(value => value === null)).toHaveLength(1);
    expect(errors.map(error => error.extensions)).toMatchObject([{ code: "UPSTREAM_DEADLINE", source, retryable: true }]);
  });

  it("many that fail at once still say why, though the breaker opens in between", async () => {
    await fresh(async own => {
      await own.fault({ source: "zendesk", kind: "status", status: 503 });
      const { errors } = await own.ask(
        `query @freshness(staleIfError: false) { customers(first: 25, filter: {source: "zendesk"}) { nodes { tickets(last: 1) { subject } } } }`,
      );
      expect(errors.length).toBeGreaterThan(2);
      expect(errors.some(({ extensions }) => extensions["code"] === "UPSTREAM_UNAVAILABLE")).toBe(true);
      for (const { extensions } of errors) {
        expect(extensions).toMatchObject({ source: "zendesk", collection: "tickets", httpStatus: 503, retryable: true });
        expect(extensions["retryAfterMs"]).toBeGreaterThan(0);
        expect(extensions["attempts"]).toEqual(expect.any(Number));
      }
    });
  });

  it("GraphQL errors in a 200 fail the field", async () => {
    await world.fault({ source: "product", kind: "graphql-errors" });
    world.product.gateway.clear();
    const { data, errors } = await world.ask(query);
    expect(data.customer.usage).toBeNull();
    expect(errors).toMatchObject([{ path: ["customer", "usage"], extensions: { code: "UPSTREAM_GRAPHQL", source: "product" } }]);
  });

  it("all sources down: still an answer", async () => {
    await fresh(async own => {
      for (const source of sources) await own.fault({ source, kind: "status", status: 500 });
      const { status, data, errors } = await own.ask(query);
      expect(status).toBe(200);
      expect(data.customer).toMatchObject({ id: expect.any(String), name: null, invoices: null, tickets: null, usage: null });
      expect(new Set(errors.map(error => error.extensions["source"]))).toEqual(new Set(sources));
    });
  });

  it("a missing secret is named, at its source alone", async () => {
    const own = await startWorld({ customers: 6, environment: { HUBSPOT_CLIENT_SECRET: "" } });
    const { data, errors } = await own.ask(query);
    await own.close();
    expect(data.customer.tickets).not.toBeNull();
    expect(errors.map(({ extensions }) => extensions["code"])).toContain("INDEX_NOT_READY");
  });

  it("a token that expires is renewed without anybody noticing", async () => {
    await world.fault({ source: "hubspot", kind: "expire-token", times: 1 });
    world.product.gateway.clear();
    const { errors, data } = await world.ask(`{ customer(id: "4821") { name } }`);
    expect(errors).toEqual([]);
    expect(data.customer.name).toEqual(expect.any(String));
  });

  it("one failure is retried and heals", async () => {
    await world.fault({ source: "stripe", kind: "status", status: 502, times: 1 });
    world.product.gateway.clear();
    const { errors } = await world.ask(query);
    expect(errors).toEqual([]);
  });

  it("a field that the source renamed is a contract error that names it", async () => {
    await world.fault({
      source: "stripe",
      kind: "drift",
      match: "/v1/invoices",
      change: { rename: { from: "total", to: "amount_total" } },
    });
    world.product.gateway.clear();
    const { data, errors } = await world.ask(query);
    expect(data.customer.invoices).toBeNull();
    expect(errors).toMatchObject([
      {
        message: expect.stringContaining("total"),
        extensions: { code: "UPSTREAM_CONTRACT", source: "stripe", collection: "invoices" },
      },
    ]);
  });

  it("a client that goes away cancels the upstream work", async () => {
    await world.reset();
    await world.fault({ source: "stripe", kind: "stall" });
    world.product.gateway.clear();
    const gone = new AbortController();
    const request = fetch(world.url, {
      method: "POST",
      signal: gone.signal,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query }),
    });
    await waitFor(async () => (await world.calls())["zendesk"]! > 0);
    gone.abort();
    await expect(request).rejects.toThrow();
    await waitFor(async () =>
      world.lines.some(line => line.fields["source"] === "stripe" && line.fields["code"] === "UPSTREAM_CANCELLED"),
    );
  });

  it("a source that is down at start: starts, says so, and recovers by itself", async () => {
    const own = await startWorld({ customers: 6, isFilled: false });
    try {
      await own.fault({ source: "hubspot", kind: "status", status: 503 });
      const results = await own.product.refresher.start();
      expect(results.filter(result => !result.isComplete)).toMatchObject([
        { collection: "hubspot.contacts", error: { code: "UPSTREAM_UNAVAILABLE" } },
      ]);
      const early = await own.ask(`{ customer(id: "4821") { id tickets(last: 1) { subject } } }`);
      expect(early.data.customer.tickets).toHaveLength(1);
      expect(early.errors).toMatchObject([
        { message: expect.stringContaining("hubspot.contacts"), extensions: { code: "INDEX_NOT_READY", retryable: true } },
      ]);
      await own.heal();
      await waitFor(async () => (await own.product.gateway.unindexed()).length === 0, 20_000);
      expect((await own.ask(`{ customer(id: "4821") { identities { source } } }`)).errors).toEqual([]);
    } finally {
      await own.close();
    }
  });

  it("no secret is in any line that is logged, nor in any answer", async () => {
    const answers: unknown[] = [];
    for (const source of sources) {
      await world.fault({ source, kind: "status", status: 401, times: 2 });
      world.product.gateway.clear();
      answers.push(await world.ask(query));
    }
    const secrets = Object.entries(world.environment).filter(([name]) => !name.endsWith("_BASE_URL") && !name.endsWith("_EMAIL"));
    expect(secrets.length).toBeGreaterThan(4);
    const text = JSON.stringify([world.lines, answers], (_name, value: Loose) =>
      value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value,
    );
    expect(world.lines.length).toBeGreaterThan(20);
    for (const [, secret] of secrets) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(Buffer.from(secret).toString("base64"));
    }
    expect(text).not.toMatch(/Bearer |Basic /);
  });
});

async function waitFor(holds: () => Promise<boolean>, forMs = 5_000): Promise<void> {
  const end = Date.now() + forMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error("it did not come about in time");
    await new Promise(resolve => setTimeout(resolve, 25));
  }
}
