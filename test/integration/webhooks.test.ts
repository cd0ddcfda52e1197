import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { createHmac } from "node:crypto";
import { calledCollections, differencesOf } from "../support/mirror-truth.ts";
import { startWorld, type TestWorld } from "../support/world.ts";
import { until } from "../support/until.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld({ customers: 60 });
});
afterEach(() => world.reset());
afterAll(() => world.close());

const events = async (query = "") =>
  ((await (await fetch(`${world.address}/intake/events?${query}`)).json()) as { events: Record<string, unknown>[] }).events;

const isWorkedOff = async () => (await events("state=waiting")).length === 0;

const signed = (body: string, { secret = world.environment["STRIPE_WEBHOOK_SECRET"]!, atMs = Date.now() } = {}) => {
  const t = Math.floor(atMs / 1_000);
  return { "stripe-signature": `t=${t},v1=${createHmac("sha256", secret).update(`${t}.${body}`).digest("hex")}` };
};
const call = (
  body: string,
  headers: Record<string, string>,
  { source = "stripe", method = "POST", type = "application/json" } = {},
) =>
  fetch(`${world.address}/webhooks/${source}`, {
    method,
    headers: { "content-type": type, ...headers },
    ...(method === "GET" ? {} : { body }),
  });
const eventText = (id: string, customer: string, type = "customer.updated") =>
  JSON.stringify({ id, object: "event", type, created: Math.floor(Date.now() / 1_000), data: { object: { id: customer } } });

/** A customer whose name and phone are this source's. */
async function customerOfStripe(): Promise<string> {
  const { data } = await world.ask("{ customers(first: 60) { nodes { provenance { field source key } } } }");
  const all = (data.customers.nodes as { provenance: { field: string; source: string; key: string }[] }[]).map(node =>
    node.provenance.filter(({ field, source }) => source === "stripe" && (field === "name" || field === "phone")),
  );
  return all.find(({ length }) => length === 2)![0]!.key;
}

const patchCustomer = (key: string, form: Record<string, string>) =>
  fetch(`${world.environment["STRIPE_BASE_URL"]}/v1/customers/${key}`, {
    method: "POST",
    headers: { authorization: `Bearer ${world.environment["STRIPE_API_KEY"]}` },
    body: new URLSearchParams(form),
  });

describe("a change at a source", () => {
  it("is in the graph within seconds, although what was known of it was fresh", async () => {
    await world.hear("stripe");
    const key = await customerOfStripe();
    const ask = async () => (await world.ask(`{ customer(id: "${key}") { name phone } }`)).data.customer as object;
    const before = await ask();
    expect((await patchCustomer(key, { name: "Ada Changed", phone: "+493012345678" })).status).toBe(200);
    expect(before).not.toEqual({ name: "Ada Changed", phone: "+493012345678" });
    await until(async () => JSON.stringify(await ask()) === '{"name":"Ada Changed","phone":"+493012345678"}');
    expect(await events("source=stripe&limit=1")).toMatchObject([
      { collection: "stripe.customers", key, state: "done", outcome: "changed", deliveries: 1 },
    ]);
  });

  it("that 100 calls tell of has the effect of one", async () => {
    const key = await customerOfStripe();
    const body = eventText("evt_hundred", key);
    const made = await world.callsDuring(async () => {
      const answers = await Promise.all(Array.from({ length: 100 }, () => call(body, signed(body))));
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 100 }, () => 204));
      await until(isWorkedOff);
    });
    expect(made["stripe"]).toBe(1);
    expect(await events("limit=1")).toMatchObject([{ deliveries: 100, state: "done" }]);
  });
});

describe("a call that is not as it should be", () => {
  const body = eventText("evt_odd", "cus_none");
  const count = async () => (await events("limit=1000")).length;

  it.each([
    ["not signed", () => call(body, {}), 401],
    ["signed under another secret", () => call(body, signed(body, { secret: "whsec_other" })), 401],
    ["signed too long ago", () => call(body, signed(body, { atMs: Date.now() - 301_000 })), 401],
    ["signed for another body", () => call(`${body} `, signed(body)), 401],
    ["of a source that is not there", () => call(body, signed(body), { source: "nobody" }), 404],
    ["of a source without webhooks", () => call(body, signed(body), { source: "fx" }), 404],
    ["not JSON by its type", () => call(body, signed(body), { type: "text/plain" }), 415],
    ["too large", () => call(`"${"x".repeat(1024 ** 2)}"`, {}), 413],
    ["a GET", () => call(body, signed(body), { method: "GET" }), 405],
  ])("%s is refused, and nothing is kept", async (_problem, send, status) => {
    const before = await count();
    const answer = await send();
    expect(answer.status).toBe(status);
    expect(await count()).toBe(before);
    expect(JSON.stringify(world.lines)).not.toMatch(/evt_odd|cus_none/);
  });

  it("but genuine is kept for somebody to look at, and taken care of by hand", async () => {
    const broken = '{"id":"evt_broken","type":"customer.updated","data":{}}';
    expect((await call(broken, signed(broken))).status).toBe(204);
    const [event] = await events("state=dead&limit=1");
    expect(event).toMatchObject({ outcome: "it does not say which object it is about" });
    const shown = (await (await fetch(`${world.address}/intake/events/${String(event!["id"])}`)).json()) as { body: string };
    expect(shown.body).toBe(broken);
    const discard = await fetch(`${world.address}/intake/discard`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ids: [event!["id"]] }),
    });
    expect(await discard.json()).toEqual({ events: 1 });
    expect(await events("state=dead")).toEqual([]);
  });
});

describe("sources whose calls come twice, late and in any order", () => {
  it("leave the mirror equal to the truth", async () => {
    const sources = ["stripe", "hubspot", "zendesk"];
    for (const source of sources) await world.hear(source, { duplicates: 0.3, reorder: 0.3, seed: 7 });
    for (const source of sources) await world.change(source, 60);
    await until(async () => Object.values(await world.deliveries()).every(({ open, made }) => made > 0 && open === 0));
    await until(isWorkedOff);
    for (const { givenUp, lost } of Object.values(await world.deliveries())) expect([givenUp, lost]).toEqual([0, 0]);
    expect(await events("state=dead")).toEqual([]);
    const { catalog, upstreamOf, gateway } = world.product;
    for (const collection of calledCollections) {
      const { records, different } = await differencesOf({ catalog, upstreamOf, mirror: gateway.mirror }, collection);
      expect(different).toEqual([]);
      expect(records).toBeGreaterThan(5);
    }
  });
});
