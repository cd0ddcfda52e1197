import { afterEach, describe, expect, it } from "@jest/globals";
import product from "../../../datasources/product/sandbox.ts";
import zendesk from "../../../datasources/zendesk/sandbox.ts";
import { createPopulation } from "../../../src/sandbox/population.ts";
import { startSandbox } from "../../../src/sandbox/server.ts";
import type { Sandbox } from "../../../src/sandbox/server.ts";
import { rates } from "./rates.ts";

interface Row {
  readonly id: number;
  readonly [field: string]: unknown;
}
interface Page {
  readonly users?: readonly Row[];
  readonly tickets?: readonly Row[];
  readonly meta: { readonly has_more: boolean; readonly after_cursor: string | null; readonly before_cursor: string | null };
  readonly links: { readonly next: string | null; readonly prev: string | null };
  readonly count: number;
  readonly next_page: string | null;
  readonly previous_page: string | null;
  readonly after_cursor: string;
  readonly after_url: string;
  readonly end_of_stream: boolean;
  readonly user: Row;
  readonly ticket: Row;
}

const NOON = Date.UTC(2026, 10, 20, 12);
const opened: Sandbox[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(sandbox => sandbox.close()));
});

interface Desk {
  readonly sandbox: Sandbox;
  readonly send: (path: string, init?: RequestInit) => Promise<Response>;
  readonly read: (path: string) => Promise<Page>;
  readonly put: (path: string, body: unknown) => Promise<Response>;
  readonly wait: (ms: number) => void;
}

async function openDesk({ customers = 40, quotas = false } = {}): Promise<Desk> {
  let nowMs = NOON;
  const sandbox = await startSandbox({ port: 0, seed: 7, customers, quotas, clock: () => nowMs, imitations: [zendesk, product] });
  opened.push(sandbox);
  const { ZENDESK_BASE_URL, ZENDESK_EMAIL, ZENDESK_API_TOKEN } = sandbox.environment;
  const authorization = `Basic ${Buffer.from(`${ZENDESK_EMAIL}/token:${ZENDESK_API_TOKEN}`).toString("base64")}`;
  const urlOf = (path: string) => (path.startsWith("http") ? path : `${ZENDESK_BASE_URL}/api/v2${path}`);
  const send = (path: string, init: RequestInit = {}) =>
    fetch(urlOf(path), { ...init, headers: { authorization, ...(init.headers as Record<string, string> | undefined) } });
  const read = async (path: string) => {
    const response = await send(path);
    expect(response.status).toBe(200);
    return (await response.json()) as Page;
  };
  const put = (path: string, body: unknown) =>
    send(path, { method: "PUT", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
  return { sandbox, send, read, put, wait: ms => void (nowMs += ms) };
}

const idsOf = (page: Page) => (page.users ?? page.tickets ?? []).map(row => row.id);

async function idsByCursor({ read }: Desk, path: string, size: number): Promise<number[]> {
  const ids: number[] = [];
  for (let cursor: string | null = ""; ;) {
    const page: Page = await read(`${path}?page[size]=${size}${cursor === "" ? "" : `&page[after]=${cursor}`}`);
    ids.push(...idsOf(page));
    if (!page.meta.has_more) return ids;
    cursor = page.meta.after_cursor;
  }
}

async function idsByLink({ read }: Desk, path: string, name: "next_page" | "after_url"): Promise<number[]> {
  const ids: number[] = [];
  for (let next: string | null = path; next !== null;) {
    const page: Page = await read(next);
    ids.push(...idsOf(page));
    next = page.end_of_stream ? null : page[name];
  }
  return ids;
}

const ascending = (ids: readonly number[]) => [...new Set(ids)].sort((a, b) => a - b);
const presentPeople = (customers: number) => createPopulation({ seed: 7, size: customers, rates }).traces("zendesk").length;

describe("zendesk imitation: listings", () => {
  it.each([1, 2, 100])("gives each user once, by cursor, %i a page", async size => {
    const ids = await idsByCursor(await openDesk(), "/users.json", size);
    expect(ids).toEqual(ascending(ids));
    expect(ids).toHaveLength(presentPeople(40));
  });

  it.each([1, 2, 100])("gives each ticket once, by number and by cursor, %i a page", async size => {
    const desk = await openDesk({ customers: 12 });
    const numbered = await idsByLink(desk, `/tickets?per_page=${size}`, "next_page");
    expect(numbered).toEqual(ascending(numbered));
    expect(await idsByCursor(desk, "/tickets", size)).toEqual(numbered);
    expect(numbered).toHaveLength((await desk.read("/tickets.json")).count);
  });

  it("reads backwards from a cursor", async () => {
    const { read } = await openDesk();
    const first = await read("/users?page[size]=3");
    const second = await read(`/users?page[size]=3&page[after]=${first.meta.after_cursor}`);
    const back = await read(second.links.prev ?? "");
    expect(idsOf(back)).toEqual(idsOf(first));
    expect(back.meta.has_more).toBe(false);
  });

  it("gives every requester's tickets by cursor, which together are all tickets", async () => {
    const desk = await openDesk({ customers: 12 });
    const users = await idsByCursor(desk, "/users", 100);
    const lists = await Promise.all(users.map(id => idsByCursor(desk, `/users/${id}/tickets/requested.json`, 2)));
    expect(lists.flat()).toEqual(await idsByCursor(desk, "/tickets", 100));
  });

  it("serves 10,000 records by number and refuses the next page, which cursors reach", async () => {
    const { read, send } = await openDesk({ customers: 3000 });
    const last = await read("/tickets?page=100");
    expect(last.count).toBeGreaterThan(10_000);
    expect(idsOf(last)).toHaveLength(100);
    const beyond = await send(last.next_page ?? "");
    expect(beyond.status).toBe(400);
    expect(await beyond.json()).toMatchObject({ error: "InvalidPaginationDepth" });
    const after = Buffer.from(`tickets:${idsOf(last).at(-1)}`).toString("base64url");
    expect(idsOf(await read(`/tickets?page[size]=5&page[after]=${after}`))).toHaveLength(5);
  });

  it.each([
    "/users?page[size]=101",
    "/users?page[size]=0",
    "/users?page[size]=2&page[after]=bm90OjE",
    "/users?page=first",
    "/users/abc",
  ])("refuses %s with an error object", async path => {
    const response = await (await openDesk()).send(path);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { title: "Invalid attribute", message: expect.any(String) } });
  });
});

