import { afterEach, describe, expect, it } from "@jest/globals";
import product from "../../../datasources/product/sandbox.ts";
import { FAILING_ACCOUNT_ID } from "../../../datasources/product/sandbox-resolvers.ts";
import { createPopulation } from "../../../src/sandbox/population.ts";
import { startSandbox } from "../../../src/sandbox/server.ts";
import type { Sandbox } from "../../../src/sandbox/server.ts";
import { rates } from "./rates.ts";

interface Node {
  readonly id: string;
  readonly usage: readonly Day[];
  readonly [field: string]: unknown;
}
interface Day {
  readonly accountId: string;
  readonly day: string;
  readonly activeMinutes: unknown;
  readonly apiCalls: number;
}
interface Connection<T> {
  readonly nodes: readonly T[];
  readonly edges: readonly { readonly cursor: string; readonly node: T }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}
interface Answer {
  readonly data?: {
    readonly accounts: Connection<Node>;
    readonly accountsByIds: readonly (Node | null)[];
    readonly account: Node | null;
    readonly usageDaily: Connection<Day>;
    readonly updateAccount: Node | null;
    readonly __schema: { readonly queryType: { readonly name: string } };
  };
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly unknown[];
    readonly extensions: { readonly code: string };
  }[];
  readonly extensions: {
    readonly cost: {
      readonly requestedQueryCost: number;
      readonly actualQueryCost: number | null;
      readonly throttleStatus: {
        readonly maximumAvailable: number;
        readonly currentlyAvailable: number;
        readonly restoreRate: number;
      };
    };
  };
}

const NOON = Date.UTC(2026, 10, 20, 12);

const opened: Sandbox[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(sandbox => sandbox.close()));
});

async function openService({ customers = 12, quotas = false } = {}) {
  let nowMs = NOON;
  const sandbox = await startSandbox({ port: 0, seed: 7, customers, quotas, clock: () => nowMs, imitations: [product] });
  opened.push(sandbox);
  const { PRODUCT_BASE_URL, PRODUCT_API_TOKEN } = sandbox.environment;
  const post = (body: unknown, authorization = `Bearer ${PRODUCT_API_TOKEN}`) =>
    fetch(`${PRODUCT_BASE_URL}/graphql`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { authorization, "content-type": "application/json" },
    });
  const text = async (query: string, variables: object = {}) => {
    const response = await post({ query, variables });
    expect(response.status).toBe(200);
    return response.text();
  };
  const run = async (query: string, variables: object = {}) => JSON.parse(await text(query, variables)) as Answer;
  return {
    sandbox,
    post,
    text,
    run,
    wait: (ms: number) => void (nowMs += ms),
    population: createPopulation({ seed: 7, size: customers, rates }),
  };
}
type Service = Awaited<ReturnType<typeof openService>>;

async function everyNode<T>({ run }: Service, query: string, name: "accounts" | "usageDaily", variables: object): Promise<T[]> {
  const nodes: T[] = [];
  for (let after: string | null = null; ;) {
    const { data } = await run(query, { ...variables, after });
    const page = data?.[name] as Connection<T> | undefined;
    nodes.push(...(page?.nodes ?? []));
    if (page?.pageInfo.hasNextPage !== true) return nodes;
    after = page.pageInfo.endCursor;
  }
}

const ACCOUNTS = `query ($first: Int!, $after: String) {
  accounts(first: $first, after: $after) {
    nodes { id displayName ownerEmail countryCode state createdAt lastSeenAt billingCustomerId timezone } pageInfo { hasNextPage endCursor }
  }
}`;
const USAGE = `query ($first: Int!, $after: String, $from: Date, $to: Date) {
  usageDaily(first: $first, after: $after, from: $from, to: $to) {
    nodes { accountId day sessions activeMinutes apiCalls events } pageInfo { hasNextPage endCursor }
  }
}`;
const BY_IDS = `query ($ids: [ID!]!) { accountsByIds(ids: $ids) { id displayName } }`;
const keyOf = ({ accountId, day }: Day) => `${accountId}:${day}`;
const idsOf = (population: Service["population"]) =>
  Array.from({ length: population.size }, (_empty, person) => product.records(population, person).map(({ key }) => key)).flat();

