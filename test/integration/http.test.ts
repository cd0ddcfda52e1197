import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { serverAudits } from "graphql-http";
import { type Answer, type Loose, startWorld, type TestWorld } from "../support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld({ customers: 30 });
});
afterAll(() => world.close());

const post = (body: unknown, headers: Record<string, string> = {}) =>
  fetch(world.url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
const codeOf = async (response: Response) => ((await response.json()) as Loose).errors[0].extensions.code as string;

describe("GraphQL over HTTP", () => {
  for (const audit of serverAudits({ url: () => world.url, fetchFn: fetch })) {
    it(audit.name, async () => {
      expect(await audit.fn()).toMatchObject({ status: "ok" });
    });
  }

  it("answers a batch in order", async () => {
    const response = await post([{ query: "{ a: __typename }" }, { query: "{ b: __typename }" }]);
    expect(await response.json()).toMatchObject([{ data: { a: "Query" } }, { data: { b: "Query" } }]);
  });

  it("refuses an operation name that the document does not have, and several operations without a name", async () => {
    const accept = { accept: "application/graphql-response+json" };
    const unknown = await post({ query: "{ __typename }", operationName: "Other" }, accept);
    expect([unknown.status, await codeOf(unknown)]).toEqual([400, "REQUEST_INVALID"]);
    const unnamed = await post({ query: "query A { __typename } query B { __typename }" }, accept);
    expect([unnamed.status, await codeOf(unnamed)]).toEqual([400, "REQUEST_INVALID"]);
    const named = await post({ query: "query A { __typename } query B { b: __typename }", operationName: "B" }, accept);
    expect(await named.json()).toMatchObject({ data: { b: "Query" } });
  });

  it("chooses the media type by quality and refuses what it does not have", async () => {
    const query = { query: "{ __typename }" };
    expect(
      (await post(query, { accept: "application/json;q=0.5, application/graphql-response+json" })).headers.get("content-type"),
    ).toContain("application/graphql-response+json");
    expect((await post(query, { accept: "text/html" })).status).toBe(406);
  });
});

describe("protection", () => {
  it("refuses what another site makes a browser send", async () => {
    const crossSite = { "sec-fetch-site": "cross-site" };
    expect((await post({ query: "{ __typename }" }, crossSite)).status).toBe(403);
    expect((await post({ query: "{ __typename }" }, { origin: "https://evil.example" })).status).toBe(403);
    expect((await fetch(`${world.url}?query={__typename}`, { headers: crossSite })).status).toBe(403);
    expect((await post({ query: "{ __typename }" }, { ...crossSite, "x-tributary-preflight": "1" })).status).toBe(200);
    expect((await post({ query: "{ __typename }" }, { "sec-fetch-site": "same-origin" })).status).toBe(200);
  });

  it("answers only to its own name, so that no page of another name that leads here can ask", async () => {
    const { port } = new URL(world.url);
    const called = (host: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const sent = request({ port, path: "/graphql?query={__typename}", headers: { host } }, response =>
          resolve(response.resume().statusCode),
        );
        sent.once("error", reject).end();
      });
    expect(await called("evil.example")).toBe(403);
    expect(await called(`localhost:${port}`)).toBe(200);
  });

  it("names the method that it takes", async () => {
    const response = await fetch(world.url, { method: "DELETE" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, POST"]);
  });

  it("takes wrong variables for the caller's error", async () => {
    const query = "query ($f: Int!) { customers(first: $f) { nodes { id } } }";
    for (const variables of [{ f: "5" }, { f: null }, {}]) {
      const { status, errors } = await world.ask(query, variables);
      expect([status, errors[0]?.extensions["code"]]).toEqual([400, "REQUEST_INVALID"]);
    }
    const nested = `${"[".repeat(5_000)}${"]".repeat(5_000)}`;
    expect((await post(`{"query":"{ __typename }","variables":{"x":${nested}}}`)).status).toBe(400);
  });

  it("takes JSON only", async () => {
    expect((await post("query={__typename}", { "content-type": "application/x-www-form-urlencoded" })).status).toBe(415);
    expect((await post("{ __typename }", { "content-type": "text/plain" })).status).toBe(415);
  });

  it("bounds the request's size", async () => {
    const response = await post({ query: `{ __typename } #${"x".repeat(1_000_000)}` });
    expect(response.status).toBe(413);
    expect(await codeOf(response)).toBe("LIMIT_BODY_SIZE");
  });

  it("gives every answer a request id, and takes a sound one from the client", async () => {
    const own = await post({ query: "{ nope }" }, { "x-request-id": "trace-1" });
    expect(own.headers.get("x-request-id")).toBe("trace-1");
    expect(((await own.json()) as Loose).errors[0].extensions.requestId).toBe("trace-1");
    expect((await post({ query: "{ __typename }" }, { "x-request-id": "a b" })).headers.get("x-request-id")).toMatch(
      /^[0-9a-f-]{36}$/,
    );
  });

  it("masks what is not meant for clients", async () => {
    const { index } = world.product.gateway;
    const original = index.find.bind(index);
    index.find = async () => {
      throw new TypeError("/secret/path in line 7");
    };
    const { data, errors } = await world.ask(`{ customer(id: "1") { id } }`);
    index.find = original;
    expect(data.customer).toBeNull();
    expect(errors).toMatchObject([{ message: expect.not.stringContaining("secret"), extensions: { code: "INTERNAL" } }]);
    expect(JSON.stringify(errors)).not.toContain("TypeError");
    expect(
      world.lines.some(line => line.level === "error" && (line.fields["err"] as Error | undefined)?.message.includes("line 7")),
    ).toBe(true);
  });

  it("switches introspection and suggestions off", async () => {
    const closed = await startWorld({ customers: 1, isFilled: false, environment: { INTROSPECTION: "off", SUGGESTIONS: "off" } });
    const schema = await closed.ask("{ __schema { types { name } } }");
    const typo = await closed.ask("{ customer(id: 1) { nam } }");
    await closed.close();
    expect(schema.status).toBe(400);
    expect(typo.errors[0]?.message).not.toContain("Did you mean");
    const open = await world.ask("{ customer(id: 1) { nam } }");
    expect(open.errors[0]?.message).toContain("Did you mean");
    expect((await world.ask("{ __schema { types { name } } }")).errors).toEqual([]);
  });
});

describe("limits", () => {
  const bombs: readonly [string, string, string][] = [
    ["depth", `{ customers { edges { node { invoicesConnection { edges { node { id } } } } } } }`, "LIMIT_DEPTH"],
    ["list size", `{ customers(first: 100000) { nodes { id } } }`, "LIMIT_LIST_SIZE"],
    ["cost", `{ customers(first: 200) { nodes { invoices(last: 200) { id } } } }`, "LIMIT_COST"],
    [
      "upstream calls",
      `{ customers(first: 200) { nodes { name ${Array.from({ length: 9 }, (_, n) => `i${n}: invoices(last: ${n + 1}) { id }`).join(" ")} } } }`,
      "LIMIT_UPSTREAM_CALLS",
    ],
    ["aliases", `{ ${Array.from({ length: 500 }, (_, n) => `a${n}: __typename`).join(" ")} }`, "LIMIT_ALIASES"],
    ["tokens", `{ ${"__typename ".repeat(20_000)} }`, "LIMIT_TOKENS"],
    ["directives", `{ __typename ${"@skip(if: false) ".repeat(400)} }`, "LIMIT_DIRECTIVES"],
    [
      "a fragment cycle",
      `{ customers { nodes { ...a } } } fragment a on Customer { ...b } fragment b on Customer { ...a }`,
      "LIMIT_FRAGMENT_CYCLE",
    ],
  ];

  it.each(bombs)("refuses by %s, naming limit, value and remedy, and calls no source", async (name, query, code) => {
    const environment: Record<string, string> =
      name === "depth" ? { MAX_DEPTH: "6" } : name === "upstream calls" ? { MAX_COST: "1000000" } : {};
    const own = Object.keys(environment).length === 0 ? world : await startWorld({ customers: 1, isFilled: false, environment });
    own.product.gateway.clear();
    const answers: Answer[] = [];
    const calls = await own.callsDuring(async () => answers.push(await own.ask(query)));
    if (own !== world) await own.close();
    const { status, errors } = answers[0]!;
    expect(status).toBe(400);
    expect(errors[0]?.extensions["code"]).toBe(code);
    expect(errors[0]?.message).toMatch(code === "LIMIT_FRAGMENT_CYCLE" ? /fragment/ : /limit/);
    expect(Object.values(calls).reduce((sum, count) => sum + count, 0)).toBe(0);
  });

  it("refuses too many operations in one request", async () => {
    const response = await post(Array.from({ length: 50 }, () => ({ query: "{ __typename }" })));
    expect(response.status).toBe(400);
    expect(await codeOf(response)).toBe("LIMIT_BATCH");
  });

  it("holds all operations of a batch to the limits together", async () => {
    const query = `{ customers(first: 100) { nodes { invoices(last: 5) { amount } tickets(last: 5) { subject } } } }`;
    const response = await post([{ query }, { query }, { query }]);
    const answers = (await response.json()) as Loose[];
    expect(answers.flatMap(({ errors }) => errors ?? []).map(({ extensions }) => extensions.code)).toContain(
      "LIMIT_UPSTREAM_CALLS",
    );
  });

  it("tells estimated and actual cost", async () => {
    const { extensions } = await world.ask(`{ customers(first: 20) { nodes { id invoices(last: 5) { amount } } } }`);
    const cost = extensions["cost"] as Loose;
    expect(cost.estimated).toBeGreaterThan(20);
    expect(cost.actual).toBeGreaterThan(0);
    expect(cost.actual).toBeLessThanOrEqual(cost.estimated);
    expect(cost.upstreamCalls.estimated).toBeGreaterThanOrEqual(20);
  });
});

describe("health", () => {
  it("answers /healthz and /readyz", async () => {
    expect((await fetch(`${world.address}/healthz`)).status).toBe(200);
    expect((await fetch(`${world.address}/readyz`)).status).toBe(200);
    expect((await fetch(`${world.address}/nowhere`)).status).toBe(404);
  });
});
