import { z } from "zod";
import * as t from "../../src/source/index.ts";

const account = z.object({
  id: z.string(),
  displayName: z.string().nullable(),
  ownerEmail: z.string().nullable(),
  ownerPhone: z.string().nullable(),
  companyName: z.string().nullable(),
  countryCode: z.string().nullable(),
  state: z.string().nullable(),
  createdAt: z.int().nullable(),
  billingCustomerId: z.string().nullable(),
});

const usageDay = z.object({
  accountId: z.string(),
  day: z.string(),
  sessions: z.int().nullable(),
  activeMinutes: z.union([z.string(), t.wireNumber()]).nullable(),
  apiCalls: t.wireInteger().nullable(),
  events: z.int().nullable(),
});

const accountFields = Object.keys(account.shape).join(" ");
const usageFields = Object.keys(usageDay.shape).join(" ");

const listAccounts = `query Accounts($first: Int!, $after: String) {
  accounts(first: $first, after: $after) { nodes { ${accountFields} } pageInfo { hasNextPage endCursor } }
}`;
const accountsByIds = `query AccountsByIds($ids: [ID!]!) { accountsByIds(ids: $ids) { ${accountFields} } }`;
const listUsage = `query Usage($first: Int!, $after: String, $from: Date, $to: Date) {
  usageDaily(first: $first, after: $after, from: $from, to: $to) { nodes { ${usageFields} } pageInfo { hasNextPage endCursor } }
}`;
const usageByAccounts = `query UsageByAccounts($ids: [ID!]!, $from: Date!, $to: Date!) {
  accountsByIds(ids: $ids) { id usage(from: $from, to: $to) { ${usageFields} } }
}`;

const DAY_MS = 86_400_000;
/** The most that one query may cost, and the most accounts that it may name. */
const MAX_COST = 1000;
const MAX_ACCOUNTS = 100;
/** The provider counts one point for an account and one for ten days of its usage. */
const costOfAccount = (days: { from: string; to: string }): number =>
  1 + Math.ceil((Date.parse(days.to) - Date.parse(days.from) + DAY_MS) / DAY_MS / 10);

export default t.defineSource({
  name: "product",
  title: "Product service",
  version: "2026-01",
  client: {
    baseUrl: "https://product.example.com",
    auth: t.bearer({ secret: "PRODUCT_API_TOKEN" }),
    limits: [t.costBucket({ capacity: 2000, restorePerSecond: 100 })],
    learned: {
      cost: { available: "extensions.cost.throttleStatus.currentlyAvailable", actual: "extensions.cost.actualQueryCost" },
    },
    failures: { errors: "errors", throttled: { path: "extensions.code", equals: "THROTTLED" } },
  },
  collections: {
    accounts: t.collection({
      canonical: "Customer",
      contract: account,
      list: {
        request: () => t.graphqlQuery("accounts.list", "/graphql", listAccounts, {}, 251),
        items: "data.accounts.nodes[*]",
        pages: t.relayPages({
          pageInfo: "data.accounts.pageInfo",
          afterParameter: "after",
          sizeParameter: "first",
          maxPageSize: 250,
        }),
        order: "oldest-first",
      },
      lookup: t.batchLookup({
        max: MAX_ACCOUNTS,
        request: ids => t.graphqlQuery("accounts.byIds", "/graphql", accountsByIds, { ids }, ids.length + 1),
        items: "data.accountsByIds[*]",
      }),
      freshness: { cacheMs: 30_000, mirrorMs: 900_000 },
      identity: { onePerCustomer: true, keys: { "stripe.customers": t.ref("billingCustomerId") } },
      survivorship: { rank: 3, fields: { email: 2, status: 0 } },
      map: {
        key: t.key("id"),
        name: t.text("displayName"),
        email: t.email("ownerEmail"),
        phone: t.phone("ownerPhone", "countryCode"),
        company: t.text("companyName"),
        country: t.country("countryCode"),
        status: t.enumOf("state", {
          trial: "TRIAL",
          trialing: "TRIAL",
          active: "ACTIVE",
          "1": "ACTIVE",
          past_due: "PAST_DUE",
          suspended: "PAST_DUE",
          closed: "CHURNED",
          "0": "CHURNED",
        }),
        createdAt: t.epochMillis("createdAt"),
      },
    }),
    usage: t.collection({
      canonical: "UsageDay",
      contract: usageDay,
      list: {
        request: window => t.graphqlQuery("usage.list", "/graphql", listUsage, { from: window.from, to: window.to }, 101),
        items: "data.usageDaily.nodes[*]",
        pages: t.relayPages({
          pageInfo: "data.usageDaily.pageInfo",
          afterParameter: "after",
          sizeParameter: "first",
          maxPageSize: 1000,
        }),
        order: "oldest-first",
        days: 30,
      },
      owner: "accounts",
      related: t.relatedBatch({
        max: days => Math.min(MAX_ACCOUNTS, Math.floor((MAX_COST - 1) / costOfAccount(days))),
        request: (ids, { from, to }) =>
          t.graphqlQuery(
            "usage.byAccounts",
            "/graphql",
            usageByAccounts,
            { ids, from, to },
            ids.length * costOfAccount({ from, to }) + 1,
          ),
        items: "data.accountsByIds[*].usage[*]",
        owners: "data.accountsByIds[*].id",
      }),
      freshness: { cacheMs: 30_000 },
      map: {
        key: t.joined(":", "accountId", "day"),
        customer: t.ref("accountId"),
        day: t.date("day"),
        sessions: t.int("sessions"),
        activeMinutes: t.decimal("activeMinutes"),
        apiCalls: t.long("apiCalls"),
        events: t.int("events"),
      },
    }),
  },
  streams: {
    changes: {
      transport: "websocket",
      path: "/changes",
      resume: { position: "sequence", in: "query", name: "after" },
      forgottenCode: 4410,
      stallMs: 30_000,
      events: {
        type: "type",
        identity: ["sequence", "at"],
        occurredAt: { path: "at", format: "epoch-ms" },
        kinds: [{ types: ["account.updated"], collection: "accounts", key: "accountId" }],
      },
    },
  },
});