describe("product imitation: accounts", () => {
  it.each([1, 2, 250])("gives each account the truth names once, %i a page", async first => {
    const service = await openService({ customers: 40 });
    const nodes = await everyNode<Node>(service, ACCOUNTS, "accounts", { first });
    expect(nodes.map(({ id }) => id).sort()).toEqual(idsOf(service.population).sort());
  });

  it("continues after the cursor of any edge", async () => {
    const { run } = await openService({ customers: 40 });
    const { data } = await run("{ accounts(first: 5) { edges { cursor node { id } } } }");
    const [, second, third] = data?.accounts.edges ?? [];
    const rest = await run(ACCOUNTS, { first: 1, after: second?.cursor });
    expect(rest.data?.accounts.nodes[0]?.id).toBe(third?.node.id);
  });

  it("leaves absent ids out, repeats none and answers in its own order", async () => {
    const { run, population } = await openService({ customers: 40 });
    const ids = idsOf(population).sort().toReversed().slice(0, 5);
    const absent = population.keys.uuid("product.accounts").of(40);
    const { data, errors } = await run(BY_IDS, { ids: [...ids, absent, "no uuid", ids[0]] });
    expect(errors).toBeUndefined();
    expect(data?.accountsByIds.map(node => node?.id)).toEqual(ids.toReversed());
  });

  it("answers with data and one error where a single account cannot be read", async () => {
    const { run, population } = await openService();
    const [id = ""] = idsOf(population);
    const { data, errors } = await run(BY_IDS, { ids: [FAILING_ACCOUNT_ID, id] });
    expect(data?.accountsByIds).toEqual([{ id, displayName: expect.any(String) }, null]);
    expect(errors).toEqual([
      expect.objectContaining({ path: ["accountsByIds", 1], extensions: { code: "INTERNAL_SERVER_ERROR" } }),
    ]);
  });

  it("knows the first customer by the payments processor's id, and states one on about half of all accounts", async () => {
    const service = await openService({ customers: 3000 });
    const { keys } = service.population;
    const { data } = await service.run(
      `{ account(id: "${keys.uuid("product.accounts").of(0)}") { billingCustomerId state ownerEmail } }`,
    );
    expect(data?.account).toEqual({
      billingCustomerId: keys.opaque("stripe.customers", "cus_").of(0),
      state: "active",
      ownerEmail: "amelie.oneill@harbourfreight.example",
    });
    const nodes = await everyNode<Node>(service, ACCOUNTS, "accounts", { first: 250 });
    const linked = nodes.filter(node => node["billingCustomerId"] !== null).length / nodes.length;
    expect(linked).toBeGreaterThan(0.46);
    expect(linked).toBeLessThan(0.54);
    const states = nodes.map(node => node["state"]);
    expect(states).toEqual(
      expect.arrayContaining(["active", "ACTIVE", "1", "trialing", "SUSPENDED", "closed", "grandfathered", null]),
    );
    expect(
      nodes.every(({ createdAt, lastSeenAt }) => Number(createdAt) > 1e12 && (lastSeenAt === null || Number(lastSeenAt) <= NOON)),
    ).toBe(true);
  });

  it("keeps a change until the reset", async () => {
    const { sandbox, run, population } = await openService();
    const [id] = idsOf(population);
    const change = 'mutation ($id: ID!) { updateAccount(id: $id, changes: { state: "closed" }) { id state } }';
    expect((await run(change, { id })).data?.updateAccount).toEqual({ id, state: "closed" });
    const read = async () => (await run("query ($id: ID!) { account(id: $id) { state } }", { id })).data?.account?.["state"];
    expect(await read()).toBe("closed");
    await fetch(`${sandbox.origin}/__control/reset`, { method: "POST" });
    expect(await read()).not.toBe("closed");
  });
});

