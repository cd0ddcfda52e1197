import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import stripe from "../../../datasources/stripe/sandbox.ts";
import { startSandbox } from "../../../src/sandbox/server.ts";
import type { Sandbox } from "../../../src/sandbox/server.ts";
import { ask, control } from "./ask.ts";
import type { Asked } from "./ask.ts";

interface Listed {
  readonly id: string;
  readonly created: number;
  readonly email: string | null;
  readonly customer: string;
  readonly status: string | null;
  readonly type: string;
  readonly metadata: Readonly<Record<string, string>>;
}
interface List {
  readonly object: string;
  readonly url: string;
  readonly has_more: boolean;
  readonly data: readonly Listed[];
}
interface Problem {
  readonly error: Readonly<Record<string, string>>;
}

const options = { port: 0, seed: 5, customers: 120, imitations: [stripe] };
let sandbox: Sandbox;
let limited: Sandbox;
let now = 1_795_000_000_000;

beforeAll(async () => {
  sandbox = await startSandbox({ ...options, quotas: false });
  limited = await startSandbox({ ...options, clock: () => now });
});
beforeEach(async () => {
  await Promise.all([sandbox, limited].map(one => control(one, "reset", { method: "POST" })));
});
afterAll(() => Promise.all([sandbox.close(), limited.close()]));

const send = (path: string, { headers, ...asked }: Asked = {}, at = sandbox) =>
  ask(`${at.environment["STRIPE_BASE_URL"]}${path}`, {
    ...asked,
    headers: { authorization: `Bearer ${at.environment["STRIPE_API_KEY"]}`, ...headers },
  });
const list = async (path: string) => (await send(path)).json<List>();
const form = (fields: Record<string, string>) => ({ method: "POST", body: new URLSearchParams(fields) });

/** Follows `starting_after` to the end. */
async function walk(path: string, limit: number): Promise<Listed[]> {
  const items: Listed[] = [];
  for (let after = ""; ;) {
    const page = await list(`${path}${path.includes("?") ? "&" : "?"}limit=${limit}${after && `&starting_after=${after}`}`);
    items.push(...page.data);
    const last = page.data.at(-1);
    if (!page.has_more || last === undefined) return items;
    after = last.id;
  }
}

const isNewestFirst = (items: readonly Listed[]) =>
  items.every(({ created }, at) => at === 0 || created <= (items[at - 1]?.created ?? 0));

async function firstCustomer(): Promise<Listed> {
  const found = (await walk("/v1/customers", 100)).find(({ metadata }) => metadata["account_number"] === "4821");
  if (found === undefined) throw new Error("account 4821 is not among the customers");
  return found;
}

describe("stripe listings", () => {
  it.each(["/v1/customers", "/v1/invoices", "/v1/events"])(
    "%s visits each key once, newest first, whatever the page size",
    async path => {
      const all = await walk(path, 100);
      expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
      expect(all.length).toBeGreaterThan(80);
      expect(isNewestFirst(all)).toBe(true);
      expect((await walk(path, 7)).map(({ id }) => id)).toEqual(all.map(({ id }) => id));
    },
  );

  it("visits each customer once at page sizes 1 and 2", async () => {
    const ids = (await walk("/v1/customers", 100)).map(({ id }) => id);
    expect((await walk("/v1/customers", 1)).map(({ id }) => id)).toEqual(ids);
    expect((await walk("/v1/customers", 2)).map(({ id }) => id)).toEqual(ids);
  });

  it("walks backwards by ending_before", async () => {
    const ids = (await walk("/v1/customers", 100)).map(({ id }) => id);
    const page = await list(`/v1/customers?limit=3&ending_before=${ids[10]}`);
    expect(page.data.map(({ id }) => id)).toEqual(ids.slice(7, 10));
    expect(page.has_more).toBe(true);
    expect((await list(`/v1/customers?limit=3&ending_before=${ids[2]}`)).has_more).toBe(false);
  });

  it("has ten a page unless told, in the provider's envelope", async () => {
    const page = await list("/v1/customers");
    expect({ ...page, data: page.data.length }).toEqual({ object: "list", url: "/v1/customers", has_more: true, data: 10 });
  });

  it("filters by created with every bound", async () => {
    const all = await walk("/v1/invoices", 100);
    const at = all[50]?.created ?? 0;
    const ids = async (filter: string) => (await walk(`/v1/invoices?${filter}`, 100)).map(({ id }) => id);
    const want = (is: (created: number) => boolean) => all.filter(({ created }) => is(created)).map(({ id }) => id);
    expect(await ids(`created[gte]=${at}`)).toEqual(want(created => created >= at));
    expect(await ids(`created[gt]=${at}`)).toEqual(want(created => created > at));
    expect(await ids(`created[lte]=${at}&created[gt]=${at - 9e6}`)).toEqual(want(created => created <= at && created > at - 9e6));
    expect(await ids(`created[lt]=${at}`)).toEqual(want(created => created < at));
    expect(await ids(`created=${at}`)).toEqual(want(created => created === at));
  });

  it("filters invoices by customer and status, and the first customer has at least eight", async () => {
    const { id } = await firstCustomer();
    const own = await walk(`/v1/invoices?customer=${id}`, 5);
    expect(own.length).toBeGreaterThanOrEqual(8);
    expect(isNewestFirst(own) && own.every(({ customer }) => customer === id)).toBe(true);
    const all = await walk("/v1/invoices", 100);
    expect(all.filter(({ customer }) => customer === id)).toEqual(own);
    const statuses = new Set(all.map(({ status }) => status));
    expect(statuses).toEqual(new Set(["draft", "open", "paid", "void", "uncollectible", null]));
    expect(await walk("/v1/invoices?status=open", 4)).toEqual(all.filter(({ status }) => status === "open"));
  });

  it("finds customers by exactly their address", async () => {
    const all = await walk("/v1/customers", 100);
    const email = all.find(one => one.email !== null && one.email !== one.email.toLowerCase())?.email ?? "";
    const found = (text: string) => list(`/v1/customers?email=${encodeURIComponent(text)}`);
    expect((await found(email)).data).toEqual(all.filter(one => one.email === email));
    expect((await found(email.toLowerCase())).data).toEqual(all.filter(one => one.email === email.toLowerCase()));
  });

  it.each([
    ["limit=0", "limit", "parameter_invalid_integer"],
    ["limit=101", "limit", "parameter_invalid_integer"],
    ["limit=x", "limit", "parameter_invalid_integer"],
    ["page=2", "page", "parameter_unknown"],
    ["starting_after=cus_AAAAAAAAAAAAAA", "starting_after", "resource_missing"],
  ])("refuses %s with the provider's words", async (query, param, code) => {
    const { status, headers, json } = await send(`/v1/customers?${query}`);
    expect(status).toBe(400);
    expect(json<Problem>().error).toMatchObject({ type: "invalid_request_error", param, code });
    expect(headers.get("stripe-should-retry")).toBe("false");
  });
});

