import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import hubspot from "../../../datasources/hubspot/sandbox.ts";
import product from "../../../datasources/product/sandbox.ts";
import stripe from "../../../datasources/stripe/sandbox.ts";
import zendesk from "../../../datasources/zendesk/sandbox.ts";
import { startSandbox } from "../../../src/sandbox/server.ts";
import type { Sandbox } from "../../../src/sandbox/server.ts";
import { ask, control } from "./ask.ts";

interface Truth {
  readonly person: { readonly index: number; readonly accountNumber: string };
  readonly records: readonly { readonly source: string; readonly collection: string; readonly key: string }[];
}

const SIZE = 90;
let sandbox: Sandbox;
let people: readonly Truth[];
const owners = new Map<string, Truth>();
const setting = (name: string) => sandbox.environment[name] ?? "";

beforeAll(async () => {
  sandbox = await startSandbox({
    port: 0,
    seed: 9,
    customers: SIZE,
    imitations: [hubspot, stripe, zendesk, product],
    quotas: false,
  });
  ({ people } = (await control(sandbox, "truth")).json<{ people: readonly Truth[] }>());
  for (const truth of people) for (const { source, key } of truth.records) owners.set(`${source} ${key}`, truth);
});
afterAll(() => sandbox.close());

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

async function contacts() {
  const client = { client_id: setting("HUBSPOT_CLIENT_ID"), client_secret: setting("HUBSPOT_CLIENT_SECRET") };
  const body = new URLSearchParams({ grant_type: "client_credentials", ...client });
  const token = (await ask(`${setting("HUBSPOT_BASE_URL")}/oauth/v3/token`, { body })).json()["access_token"];
  const url = `${setting("HUBSPOT_BASE_URL")}/crm/v3/objects/contacts?limit=100&properties=account_number`;
  const page = await ask(url, bearer(String(token)));
  return page.json<{ results: { id: string; properties: { account_number: string | null } }[] }>().results;
}

async function customers() {
  const page = await ask(`${setting("STRIPE_BASE_URL")}/v1/customers?limit=100`, bearer(setting("STRIPE_API_KEY")));
  return page.json<{ data: { id: string; metadata: { account_number?: string } }[] }>().data;
}

async function users() {
  const authorization = `Basic ${Buffer.from(`${setting("ZENDESK_EMAIL")}/token:${setting("ZENDESK_API_TOKEN")}`).toString("base64")}`;
  const page = await ask(`${setting("ZENDESK_BASE_URL")}/api/v2/users?page[size]=100`, { headers: { authorization } });
  return page.json<{ users: { id: number; external_id: string | null }[] }>().users;
}

async function accounts() {
  const body = { query: "{ accounts(first: 100) { nodes { id billingCustomerId } } }" };
  const page = await ask(`${setting("PRODUCT_BASE_URL")}/graphql`, { body, ...bearer(setting("PRODUCT_API_TOKEN")) });
  return page.json<{ data: { accounts: { nodes: { id: string; billingCustomerId: string | null }[] } } }>().data.accounts.nodes;
}

/** Who a record is about; a record that the truth does not know fails the test. */
function ownerOf(source: string, key: string | number): Truth {
  const owner = owners.get(`${source} ${key}`);
  if (owner === undefined) throw new Error(`the truth has no ${source} ${key}`);
  return owner;
}

describe("explicit keys", () => {
  it("name the right person in every source, and the truth knows every record", async () => {
    const stated = [
      ...(await contacts()).map(({ id, properties }) => [ownerOf("hubspot", id).person.accountNumber, properties.account_number]),
      ...(await customers()).map(({ id, metadata }) => [
        ownerOf("stripe", id).person.accountNumber,
        metadata.account_number ?? null,
      ]),
    ].filter(([, number]) => number !== null);
    expect(stated.length).toBeGreaterThan(SIZE * 0.8);
    expect(stated.map(([number]) => number)).toEqual(stated.map(([, number]) => number));
    for (const { id, billingCustomerId } of await accounts())
      if (billingCustomerId !== null) expect(ownerOf("stripe", billingCustomerId)).toBe(ownerOf("product", id));
    for (const { id, external_id } of await users())
      if (external_id !== null) expect(ownerOf("product", external_id)).toBe(ownerOf("zendesk", id));
  });

  it("tie the first person together through all four sources", async () => {
    const key = (source: string) => people[0]?.records.find(record => record.source === source)?.key;
    expect(people[0]?.records.map(({ source }) => source)).toEqual(["hubspot", "stripe", "zendesk", "product"]);
    const account = (await accounts()).find(({ id }) => id === key("product"));
    expect(account?.billingCustomerId).toBe(key("stripe"));
    expect((await users()).find(({ id }) => String(id) === key("zendesk"))?.external_id).toBe(key("product"));
    expect((await customers()).find(({ id }) => id === key("stripe"))?.metadata.account_number).toBe("4821");
    expect((await contacts()).find(({ id }) => id === key("hubspot"))?.properties.account_number).toBe("4821");
  });
});
