import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import hubspot from "../../../datasources/hubspot/sandbox.ts";
import { startSandbox } from "../../../src/sandbox/server.ts";
import type { Sandbox } from "../../../src/sandbox/server.ts";
import { ask, breakSource, control } from "./ask.ts";
import type { Asked } from "./ask.ts";

interface Contact {
  readonly id: string;
  readonly properties: Readonly<Record<string, string | null>>;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly archived: boolean;
}
interface List {
  readonly results: readonly Contact[];
  readonly total: number;
  readonly paging?: { readonly next: { readonly after: string; readonly link?: string } };
}
type Body = Readonly<Record<string, unknown>>;

const CONTACTS = "/crm/v3/objects/contacts";
const options = { port: 0, seed: 5, customers: 150, imitations: [hubspot] };
const tokens = new Map<Sandbox, string>();
let sandbox: Sandbox;
let limited: Sandbox;
let now = 1_795_000_000_000;

const grant = (at: Sandbox, fields: Record<string, string> = {}) =>
  ask(`${at.environment["HUBSPOT_BASE_URL"]}/oauth/v3/token`, {
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: at.environment["HUBSPOT_CLIENT_ID"] ?? "",
      client_secret: at.environment["HUBSPOT_CLIENT_SECRET"] ?? "",
      ...fields,
    }),
  });

async function signIn(at: Sandbox): Promise<void> {
  tokens.set(at, String((await grant(at)).json()["access_token"]));
}

beforeAll(async () => {
  sandbox = await startSandbox({ ...options, quotas: false });
  limited = await startSandbox({ ...options, clock: () => now });
});
beforeEach(async () => {
  for (const one of [sandbox, limited]) {
    await control(one, "reset", { method: "POST" });
    await signIn(one);
  }
});
afterAll(() => Promise.all([sandbox.close(), limited.close()]));

const send = (path: string, { headers, ...asked }: Asked = {}, at = sandbox) =>
  ask(`${at.environment["HUBSPOT_BASE_URL"]}${path}`, {
    ...asked,
    headers: { authorization: `Bearer ${tokens.get(at)}`, ...headers },
  });
const search = async (body: object) => (await send(`${CONTACTS}/search`, { body })).json<List>();

async function walk(query: string): Promise<Contact[]> {
  const contacts: Contact[] = [];
  for (let after: string | undefined = ""; after !== undefined;) {
    const page: List = (await send(`${CONTACTS}?${query}${after && `&after=${after}`}`)).json<List>();
    contacts.push(...page.results);
    after = page.paging?.next.after;
  }
  return contacts;
}
const idsOf = (contacts: readonly Contact[]) => contacts.map(({ id }) => id);

describe("hubspot tokens", () => {
  it("are granted for 30 minutes to the client, and the refresh token stays", async () => {
    const { json } = await grant(sandbox);
    const first = json();
    expect(first).toMatchObject({
      token_type: "bearer",
      expires_in: 1800,
      token_use: "access_token",
      refresh_token: expect.any(String),
    });
    const again = (await grant(sandbox, { grant_type: "refresh_token", refresh_token: String(first["refresh_token"]) })).json();
    expect(again["refresh_token"]).toBe(first["refresh_token"]);
    expect(again["access_token"]).not.toBe(first["access_token"]);
  });

  it.each([
    [{ client_id: "x" }, "BAD_CLIENT_ID", "invalid_client"],
    [{ client_secret: "x" }, "BAD_CLIENT_SECRET", "invalid_client"],
    [{ grant_type: "refresh_token", refresh_token: "x" }, "BAD_REFRESH_TOKEN", "invalid_grant"],
    [{ grant_type: "password" }, "BAD_GRANT_TYPE", "unsupported_grant_type"],
  ])("are refused for %j", async (fields, code, error) => {
    const answer = await grant(sandbox, fields);
    expect([answer.status, answer.json()]).toEqual([400, expect.objectContaining({ status: code, error })]);
  });

  it("expire after half an hour to the millisecond, and are unknown after a reset", async () => {
    const probe = () => send(`${CONTACTS}?limit=1`, {}, limited);
    now += 1_799_999;
    expect((await probe()).status).toBe(200);
    now += 1;
    const expired = await probe();
    expect([expired.status, expired.json()["category"]]).toEqual([401, "EXPIRED_AUTHENTICATION"]);
    await signIn(limited);
    expect((await probe()).status).toBe(200);
    await control(limited, "reset", { method: "POST" });
    expect((await probe()).json()).toMatchObject({
      status: "error",
      category: "INVALID_AUTHENTICATION",
      correlationId: expect.any(String),
    });
  });

  it("can be made worthless by a fault until a new one is granted", async () => {
    await breakSource(sandbox, { source: "hubspot", kind: "expire-token" });
    expect([(await send(CONTACTS)).status, (await send(CONTACTS)).status]).toEqual([401, 401]);
    await signIn(sandbox);
    expect((await send(CONTACTS)).status).toBe(200);
  });
});