describe("product imitation: usage", () => {
  it.each([1, 2, 1000])("gives each account's day once, oldest day first, %i a page", async first => {
    const service = await openService({ customers: 8 });
    const rows = await everyNode<Day>(service, USAGE, "usageDaily", { first });
    const keys = rows.map(keyOf);
    expect(new Set(keys).size).toBe(keys.length);
    const days = rows.map(({ day }) => day);
    expect(days).toEqual(days.toSorted());
    expect([days[0], days.at(-1)]).toEqual(["2026-10-21", "2026-11-19"]);
    const ids = idsOf(service.population);
    const { data } = await service.run(
      'query ($ids: [ID!]!) { accountsByIds(ids: $ids) { id usage(from: "2026-10-21", to: "2026-11-19") { accountId day } } }',
      { ids },
    );
    const owned = data?.accountsByIds.flatMap(account => account?.usage ?? []) ?? [];
    expect(owned.map(keyOf).sort()).toEqual(keys.sort());
  });

  it("keeps ninety days of the first customer without a gap, and no more", async () => {
    const { run, population } = await openService();
    const id = population.keys.uuid("product.accounts").of(0);
    const query = `query ($id: ID!) { account(id: $id) { usage(from: "2026-07-01", to: "2026-12-31") { day } } }`;
    const days = (await run(query, { id })).data?.account?.usage.map(({ day }) => day) ?? [];
    expect(days).toHaveLength(90);
    expect([days[0], days.at(-1)]).toEqual(["2026-08-22", "2026-11-19"]);
  });

  it("has gaps on some days and decimals in two forms", async () => {
    const service = await openService({ customers: 60 });
    const rows = await everyNode<Day>(service, USAGE, "usageDaily", { first: 1000 });
    expect(rows.length).toBeLessThan(idsOf(service.population).length * 30);
    expect(new Set(rows.map(({ activeMinutes }) => typeof activeMinutes))).toEqual(new Set(["string", "number", "object"]));
    expect(
      rows.filter(row => typeof row.activeMinutes === "string").every(row => /^\d+\.\d\d$/.test(String(row.activeMinutes))),
    ).toBe(true);
  });

  it("writes integers beyond 2^53 with every digit", async () => {
    const { text, population } = await openService();
    const id = population.keys.uuid("product.accounts").of(0);
    const query = 'query ($id: ID!) { account(id: $id) { usage(from: "2026-10-21", to: "2026-11-19") { apiCalls } } }';
    const digits = [...(await text(query, { id })).matchAll(/"apiCalls":(\d+)/g)].map(([, value = ""]) => value);
    const huge = digits.filter(value => BigInt(value) > 2n ** 53n);
    expect(digits).toHaveLength(30);
    expect(huge.length).toBeGreaterThan(0);
    for (const value of huge) expect(BigInt(value) % 2n).toBe(1n);
  });

  it("does not move its ninety days when midnight passes", async () => {
    const service = await openService({ customers: 8 });
    const before = await everyNode<Day>(service, USAGE, "usageDaily", { first: 1000 });
    service.wait(3 * 86_400_000);
    expect(await everyNode<Day>(service, USAGE, "usageDaily", { first: 1000 })).toEqual(before);
  });
});

