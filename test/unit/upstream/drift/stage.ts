import { z } from "zod";
import { createCatalog, type CatalogEntry } from "../../../../src/source/catalog.ts";
import type { Drift } from "../../../../src/source/drift.ts";
import * as t from "../../../../src/source/index.ts";

const pages = t.cursorPages({ next: "next", cursorParameter: "at", sizeParameter: "size", maxPageSize: 1_000 });
const freshness = { cacheMs: 1_000 };
const nothing = t.literal(null);

export interface Variant {
  readonly drift?: Drift;
  readonly personal?: readonly string[];
  readonly maxQuarantinedShare?: number;
}

const accounts = t.collection({
  canonical: "Customer",
  contract: z.object({ id: z.string(), who: z.object({ mail: z.string(), full: z.string() }), plan: z.enum(["free", "paid"]) }),
  list: { request: () => t.get("accounts.list", "/accounts"), items: "items[*]", pages, order: "oldest-first" },
  lookup: t.eachLookup({ request: key => t.get("accounts.get", `/accounts/${key}`) }),
  freshness,
  identity: { onePerCustomer: true },
  survivorship: { rank: 1 },
  map: {
    key: t.key("id"),
    name: t.text("who.full"),
    email: t.email("who.mail"),
    phone: nothing,
    company: nothing,
    country: nothing,
    status: nothing,
    createdAt: nothing,
  },
});

/** A shop whose bills have every kind of field: nested, nullable, enumerated in the contract and in the mapping. */
export function shop(variant: Variant = {}) {
  const bills = t.collection({
    canonical: "Invoice",
    contract: z.object({
      id: z.string(),
      account: z.string().nullable(),
      cents: t.wireInteger(),
      money: z.string(),
      number: z.string().nullish(),
      state: z.string(),
      channel: z.enum(["web", "post"]),
      times: z.object({ made: z.int(), due: z.int().nullable() }),
      lines: z.array(z.object({ text: z.string() })),
    }),
    list: { request: () => t.get("bills.list", "/bills"), items: "items[*]", pages, order: "oldest-first" },
    lookup: t.eachLookup({ request: key => t.get("bills.get", `/bills/${key}`) }),
    owner: "accounts",
    related: t.relatedEach({ request: () => t.get("bills.of", "/bills"), items: "items[*]", pages, order: "oldest-first" }),
    freshness,
    ...variant,
    map: {
      key: t.key("id"),
      customer: t.ref("account"),
      number: t.text("number"),
      amount: t.minorUnits("cents", "money"),
      currency: t.currency("money"),
      status: t.enumOf("state", { open: "OPEN", paid: "PAID", odd: "UNKNOWN" }),
      issuedAt: t.epochSeconds("times.made"),
      dueAt: t.epochSeconds("times.due"),
      paidAt: nothing,
    },
  });
  const client = { baseUrl: "https://example.com", auth: t.noAuth(), limits: [] };
  const catalog = createCatalog([
    t.defineSource({ name: "shop", title: "Shop", version: "1", client, collections: { accounts, bills } }),
  ]);
  return { catalog, bills: catalog.get("shop.bills"), accounts: catalog.get("shop.accounts") };
}

/** A record that keeps what was agreed. */
export const soundBill = (id = "b1") => ({
  id,
  account: "a1",
  cents: 1050,
  money: "eur",
  number: "N-1",
  state: "open",
  channel: "web",
  times: { made: 1_700_000_000, due: null },
  lines: [{ text: "one" }, { text: "two" }],
});

export const billsUnder = (drift: Drift): CatalogEntry => shop({ drift }).bills;