describe("stripe objects", () => {
  it("are the same alone as in a listing", async () => {
    for (const path of ["/v1/customers", "/v1/invoices", "/v1/events"]) {
      const { data } = await list(`${path}?limit=3`);
      for (const item of data) expect((await send(`${path}/${item.id}`)).json()).toEqual(item);
    }
  });

  it("answer 404 for a key that was never made", async () => {
    const { status, json } = await send("/v1/customers/cus_nothing");
    expect([status, json<Problem>().error]).toEqual([
      404,
      {
        type: "invalid_request_error",
        code: "resource_missing",
        doc_url: "https://docs.stripe.com/error-codes/resource-missing",
        param: "id",
        message: "No such customer: 'cus_nothing'",
      },
    ]);
  });

  it("carry amounts beyond 2^53 digit by digit", async () => {
    const texts: string[] = [];
    for (const { id } of await walk("/v1/invoices", 100)) {
      const { text } = await send(`/v1/invoices/${id}`);
      const total = /"total":(-?\d+)[,}]/.exec(text)?.[1] ?? "";
      expect(total).not.toBe("");
      if (total.length > 16) texts.push(total);
    }
    expect(texts.length).toBeGreaterThan(0);
    for (const total of texts) expect(String(Number(total))).not.toBe(total);
  });

  it("carry a request id, and echo the version asked for", async () => {
    const [first, second] = [await send("/v1/customers"), await send("/v1/nowhere")];
    expect(first.headers.get("request-id")).toMatch(/^req_\w{14}$/);
    expect(second.headers.get("request-id")).not.toBe(first.headers.get("request-id"));
    expect(
      (await send("/v1/customers", { headers: { "stripe-version": "2025-03-31.basil" } })).headers.get("stripe-version"),
    ).toBe("2025-03-31.basil");
    expect((await send("/v1/customers", { headers: { "stripe-version": "newest" } })).status).toBe(400);
  });

  it("are only for who has the key, as bearer or as basic user name", async () => {
    const key = sandbox.environment["STRIPE_API_KEY"] ?? "";
    const as = async (authorization: string) => (await send("/v1/customers?limit=1", { headers: { authorization } })).status;
    expect(await as(`Basic ${Buffer.from(`${key}:`).toString("base64")}`)).toBe(200);
    expect([await as("Bearer wrong"), await as(""), await as("Basic !")]).toEqual([401, 401, 401]);
    const { json } = await send("/v1/customers", { headers: { authorization: "Bearer sk_test_anything_9999" } });
    expect(json<Problem>().error).toEqual({
      type: "invalid_request_error",
      message: "Invalid API Key provided: sk_test****9999",
    });
  });
});