describe("product imitation: the price of a query", () => {
  const ids = Array.from({ length: 100 }, (_empty, at) => `id-${at}`);
  const usage = (days: string) => `query ($ids: [ID!]!) { accountsByIds(ids: $ids) { id usage(${days}) { day } } }`;

  it.each([
    ["an operation", "{ __typename }", {}, 1],
    ["introspection", "{ __schema { queryType { name } } }", {}, 1],
    ["an account", '{ account(id: "x") { id } }', {}, 2],
    ["a page of accounts", ACCOUNTS, { first: 250 }, 251],
    ["nodes and edges", "{ accounts(first: 10) { nodes { id } edges { node { id } } } }", {}, 21],
    ["a page without records", "{ accounts(first: 10) { pageInfo { hasNextPage } } }", {}, 1],
    ["a hundred ids", BY_IDS, { ids }, 101],
    ["thirty days of a hundred", usage('from: "2026-10-21", to: "2026-11-19"'), { ids }, 401],
    ["a thousand days of anybody", USAGE, { first: 1000 }, 101],
    ["eleven days of anybody", USAGE, { first: 11 }, 3],
    ["fragments and aliases", "{ ... on Query { accounts(first: 5) { ...P } } other: accounts(first: 5) { ...P } }", {}, 11],
  ])("prices %s", async (_what, query, variables, cost) => {
    const { run } = await openService();
    const fragment = query.includes("...P") ? " fragment P on AccountConnection { nodes { id } }" : "";
    const answer = await run(query + fragment, variables);
    expect(answer.errors).toBeUndefined();
    expect(answer.extensions.cost.requestedQueryCost).toBe(cost);
    expect(answer.extensions.cost.actualQueryCost).toBeLessThanOrEqual(cost);
  });

  it("charges what was answered, not what was asked for", async () => {
    const { run, population } = await openService({ quotas: true });
    const known = idsOf(population);
    const { extensions } = await run(BY_IDS, { ids: [...known, ...ids.slice(0, 50)] });
    expect(extensions.cost).toEqual({
      requestedQueryCost: known.length + 51,
      actualQueryCost: known.length + 1,
      throttleStatus: { maximumAvailable: 2000, currentlyAvailable: 2000 - known.length - 1, restoreRate: 100 },
    });
  });

  it("refuses a query above 1000 points before it runs", async () => {
    const { run } = await openService({ quotas: true });
    const answer = await run(usage('from: "2026-01-01", to: "2026-12-31"'), { ids });
    expect(answer.errors?.[0]?.extensions.code).toBe("MAX_COST_EXCEEDED");
    expect(answer.extensions.cost).toMatchObject({ actualQueryCost: null, throttleStatus: { currentlyAvailable: 2000 } });
    expect(answer).not.toHaveProperty("data");
  });

  it("throttles in a 200 without data until the bucket has filled again", async () => {
    const { sandbox, run, wait } = await openService({ customers: 400, quotas: true });
    const answers = [];
    for (let call = 0; call < 9; call++) answers.push(await run(ACCOUNTS, { first: 250 }));
    expect(answers.map(({ data }) => data !== undefined)).toEqual([...Array<boolean>(7).fill(true), false, false]);
    expect(answers.at(-1)).toEqual({
      errors: [{ message: "Throttled", extensions: { code: "THROTTLED" } }],
      extensions: {
        cost: {
          requestedQueryCost: 251,
          actualQueryCost: null,
          throttleStatus: { maximumAvailable: 2000, currentlyAvailable: 243, restoreRate: 100 },
        },
      },
    });
    wait(80);
    expect((await run(ACCOUNTS, { first: 250 })).errors).toBeUndefined();
    expect((await run(ACCOUNTS, { first: 250 })).errors).toBeDefined();
    await fetch(`${sandbox.origin}/__control/reset`, { method: "POST" });
    expect((await run("{ __typename }")).extensions.cost.throttleStatus.currentlyAvailable).toBe(1999);
  });
});

describe("product imitation: refusals", () => {
  it("answers 401 in JSON to a wrong token", async () => {
    const response = await (await openService()).post({ query: "{ __typename }" }, "Bearer wrong");
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: "UNAUTHENTICATED" } }] });
  });

  it("answers 400 to a body without a query", async () => {
    expect((await (await openService()).post({ variables: {} })).status).toBe(400);
  });

  it.each([
    ["a syntax error", "{ accounts(first: 5) { nodes { id } }", {}, "GRAPHQL_PARSE_FAILED"],
    ["an unknown field", "{ accounts(first: 5) { nodes { nothing } } }", {}, "GRAPHQL_VALIDATION_FAILED"],
    ["a missing variable", ACCOUNTS, {}, "BAD_USER_INPUT"],
    ["too long a page", ACCOUNTS, { first: 251 }, "BAD_USER_INPUT"],
    ["a page of none", ACCOUNTS, { first: 0 }, "BAD_USER_INPUT"],
    ["a foreign cursor", ACCOUNTS, { first: 5, after: "bm90OjE" }, "BAD_USER_INPUT"],
    ["too many ids", BY_IDS, { ids: Array.from({ length: 101 }, (_empty, at) => String(at)) }, "BAD_USER_INPUT"],
    ["a date that is none", USAGE, { first: 1, from: "20 May" }, "BAD_USER_INPUT"],
    ["two operations and no name", "query A { __typename } query B { __typename }", {}, "OPERATION_RESOLUTION_FAILURE"],
  ])("answers %s with an error in a 200", async (_what, query, variables, code) => {
    const answer = await (await openService()).run(query, variables);
    expect(answer.errors?.map(({ extensions }) => extensions.code)).toEqual([code]);
    expect(answer.extensions.cost.throttleStatus.maximumAvailable).toBe(2000);
  });
});