describe("zendesk imitation: records", () => {
  it("leaves unknown ids out of show_many, repeats nothing and keeps its own order", async () => {
    const { read } = await openDesk();
    const [first = 0, second = 0] = idsOf(await read("/users?page[size]=2"));
    const page = await read(`/users/show_many.json?ids=${second},9999999999999,${first},${second},nonsense`);
    expect(idsOf(page)).toEqual([first, second]);
    const tickets = idsOf(await read("/tickets?page[size]=2"));
    expect(idsOf(await read(`/tickets/show_many?ids=${tickets.toReversed().join(",")},1`))).toEqual(tickets);
  });

  it("refuses more than a hundred ids", async () => {
    const ids = Array.from({ length: 101 }, (_empty, at) => 9_000_000_000 + at).join(",");
    expect((await (await openDesk()).send(`/users/show_many?ids=${ids}`)).status).toBe(400);
  });

  it("finds the first customer by product id and by e-mail, with tickets of which one is open", async () => {
    const { read } = await openDesk();
    const { keys } = createPopulation({ seed: 7, size: 40, rates });
    const uuid = keys.uuid("product.accounts").of(0);
    const [user] = (await read(`/users/show_many?external_ids=${uuid},${keys.uuid("other").of(1)}`)).users ?? [];
    expect(user).toMatchObject({
      external_id: uuid,
      email: "amelie.oneill@harbourfreight.example",
      user_fields: { country: "GB" },
    });
    expect(idsOf(await read('/users/search?query=email:"Amelie.ONeill@harbourfreight.example"'))).toEqual([user?.id]);
    expect(idsOf(await read(`/users/search?external_id=${uuid}`))).toEqual([user?.id]);
    const tickets = (await read(`/users/${user?.id}/tickets/requested?page[size]=100`)).tickets ?? [];
    expect(tickets.length).toBeGreaterThanOrEqual(3);
    expect(tickets.map(ticket => ticket["status"])).toContain("open");
    expect(await read(`/users/${user?.id}.json`)).toEqual({ user });
    expect(await read(`/tickets/${tickets[0]?.id}.json`)).toEqual({ ticket: tickets[0] });
  });

  it("lists the user that the truth names", async () => {
    const population = createPopulation({ seed: 7, size: 40, rates });
    const truth = Array.from({ length: 40 }, (_empty, person) => zendesk.records(population, person)).flat();
    expect(truth.map(({ key }) => Number(key)).sort((a, b) => a - b)).toEqual(await idsByCursor(await openDesk(), "/users", 100));
  });

  it("states the product's UUID on about 60 % of users and spells times and statuses in several ways", async () => {
    const { read } = await openDesk({ customers: 3000 });
    const users: Row[] = [];
    for (let page = 1; page <= 18; page++) users.push(...((await read(`/users?page=${page}`)).users ?? []));
    const linked = users.filter(user => user["external_id"] !== null).length / users.length;
    expect(linked).toBeGreaterThan(0.55);
    expect(linked).toBeLessThan(0.65);
    const tickets = (await Promise.all([1, 2, 3, 4, 5].map(page => read(`/tickets?page=${page}`)))).flatMap(
      page => page.tickets ?? [],
    );
    const zones = new Set(tickets.map(ticket => String(ticket["created_at"]).slice(19)));
    expect(zones).toEqual(new Set(["Z", "+02:00", "-05:00", "+09:00", "+05:30"]));
    const words = new Set(tickets.map(ticket => ticket["status"]));
    expect([...words]).toEqual(expect.arrayContaining(["open", "OPEN", "new", "pending", "hold", "solved", "closed", "CLOSED"]));
    expect(tickets.every(({ created_at, updated_at }) => Date.parse(String(updated_at)) >= Date.parse(String(created_at)))).toBe(
      true,
    );
  });

  it("answers 404 with an error name for an unknown record or path and 401 for a wrong token", async () => {
    const { send } = await openDesk();
    for (const path of ["/users/9999999999999", "/tickets/9999999999999", "/users/9999999999999/tickets/requested"]) {
      const response = await send(path);
      expect(response.status).toBe(404);
      expect(await response.json()).toEqual({ error: "RecordNotFound", description: expect.any(String) });
    }
    expect((await send("/nothing")).status).toBe(404);
    const refused = await send("/users", { headers: { authorization: "Basic bm9ib2R5OnNlY3JldA==" } });
    expect(refused.status).toBe(401);
    expect(await refused.json()).toEqual({ error: "Couldn't authenticate you" });
  });
});

