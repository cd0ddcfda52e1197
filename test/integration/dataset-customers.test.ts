import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { build, type BuildResult } from "../../src/pipeline/build.ts";
import { pull } from "../../src/pipeline/pull.ts";
import { IdentityDecisions } from "../../src/store/identity-decisions.ts";
import { type Answer, type Loose, startWorld, type TestWorld } from "../support/world.ts";

const CUSTOMERS = 40;
/** Days that exchange rates are pulled for, but for those at its begin whose rate may be of the days before. */
const RATE_DAYS = 350;

let world: TestWorld;
let home: string;
let result: BuildResult;

beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/tributary-customers-`);
  world = await startWorld({ customers: CUSTOMERS, quotas: false, environment: { TRIBUTARY_HOME: home } });
});
afterAll(async () => {
  await world.close();
  await rm(home, { recursive: true, force: true });
});

const pullAndBuild = async (): Promise<BuildResult> => {
  const { catalog, upstreamOf: upstreams } = world.product;
  await pull({ catalog, upstreams, home });
  return build({ catalog, home });
};

const invoice =
  'id number amount currency status issuedAt dueAt paidAt amountIn(currency: "GBP") { amount currency rate rateDay source }';
const ticket = "id subject status priority createdAt updatedAt";
const event = "id eventId name occurredAt clientTimeNs page sessionId amount currency";
const fields = `id name email phone company country status createdAt identities { source collection key }
  invoices(last: 50) { ${invoice} } paid: invoices(last: 3, status: PAID) { id }
  invoicesConnection(first: 4) { nodes { id } edges { cursor } pageInfo { hasNextPage endCursor } }
  tickets(last: 50) { ${ticket} } open: tickets(last: 5, open: true) { id }
  ticketsConnection(first: 3) { nodes { id } pageInfo { hasNextPage endCursor } }
  events(last: 20) { ${event} } eventsConnection(first: 5) { nodes { id } pageInfo { hasNextPage endCursor } }
  usage { day sessions activeMinutes apiCalls events }
  usageSummary(days: 20) { from to activeDays sessions activeMinutes apiCalls events lastActiveDay }`;
const pageQuery = `query ($from: CustomerOrigin!, $after: String, $version: ID) {
  customers(first: 5, from: $from, after: $after, version: $version) { totalCount nodes { ${fields} } pageInfo { hasNextPage endCursor } } }`;

const codesOf = ({ errors }: Answer) => errors.map(({ extensions }) => extensions["code"]);

/** All pages of a listing: the customers, and the errors as place and code. */
async function listed(from: "LIVE" | "DATASET") {
  const [customers, errors]: [Loose[], string[]] = [[], []];
  for (let after: string | null = null, more = true; more;) {
    const answer: Answer = await world.ask(pageQuery, { from, after });
    expect(answer.data).toBeTruthy();
    const { nodes, pageInfo, totalCount } = answer.data.customers;
    errors.push(
      ...answer.errors.map(
        ({ path, extensions }) => `${nodes[path?.[2] as number]?.id} ${path?.slice(3).join(".")} ${String(extensions["code"])}`,
      ),
    );
    expect(totalCount).toBe(result.tables.find(({ name }) => name === "customers")!.rows);
    customers.push(...nodes);
    [after, more] = [pageInfo.endCursor, pageInfo.hasNextPage];
  }
  return { customers, errors: errors.toSorted() };
}

const callsNow = async (): Promise<number> => Object.values(await world.calls()).reduce((total, count) => total + count, 0);

describe("customers from a version of the tables", () => {
  it("is an error that says what to do before anything was built", async () => {
    const answer = await world.ask("{ customers(from: DATASET) { nodes { id } } }");
    expect(codesOf(answer)).toEqual(["DATASET_UNKNOWN"]);
    expect(answer.errors[0]!.extensions["remedy"] ?? answer.errors[0]!.message).toMatch(/built/);
  });

  it("says of every customer and every field what the sources say, without asking them", async () => {
    result = await pullAndBuild();
    const live = await listed("LIVE");
    await world.reset();
    const dataset = await listed("DATASET");
    expect(await callsNow()).toBe(0);
    expect(live.customers.length).toBeGreaterThan(CUSTOMERS / 2);
    const since = Date.now() - RATE_DAYS * 86_400_000;
    const isRated = ({ issuedAt }: Loose) => Date.parse(issuedAt) > since;
    // Rates are pulled for a year; of older days the sources alone know them.
    for (const { id, invoices } of [...live.customers, ...dataset.customers])
      for (const [at, each] of (invoices ?? []).entries()) {
        if (isRated(each)) continue;
        delete each.amountIn;
        dataset.errors = dataset.errors.filter(error => error !== `${id} invoices.${at}.amountIn RATE_UNAVAILABLE`);
      }
    expect(dataset).toEqual(live);
    expect(
      dataset.customers.flatMap(({ invoices }) => invoices ?? []).filter(({ amountIn }: Loose) => amountIn).length,
    ).toBeGreaterThan(0);
    for (const list of ["invoices", "tickets", "events", "usage"])
      expect(live.customers.flatMap(customer => customer[list] ?? []).length).toBeGreaterThan(0);
  });

  it("states its version, and what that was made of", async () => {
    const { data, errors } =
      await world.ask(`{ customers(from: DATASET, first: 2) { dataset { version isComplete } nodes { datasetVersion } }
      live: customers(first: 1) { dataset { version } nodes { datasetVersion } } }`);
    const { version, isComplete } = result;
    expect(errors).toEqual([]);
    expect(data.customers).toEqual({
      dataset: { version, isComplete },
      nodes: [{ datasetVersion: version }, { datasetVersion: version }],
    });
    expect(data.live).toEqual({ dataset: null, nodes: [{ datasetVersion: null }] });
  });

  it("filters as the live listing does", async () => {
    for (const filter of ['source: "stripe"', 'source: "zendesk", status: ACTIVE', 'country: "de"', "status: LEAD"]) {
      const page = (from: string) => `customers(from: ${from}, first: 50, filter: { ${filter} }) { totalCount nodes { id } }`;
      const { data, errors } = await world.ask(`{ live: ${page("LIVE")} dataset: ${page("DATASET")} }`);
      expect(errors).toEqual([]);
      expect(data.dataset).toEqual(data.live);
    }
  });

  it("finds one customer by canonical id, by a key, and by a key in a source", async () => {
    const { data } = await world.ask("{ customers(first: 3) { nodes { id identities { source key } } } }");
    for (const { id, identities } of data.customers.nodes) {
      const [{ source, key }] = identities;
      const answer = await world.ask(
        `query ($id: ID!, $key: ID!, $source: String!) { byId: customer(id: $id, from: DATASET) { id } byKey: customer(id: $key, from: DATASET) { id }
          bySource: customer(by: { source: $source, key: $key }, from: DATASET) { id } nobody: customer(id: "nobody", from: DATASET) { id } }`,
        { id, key, source },
      );
      expect([answer.errors, answer.data]).toEqual([[], { byId: { id }, byKey: { id }, bySource: { id }, nobody: null }]);
    }
  });

  it("pages through records by cursor as the live listing does", async () => {
    const page =
      "query ($id: ID!, $from: CustomerOrigin!, $after: String) { customer(id: $id, from: $from) { invoicesConnection(first: 2, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } } } }";
    const { data } = await world.ask("{ customers(first: 40) { nodes { id invoices(last: 9) { id } } } }");
    const { id } = data.customers.nodes.find(({ invoices }: { invoices: unknown[] }) => invoices?.length > 4);
    for (let after: string | null = null, more = true; more;) {
      const [live, dataset]: Answer[] = await Promise.all(["LIVE", "DATASET"].map(from => world.ask(page, { id, from, after })));
      expect(dataset!.data).toEqual(live!.data);
      const { endCursor, hasNextPage } = live!.data.customer.invoicesConnection.pageInfo;
      [after, more] = [endCursor, hasNextPage];
    }
  });

  it("may ask for more than the sources could be asked for at once", async () => {
    const page = (from: string) =>
      `{ customers(from: ${from}, first: 200) { nodes { invoices(last: 1) { id } tickets(last: 1) { id } events(last: 1) { id } } } }`;
    expect(codesOf(await world.ask(page("LIVE")))).toEqual(["LIMIT_UPSTREAM_CALLS"]);
    const { data, errors } = await world.ask(page("DATASET"));
    expect(errors).toEqual([]);
    expect(data.customers.nodes.length).toBeGreaterThan(CUSTOMERS / 2);
  });

  it("refuses a version without from: DATASET, one that is not there, and cursors of elsewhere", async () => {
    const { data } = await world.ask(
      "{ live: customers(first: 1) { pageInfo { endCursor } } dataset: customers(first: 1, from: DATASET) { pageInfo { endCursor } } }",
    );
    const refused = async (argument: string) => codesOf(await world.ask(`{ customers(${argument}) { nodes { id } } }`));
    expect(await refused(`version: "${result.version}"`)).toEqual(["REQUEST_INVALID"]);
    expect(await refused(`from: DATASET, version: "0123456789abcdef0123"`)).toEqual(["DATASET_UNKNOWN"]);
    expect(await refused(`from: DATASET, version: "../../etc"`)).toEqual(["DATASET_UNKNOWN"]);
    expect(await refused(`from: DATASET, after: "${data.live.pageInfo.endCursor}"`)).toEqual(["CURSOR_INVALID"]);
    expect(await refused(`after: "${data.dataset.pageInfo.endCursor}"`)).toEqual(["CURSOR_INVALID"]);
    const { errors } = await world.ask("{ customers(from: DATASET, first: 1) { nodes { provenance { field } } } }");
    expect(errors[0]!.message).toMatch(/tributary explain customers/);
  });

  it("goes on in the version in which a listing was begun, and redirects an id that was merged since", async () => {
    const first = await world.ask(
      "{ customers(from: DATASET, first: 2) { nodes { id identities { source collection key } } pageInfo { endCursor } } }",
    );
    const [one, two] = first.data.customers.nodes;
    const recordOf = ({ identities: [{ source, collection, key }] }: Loose) => `${source}.${collection}:${key}`;
    await new IdentityDecisions(home).add("link", [recordOf(one), recordOf(two)], null, Date.now());
    await world.product.refresher.start();
    const before = result.version;
    result = await build({ catalog: world.product.catalog, home });
    expect(result.version).not.toBe(before);
    const { endCursor } = first.data.customers.pageInfo;
    const page =
      "query ($after: String, $version: ID) { customers(from: DATASET, first: 1, after: $after, version: $version) { dataset { version } } }";
    const next = await world.ask(page, { after: endCursor });
    expect(next.data.customers.dataset.version).toBe(before);
    expect(codesOf(await world.ask(page, { after: endCursor, version: result.version }))).toEqual(["CURSOR_INVALID"]);
    const found = await world.ask(
      "query ($one: ID!, $two: ID!) { one: customer(id: $one, from: DATASET) { id } two: customer(id: $two, from: DATASET) { id } live: customer(id: $two) { id } }",
      { one: one.id, two: two.id },
    );
    expect(found.errors).toEqual([]);
    expect(found.data.one.id).toBe(found.data.two.id);
    expect(found.data.live.id).toBe(found.data.two.id);
  });
});
