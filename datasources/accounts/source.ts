import { z } from "zod";
import * as t from "../../src/source/index.ts";

/** Only what is used. */
const customer = z.object({
  id: t.wireInteger(),
  name: z.string().nullable(),
  email: z.string().nullable(),
  phone: z.string().nullable(),
  company: z.string().nullable(),
  country: z.string().nullable(),
  status: z.string().nullable(),
  created_at: z.string(),
});

export default t.defineSource({
  name: "accounts",
  title: "Account service",
  version: "v2",
  client: {
    baseUrl: "https://api.example.com",
    auth: t.bearer({ secret: "ACCOUNTS_API_KEY" }),
    limits: [t.window({ requests: 300, windowMs: 60_000 }), t.concurrency({ max: 8 })],
    learned: { hasRateLimitFields: true },
  },
  collections: {
    customers: t.collection({
      canonical: "Customer",
      contract: customer,
      list: {
        request: () => t.get("customers.list", "/v2/customers"),
        items: "data[*]",
        pages: t.cursorPages({ next: "next_cursor", cursorParameter: "cursor", sizeParameter: "limit", maxPageSize: 100 }),
        order: "oldest-first",
        total: "total",
      },
      lookup: t.eachLookup({ request: key => t.get("customers.get", `/v2/customers/${encodeURIComponent(key)}`), item: "data" }),
      freshness: { cacheMs: 30_000, mirrorMs: 900_000 },
      identity: { onePerCustomer: true, keys: { account_number: t.ref("id") } },
      survivorship: { rank: 5 },
      map: {
        key: t.key("id"),
        name: t.text("name"),
        email: t.email("email"),
        phone: t.phone("phone", "country"),
        company: t.text("company"),
        country: t.country("country"),
        status: t.enumOf("status", {
          prospect: "LEAD",
          trial: "TRIAL",
          active: "ACTIVE",
          overdue: "PAST_DUE",
          closed: "CHURNED",
        }),
        createdAt: t.rfc3339("created_at"),
      },
    }),
  },
});