describe("zendesk imitation: changes and exports", () => {
  it("exports every record once, in the order of change, and ends", async () => {
    const desk = await openDesk();
    for (const name of ["users", "tickets"]) {
      const ids = await idsByLink(desk, `/incremental/${name}/cursor.json?start_time=0&per_page=7`, "after_url");
      expect(ascending(ids)).toEqual(await idsByCursor(desk, `/${name}`, 100));
      expect(ids).toHaveLength(ascending(ids).length);
    }
    const { users = [] } = await desk.read("/incremental/users/cursor?start_time=0");
    const times = users.map(user => Date.parse(String(user["updated_at"])));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it("moves a changed record to the end of the export a minute later, once", async () => {
    const desk = await openDesk();
    const drained = await desk.read("/incremental/users/cursor?start_time=0");
    expect(drained.end_of_stream).toBe(true);
    const [id = 0] = idsOf(drained);
    const { user } = (await (await desk.put(`/users/${id}.json`, { user: { name: "New Name" } })).json()) as Page;
    expect(user).toMatchObject({ id, name: "New Name", updated_at: "2026-11-20T12:00:00Z" });
    const next = `/incremental/users/cursor?cursor=${drained.after_cursor}`;
    expect(await desk.read(next)).toMatchObject({ users: [], end_of_stream: true, after_cursor: drained.after_cursor });
    desk.wait(61_000);
    expect(await desk.read(next)).toMatchObject({ users: [{ id, name: "New Name" }], end_of_stream: true });
    const all = await idsByLink(desk, "/incremental/users/cursor?start_time=0&per_page=5", "after_url");
    expect(all).toHaveLength(presentPeople(40));
    expect(all.at(-1)).toBe(id);
  });

  it("ends although the very first record was changed", async () => {
    const desk = await openDesk();
    const [id = 0] = idsOf(await desk.read("/users?page[size]=1"));
    await desk.put(`/users/${id}.json`, { user: { name: "New Name" } });
    const drained = await desk.read("/incremental/users/cursor?start_time=0");
    expect(drained.end_of_stream).toBe(true);
    expect(idsOf(drained)).not.toContain(id);
  });

  it("starts at the instant asked for, and refuses a start within the last minute or none", async () => {
    const { read, send } = await openDesk();
    const { tickets = [] } = await read("/incremental/tickets/cursor?start_time=0");
    const middle = tickets[Math.floor(tickets.length / 2)];
    const start = Date.parse(String(middle?.["updated_at"])) / 1000;
    const later = await read(`/incremental/tickets/cursor?start_time=${start}`);
    expect(later.tickets?.[0]?.id).toBe(middle?.id);
    expect(later.tickets).toHaveLength(tickets.length - Math.floor(tickets.length / 2));
    expect((await send(`/incremental/tickets/cursor?start_time=${NOON / 1000 - 59}`)).status).toBe(422);
    expect((await send("/incremental/tickets/cursor")).status).toBe(400);
    expect((await send("/incremental/tickets/cursor?cursor=dXNlcnM6MQ")).status).toBe(400);
  });

  it("changes tickets, refuses a status that is none, and forgets all on reset", async () => {
    const { sandbox, read, put } = await openDesk();
    const before = (await read("/tickets?page[size]=1")).tickets?.[0];
    const path = `/tickets/${before?.id}`;
    expect((await put(path, { ticket: { status: "lost" } })).status).toBe(422);
    expect((await put(path, { status: "open" })).status).toBe(400);
    expect((await put(path, { ticket: { status: "hold", requester_id: 1 } })).status).toBe(200);
    const { ticket } = await read(path);
    expect(ticket).toMatchObject({ status: "hold", requester_id: before?.["requester_id"], updated_at: "2026-11-20T12:00:00Z" });
    await fetch(`${sandbox.origin}/__control/reset`, { method: "POST" });
    expect((await read(path)).ticket).toEqual(before);
  });
});

describe("zendesk imitation: limits", () => {
  it("counts 700 a minute from the first request, then answers 429 in plain text until the window closes", async () => {
    const { send, wait } = await openDesk({ quotas: true });
    const first = await send("/users?page[size]=1");
    expect(first.headers.get("x-rate-limit")).toBe("700");
    expect(first.headers.get("x-rate-limit-remaining")).toBe("699");
    wait(20_500);
    for (let burst = 0; burst < 7; burst++)
      await Promise.all(Array.from({ length: burst === 6 ? 99 : 100 }, () => send("/tickets/show_many?ids=1")));
    const refused = await send("/users");
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("40");
    expect(refused.headers.get("ratelimit-limit")).toBe("700");
    expect(refused.headers.get("ratelimit-remaining")).toBe("0");
    expect(refused.headers.get("ratelimit-reset")).toBe("40");
    expect(refused.headers.get("content-type")).toContain("text/plain");
    expect(await refused.text()).toBe("Number of allowed API requests per minute exceeded");
    wait(39_500);
    expect((await send("/users")).status).toBe(200);
  });

  it("allows a hundred listings of tickets a minute, and says on each how many are left", async () => {
    const { send, wait } = await openDesk({ quotas: true });
    const header = async () => (await send("/tickets?page[size]=1")).headers.get("zendesk-ratelimit-tickets-index");
    expect(await header()).toBe("total=100; remaining=99; resets=60");
    wait(19_000);
    await Promise.all(Array.from({ length: 98 }, () => send("/tickets?page[size]=1")));
    expect(await header()).toBe("total=100; remaining=0; resets=41");
    const refused = await send("/tickets?page[size]=1");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "41"]);
    expect((await send("/users")).status).toBe(200);
  });

  it("allows ten exports a minute, and a reset refills them", async () => {
    const { sandbox, send } = await openDesk({ quotas: true });
    const answers = [];
    for (let call = 0; call < 11; call++) answers.push(await send("/incremental/users/cursor?start_time=0"));
    expect(answers.map(({ status }) => status)).toEqual([...Array<number>(10).fill(200), 429]);
    expect(answers.at(-1)?.headers.get("retry-after")).toBe("60");
    expect((await send("/users")).status).toBe(200);
    await fetch(`${sandbox.origin}/__control/reset`, { method: "POST" });
    expect((await send("/incremental/users/cursor?start_time=0")).status).toBe(200);
  });
});