describe("hubspot contacts", () => {
  it("visits each key once whatever the page size, and has no paging on the last page", async () => {
    const all = await walk("limit=100");
    expect(new Set(idsOf(all)).size).toBe(all.length);
    expect(all.length).toBeGreaterThan(120);
    for (const limit of [1, 2, 7]) expect(idsOf(await walk(`limit=${limit}`))).toEqual(idsOf(all));
    const first = (await send(`${CONTACTS}?limit=3`)).json<List>();
    expect(new URL(first.paging?.next.link ?? "").searchParams.get("after")).toBe(first.paging?.next.after);
    expect((await send(`${CONTACTS}?limit=3&after=${all.at(-1)?.id}`)).json()).toEqual({ results: [] });
  });

  it("shows the properties asked for beside those it always shows, as text or null", async () => {
    const [contact] = (await send(`${CONTACTS}?limit=1&properties=phone,account_number,nonsense`)).json<List>().results;
    expect(Object.keys(contact?.properties ?? {}).sort()).toEqual([
      "account_number",
      "createdate",
      "hs_object_id",
      "lastmodifieddate",
      "phone",
    ]);
    const [plain] = (await send(`${CONTACTS}?limit=1`)).json<List>().results;
    expect(plain).toMatchObject({
      archived: false,
      createdAt: plain?.properties["createdate"],
      updatedAt: plain?.properties["lastmodifieddate"],
    });
    expect(Object.keys(plain?.properties ?? {}).sort()).toEqual([
      "createdate",
      "email",
      "firstname",
      "hs_object_id",
      "lastmodifieddate",
      "lastname",
    ]);
    expect(plain?.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it("holds account 4821 once, some people twice, and spells the stage in several ways", async () => {
    const all = await walk("limit=100&properties=account_number,lifecyclestage");
    const numbers = all.flatMap(({ properties }) => properties["account_number"] ?? []);
    expect(numbers.filter(number => number === "4821").length).toBe(1);
    const share = numbers.length / all.length;
    expect(share > 0.6 && share < 0.8).toBe(true);
    const stages = new Set(all.map(({ properties }) => properties["lifecyclestage"]));
    for (const stage of ["customer", "CUSTOMER", "Customer", "opportunity"]) expect(stages).toContain(stage);
    const { people } = (await control(sandbox, "truth")).json<{ people: { records: { key: string }[] }[] }>();
    expect(new Set(people.flatMap(({ records }) => records.map(({ key }) => key)))).toEqual(new Set(idsOf(all)));
    expect(people.some(({ records }) => records.length === 2)).toBe(true);
  });

  it("reads one by id or by address, 404 otherwise", async () => {
    const [contact] = (await send(`${CONTACTS}?limit=1`)).json<List>().results;
    expect((await send(`${CONTACTS}/${contact?.id}`)).json()).toEqual(contact);
    const byEmail = await send(`${CONTACTS}/${encodeURIComponent(contact?.properties["email"] ?? "")}?idProperty=email`);
    expect(byEmail.json()["id"]).toBe(contact?.id);
    const { status, json } = await send(`${CONTACTS}/4821`);
    expect([status, json()]).toEqual([
      404,
      expect.objectContaining({ status: "error", category: "OBJECT_NOT_FOUND", correlationId: expect.any(String) }),
    ]);
  });

  it.each(["limit=0", "limit=101", "after=nonsense"])("refuses %s", async query => {
    const { status, json } = await send(`${CONTACTS}?${query}`);
    expect([status, json()["category"]]).toEqual([400, "VALIDATION_ERROR"]);
  });
});

describe("hubspot batch read", () => {
  const read = (ids: readonly string[], more: object = {}) =>
    send(`${CONTACTS}/batch/read`, { body: { inputs: ids.map(id => ({ id })), properties: ["email"], ...more } });

  it("answers each contact once, in its own order", async () => {
    const ids = idsOf(await walk("limit=100")).slice(0, 5);
    const { status, json } = await read([...ids.toReversed(), ids[0] ?? ""]);
    expect([status, json()["status"]]).toEqual([200, "COMPLETE"]);
    expect(idsOf(json<List>().results)).toEqual(ids);
  });

  it("answers 207 and names what is absent", async () => {
    const [id = ""] = idsOf(await walk("limit=100"));
    const { status, json } = await read([id, "17", "4821"]);
    expect([status, idsOf(json<List>().results)]).toEqual([207, [id]]);
    expect(json()).toMatchObject({ numErrors: 1, errors: [{ category: "OBJECT_NOT_FOUND", context: { ids: ["17", "4821"] } }] });
  });

  it("finds by address in any case", async () => {
    const contact = (await walk("limit=100")).find(({ properties }) => properties["email"] !== null);
    const { json } = await read([contact?.properties["email"]?.toUpperCase() ?? "", "nobody@nowhere.example"], {
      idProperty: "email",
    });
    expect(idsOf(json<List>().results)).toEqual([contact?.id]);
    expect(json()["numErrors"]).toBe(1);
  });

  it("takes at most a hundred", async () => {
    expect((await read(Array.from({ length: 101 }, (_empty, n) => String(n)))).status).toBe(400);
  });
});

describe("hubspot search", () => {
  const filter = (propertyName: string, operator: string, value: string | readonly string[]) => ({
    filterGroups: [{ filters: [{ propertyName, operator, ...(typeof value === "string" ? { value } : { values: value }) }] }],
    limit: 200,
  });

  it("finds by address and by instant, with a total", async () => {
    const all = await walk("limit=100");
    const [a, b] = all
      .filter(({ properties }) => properties["email"] !== null)
      .map(({ properties }) => properties["email"] ?? "");
    expect((await search(filter("email", "EQ", a ?? ""))).results.map(({ properties }) => properties["email"])).toEqual([a]);
    expect((await search(filter("email", "IN", [a ?? "", b ?? ""]))).total).toBe(2);
    const instant = all[20]?.properties["lastmodifieddate"] ?? "";
    const later = all.filter(({ properties }) => (properties["lastmodifieddate"] ?? "") >= instant);
    expect(idsOf((await search(filter("lastmodifieddate", "GTE", String(Date.parse(instant))))).results)).toEqual(idsOf(later));
    expect((await search(filter("createdate", "LTE", all[20]?.createdAt ?? ""))).total).toBe(21);
  });

  it("pages through everything once", async () => {
    const ids: string[] = [];
    for (let after: string | undefined = "0"; after !== undefined;) {
      const page: List = await search({
        limit: 50,
        after,
        sorts: [{ propertyName: "lastmodifieddate", direction: "DESCENDING" }],
      });
      ids.push(...idsOf(page.results));
      after = page.paging?.next.after;
    }
    expect(ids.toSorted()).toEqual(idsOf(await walk("limit=100")).toSorted());
  });

  it.each([
    ["beyond the window of 10,000", { limit: 100, after: "9901" }],
    ["more than 200 a page", { limit: 201 }],
    [
      "too many filters",
      { filterGroups: Array.from({ length: 6 }, () => ({ filters: [{ propertyName: "email", operator: "HAS_PROPERTY" }] })) },
    ],
    ["an unknown operator", filter("email", "LIKE", "a")],
  ])("refuses %s", async (_what, body) => {
    const { status, json } = await send(`${CONTACTS}/search`, { body });
    expect([status, json()["category"]]).toEqual([400, "VALIDATION_ERROR"]);
  });

  it("shows the last row inside the window and nothing past it", async () => {
    expect((await send(`${CONTACTS}/search`, { body: { limit: 100, after: "9900" } })).status).toBe(200);
  });
});

describe("hubspot writes", () => {
  it("change a contact, move its modification date, and are forgotten on reset", async () => {
    const [contact] = (await send(`${CONTACTS}?limit=1&properties=phone`)).json<List>().results;
    const path = `${CONTACTS}/${contact?.id}`;
    const properties = { email: "new@example.org", phone: "" };
    const changed = (await send(path, { method: "PATCH", body: { properties } })).json<Contact>();
    expect(changed.properties).toMatchObject({ email: "new@example.org", phone: null });
    expect(Date.parse(changed.updatedAt)).toBeGreaterThan(Date.parse(contact?.updatedAt ?? ""));
    await control(sandbox, "reset", { method: "POST" });
    await signIn(sandbox);
    expect((await send(`${path}?properties=phone`)).json()).toEqual(contact);
  });

  it("show in a search some seconds later, as its index takes them in", async () => {
    const [contact] = (await send(`${CONTACTS}?limit=1`, {}, limited)).json<List>().results;
    const properties = { email: "new@example.org" };
    await send(`${CONTACTS}/${contact?.id}`, { method: "PATCH", body: { properties } }, limited);
    const filters = [{ propertyName: "email", operator: "EQ", value: "NEW@example.org" }];
    const found = async () =>
      (await send(`${CONTACTS}/search`, { body: { filterGroups: [{ filters }] } }, limited)).json<List>().total;
    expect(await found()).toBe(0);
    now += 5_000;
    expect(await found()).toBe(1);
  });

  it("refuse a property that does not exist", async () => {
    const [id] = idsOf(await walk("limit=100"));
    const { status, json } = await send(`${CONTACTS}/${id}`, { method: "PATCH", body: { properties: { nonsense: "1" } } });
    expect([status, json<{ errors: Body[] }>().errors[0]?.["code"]]).toEqual([400, "PROPERTY_DOESNT_EXIST"]);
  });

  it("archive a contact", async () => {
    const [id] = idsOf(await walk("limit=100"));
    expect((await send(`${CONTACTS}/${id}`, { method: "DELETE" })).status).toBe(204);
    expect((await send(`${CONTACTS}/${id}`)).status).toBe(404);
    expect(idsOf(await walk("limit=100"))).not.toContain(id);
    expect(idsOf(await walk("archived=true"))).toEqual([id]);
  });
});

describe("hubspot limits", () => {
  it("lets 190 through in any ten seconds, counts down in its headers and words the refusal", async () => {
    const get = () => send(`${CONTACTS}?limit=1`, {}, limited);
    const { headers } = await get();
    const header = (name: string) => headers.get(`x-hubspot-ratelimit-${name}`);
    expect([header("max"), header("remaining"), header("interval-milliseconds")]).toEqual(["190", "189", "10000"]);
    now += 5000;
    await Promise.all(Array.from({ length: 189 }, get));
    const refused = await get();
    expect([refused.status, refused.headers.get("retry-after"), refused.headers.get("x-hubspot-ratelimit-remaining")]).toEqual([
      429,
      null,
      "0",
    ]);
    expect(refused.json()).toEqual({
      status: "error",
      message: "You have reached your ten_secondly_rolling limit.",
      errorType: "RATE_LIMIT",
      correlationId: expect.any(String),
      policyName: "TEN_SECONDLY_ROLLING",
      requestId: expect.any(String),
    });
    now += 5000;
    expect([(await get()).status, (await get()).status]).toEqual([200, 429]);
  });

  it("lets five searches a second through, without limit headers", async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => send(`${CONTACTS}/search`, { body: {} }, limited)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 200, 200, 200, 429]);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.json()["policyName"]).toBe("SECONDLY");
    expect(answers.every(({ headers }) => !headers.has("x-hubspot-ratelimit-max"))).toBe(true);
  });
});