describe("stripe writes", () => {
  it("change a customer, unset by an empty value, and leave an event", async () => {
    const { id, metadata } = await firstCustomer();
    const body = { name: "New Name", email: "", "metadata[tier]": "gold", "metadata[company]": "", "address[country]": "DE" };
    const changed = (await send(`/v1/customers/${id}`, form(body))).json();
    const { company: _company, ...kept } = metadata;
    expect(changed).toMatchObject({
      name: "New Name",
      email: null,
      metadata: { ...kept, tier: "gold" },
      address: { country: "DE" },
    });
    expect(changed["metadata"]).not.toHaveProperty("company");
    expect((await send(`/v1/customers/${id}`)).json()).toEqual(changed);
    const [event] = (await list("/v1/events?type=customer.*")).data;
    expect(event).toMatchObject({
      type: "customer.updated",
      data: { object: changed, previous_attributes: { name: "Amélie O'Neill", metadata } },
      request: { idempotency_key: null },
    });
  });

  it("delete a customer: a tombstone afterwards, gone from listings, invoices stay", async () => {
    const { id } = await firstCustomer();
    expect((await send(`/v1/customers/${id}`, { method: "DELETE" })).json()).toEqual({ id, object: "customer", deleted: true });
    expect((await send(`/v1/customers/${id}`)).json()).toEqual({ id, object: "customer", deleted: true });
    expect((await send(`/v1/customers/${id}`, form({ name: "x" }))).status).toBe(404);
    await expect(firstCustomer()).rejects.toThrow("not among");
    expect((await list(`/v1/invoices?customer=${id}`)).data.length).toBeGreaterThan(0);
    expect((await list("/v1/events?limit=1")).data[0]?.type).toBe("customer.deleted");
    await control(sandbox, "reset", { method: "POST" });
    expect((await firstCustomer()).id).toBe(id);
  });

  it("pay an open invoice once", async () => {
    const [open] = (await list("/v1/invoices?status=open&limit=1")).data;
    const paid = await send(`/v1/invoices/${open?.id}/pay`, form({}));
    expect(paid.json()).toMatchObject({
      status: "paid",
      amount_remaining: 0,
      status_transitions: { paid_at: expect.any(Number) },
    });
    expect((await send(`/v1/invoices/${open?.id}/pay`, form({}))).status).toBe(400);
    expect((await list("/v1/events?type=invoice.paid&limit=1")).data[0]).toMatchObject({ data: { object: paid.json() } });
  });

  it("run once for an idempotency key", async () => {
    const { id } = await firstCustomer();
    const write = (name: string) => send(`/v1/customers/${id}`, { ...form({ name }), headers: { "idempotency-key": "k1" } });
    const first = await write("Once");
    await send(`/v1/customers/${id}`, form({ name: "Between" }));
    const again = await write("Once");
    expect(again.text).toBe(first.text);
    expect([first, again].map(({ headers }) => headers.get("idempotent-replayed"))).toEqual([null, "true"]);
    expect((await send(`/v1/customers/${id}`)).json()["name"]).toBe("Between");
    const other = await write("Other");
    expect([other.status, other.json<Problem>().error["type"]]).toEqual([400, "idempotency_error"]);
  });

  it("take forms only, with parameters that are known", async () => {
    const { id } = await firstCustomer();
    expect((await send(`/v1/customers/${id}`, { body: { name: "JSON" } })).status).toBe(400);
    expect((await send(`/v1/customers/${id}`, form({ nmae: "typo" }))).json<Problem>().error).toMatchObject({
      code: "parameter_unknown",
      param: "nmae",
    });
  });
});

describe("stripe limits", () => {
  const get = (path: string) => send(path, {}, limited);

  it("lets 25 a second through to one endpoint and names the limit, without Retry-After", async () => {
    const { data } = (await get("/v1/customers?limit=30")).json<List>();
    now += 1000;
    const answers = await Promise.all(data.map(({ id }) => get(`/v1/customers/${id}`)));
    const refused = answers.filter(({ status }) => status === 429);
    expect([answers.filter(({ status }) => status === 200).length, refused.length]).toEqual([25, 5]);
    expect(refused[0]?.headers.get("stripe-rate-limited-reason")).toBe("endpoint-rate");
    expect([refused[0]?.headers.get("retry-after"), refused[0]?.headers.get("stripe-should-retry")]).toEqual([null, null]);
    expect(refused[0]?.json<Problem>().error).toMatchObject({ code: "rate_limit", type: "invalid_request_error" });
    expect((await get("/v1/customers")).status).toBe(200);
    now += 999;
    expect((await get(`/v1/customers/${data[0]?.id}`)).status).toBe(429);
    now += 1;
    expect((await get(`/v1/customers/${data[0]?.id}`)).status).toBe(200);
  });

  it("lets 100 a second through to the account, and a refused request spends nothing", async () => {
    const paths = ["/v1/customers", "/v1/customers/x", "/v1/invoices", "/v1/invoices/x", "/v1/events"];
    const answers = await Promise.all(paths.flatMap(path => Array.from({ length: 24 }, () => get(path))));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.length - refused.length).toBe(100);
    expect(new Set(refused.map(({ headers }) => headers.get("stripe-rate-limited-reason")))).toEqual(new Set(["global-rate"]));
    await control(limited, "reset", { method: "POST" });
    expect((await get("/v1/events")).status).toBe(200);
  });
});
