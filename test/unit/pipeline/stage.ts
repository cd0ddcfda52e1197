import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { z } from "zod";
import { parseJson } from "../../../src/core/json.ts";
import type { Clock } from "../../../src/core/ports.ts";
import { type Catalog, createCatalog } from "../../../src/source/catalog.ts";
import type { Collection } from "../../../src/source/collection.ts";
import * as t from "../../../src/source/index.ts";
import type { UpstreamRequest } from "../../../src/source/request.ts";
import type { CallContext } from "../../../src/upstream/context.ts";
import type { Upstream, UpstreamResponse } from "../../../src/upstream/upstream.ts";

const client = { baseUrl: "https://example.com", auth: t.bearer({ secret: "TOKEN" }), limits: [] };
const pages = t.cursorPages({ next: "next", cursorParameter: "at", sizeParameter: "size", maxPageSize: 100 });
const nothing = t.literal(null);
const listing = (name: string, items: string, more: { total?: string; days?: number } = {}) => ({
  request: ({ from, to }: { from: string; to: string }) => t.get(`${name}.list`, `/${name}`, { from, to }),
  items,
  pages,
  order: "oldest-first" as const,
  ...more,
});
const lookup = (name: string) => t.eachLookup({ request: key => t.get(`${name}.get`, `/${name}/${key}`) });
const related = (name: string) =>
  t.relatedEach({ request: () => t.get(`${name}.of`, `/${name}`), items: "items[*]", pages, order: "oldest-first" });
const freshness = { cacheMs: 1000 };

const people = t.collection({
  canonical: "Customer",
  contract: z.object({
    id: z.union([z.string(), z.int()]),
    name: z.string().nullish(),
    mail: z.string().nullish(),
    since: t.wireInteger().nullish(),
  }),
  list: listing("people", "teams[*].people[*]"),
  lookup: lookup("people"),
  freshness,
  identity: { onePerCustomer: false },
  survivorship: { rank: 1 },
  map: {
    key: t.key("id"),
    name: t.text("name"),
    email: t.email("mail"),
    phone: nothing,
    company: nothing,
    country: nothing,
    status: nothing,
    createdAt: t.epochSeconds("since"),
  },
});

const accounts = t.collection({
  canonical: "Customer",
  contract: z.object({
    id: z.string(),
    owner: z.string().nullish(),
    title: z.string().nullish(),
    land: z.string().nullish(),
    since: t.wireInteger().nullish(),
  }),
  list: listing("accounts", "items[*]", { total: "total" }),
  lookup: lookup("accounts"),
  freshness,
  identity: { onePerCustomer: true, keys: { "crm.people": t.ref("owner") } },
  survivorship: { rank: 2, fields: { country: 0 } },
  map: {
    key: t.key("id"),
    name: t.text("title"),
    email: nothing,
    phone: nothing,
    company: nothing,
    country: t.country("land"),
    status: nothing,
    createdAt: t.epochSeconds("since"),
  },
});

const bills = t.collection({
  canonical: "Invoice",
  contract: z.object({ id: z.string(), account: z.string().nullish(), cents: t.wireInteger(), money: z.string() }),
  list: listing("bills", "items[*]"),
  owner: "accounts",
  related: related("bills"),
  freshness,
  map: {
    key: t.key("id"),
    customer: t.ref("account"),
    number: nothing,
    amount: t.minorUnits("cents", "money"),
    currency: t.currency("money"),
    status: nothing,
    issuedAt: nothing,
    dueAt: nothing,
    paidAt: nothing,
  },
});

const days = t.collection({
  canonical: "UsageDay",
  contract: z.object({ account: z.string(), day: z.string(), calls: t.wireInteger() }),
  list: listing("days", "items[*]", { days: 7 }),
  owner: "accounts",
  related: related("days"),
  freshness,
  map: {
    key: t.joined(":", "account", "day"),
    customer: t.ref("account"),
    day: t.date("day"),
    sessions: nothing,
    activeMinutes: nothing,
    apiCalls: t.long("calls"),
    events: nothing,
  },
});

const define = (name: string, collections: Readonly<Record<string, Collection>>) =>
  t.defineSource({ name, title: name, version: "1", client, collections });

/** Two small sources: people in teams, and accounts with bills and days. */
export const catalog: Catalog = createCatalog([define("shop", { accounts, bills, days }), define("crm", { people })]);

/** What a fake source answers: by collection the bodies of its pages, as JSON text; an error is thrown in place of a page. */
export type Script = Readonly<Record<string, readonly (string | Error)[]>>;

/** The pages of one collection as JSON text, each with the cursor of the next. `records` may be JSON text where digits matter. */
export const items = (...recordsOfPages: (readonly object[] | string)[]): string[] =>
  recordsOfPages.map((records, index) => {
    const next = index + 1 < recordsOfPages.length ? `, "next": "${index + 1}"` : "";
    return `{"items": ${typeof records === "string" ? records : JSON.stringify(records)}${next}}`;
  });

/** The people of one page, spread over teams of two. */
export const teams = (...people: readonly object[]): string => {
  const groups = Array.from({ length: Math.ceil(people.length / 2) }, (_, index) => ({
    people: people.slice(index * 2, index * 2 + 2),
  }));
  return JSON.stringify({ teams: [...groups, { people: [] }] });
};

export const NOW_MS = Date.UTC(2026, 0, 31, 9);
/** Ticks one second a reading, so that later things are later. */
export function steppingClock(startsAtMs = NOW_MS): Clock {
  let nowMs = startsAtMs;
  return { nowMs: () => (nowMs += 1000), sleep: () => Promise.resolve() };
}

/** Upstreams that answer from a script and note what they were asked. */
export function scripted(script: Script, clock: Clock = steppingClock()) {
  const asked: { request: UpstreamRequest; context: CallContext }[] = [];
  const upstreams = (source: string): Upstream => {
    const send = (request: UpstreamRequest, context: CallContext): Promise<UpstreamResponse> => {
      asked.push({ request, context });
      if (context.signal.aborted) return Promise.reject(context.signal.reason as Error);
      const page = script[request.operation.split(".")[0]!]?.[Number(request.query?.["at"] ?? 0)] ?? `{"items": [], "teams": []}`;
      return page instanceof Error ? Promise.reject(page) : Promise.resolve(responseOf(page, clock.nowMs()));
    };
    return { source: catalog.sources.find(({ name }) => name === source), send } as unknown as Upstream;
  };
  return { upstreams, asked };
}

const headers = {
  "content-type": "application/json",
  "set-cookie": "session=hidden",
  "x-request-id": "r1",
  authorization: "hidden",
};
const responseOf = (text: string, receivedAtMs: number): UpstreamResponse => ({
  status: 200,
  headers,
  text,
  body: parseJson(text),
  problems: [],
  receivedAtMs,
  attempts: 1,
});

const homes: string[] = [];
/** A new empty folder for state. */
export async function newHome(): Promise<string> {
  const home = await mkdtemp(`${tmpdir()}/tributary-pipeline-`);
  homes.push(home);
  return home;
}
export async function removeHomes(): Promise<void> {
  for (const home of homes.splice(0)) await rm(home, { recursive: true, force: true });
}
