import { z } from "zod";
import * as t from "../../src/source/index.ts";

const version = "2026-08-26.dahlia";

/** Only what is used. @see https://docs.stripe.com/api/customers/object */
const customer = z.object({
  id: z.string(),
  name: z.string().nullable(),
  email: z.string().nullable(),
  phone: z.string().nullable(),
  address: z.object({ country: z.string().nullable() }).nullable(),
  created: z.int(),
  delinquent: z.boolean().nullable(),
  metadata: z.object({ account_number: z.string().nullish(), company: z.string().nullish() }),
});

/** Only what is used. @see https://docs.stripe.com/api/invoices/object */
const invoice = z.object({
  id: z.string(),
  customer: z.string().nullable(),
  number: z.string().nullable(),
  total: t.wireInteger(),
  currency: z.string(),
  status: z.string().nullable(),
  created: z.int(),
  due_date: z.int().nullable(),
  status_transitions: z.object({ paid_at: z.int().nullable() }),
});

const pages = t.keysetPages({
  more: "has_more",
  key: "id",
  afterParameter: "starting_after",
  sizeParameter: "limit",
  maxPageSize: 100,
});

export default t.defineSource({
  name: "stripe",
  title: "Stripe",
  version,
  client: {
    baseUrl: "https://api.stripe.com",
    headers: { "Stripe-Version": version },
    auth: t.bearer({ secret: "STRIPE_API_KEY" }),
    limits: [t.window({ requests: 100, windowMs: 1000 }), t.window({ requests: 25, windowMs: 1000, per: "operation" })],
    failures: {
      retryHint: "Stripe-Should-Retry",
      retryStatuses: [409],
      forms: [
        // A 429 for one object that somebody else is writing, not for the rate.
        { statuses: [429], body: { path: "error.code", equals: "lock_timeout" }, means: "busy" },
        { statuses: [400], body: { path: "error.code", equals: "rate_limit" }, means: "throttled" },
      ],
    },
  },
  // Thin or not, an event is a hint: the object is asked for. @see https://docs.stripe.com/webhooks
  webhooks: {
    signature: t.pairsSignature("Stripe-Signature"),
    events: {
      type: "type",
      identity: ["id"],
      occurredAt: { path: "created", format: "epoch-seconds" },
      kinds: [
        {
          types: ["customer.created", "customer.updated", "customer.deleted"],
          collection: "customers",
          key: "data.object.id",
          deletions: ["customer.deleted"],
        },
        { types: ["invoice.*"], collection: "invoices", key: "data.object.id", deletions: ["invoice.deleted"] },
      ],
    },
  },
  collections: {
    customers: t.collection({
      canonical: "Customer",
      contract: customer,
      list: { request: () => t.get("customers.list", "/v1/customers"), items: "data[*]", pages, order: "newest-first" },
      lookup: t.eachLookup({ request: key => t.get("customers.get", `/v1/customers/${encodeURIComponent(key)}`) }),
      tombstone: { path: "deleted", equals: true },
      freshness: { cacheMs: 30_000, mirrorMs: 900_000 },
      identity: { onePerCustomer: true, keys: { account_number: t.ref("metadata.account_number") } },
      survivorship: { rank: 2, fields: { email: 3 } },
      map: {
        key: t.key("id"),
        name: t.text("name"),
        email: t.email("email"),
        phone: t.phone("phone", "address.country"),
        company: t.text("metadata.company"),
        country: t.country("address.country"),
        status: t.enumOf("delinquent", { true: "PAST_DUE", false: "ACTIVE" }),
        createdAt: t.epochSeconds("created"),
      },
    }),
    invoices: t.collection({
      canonical: "Invoice",
      contract: invoice,
      list: { request: () => t.get("invoices.list", "/v1/invoices"), items: "data[*]", pages, order: "newest-first" },
      lookup: t.eachLookup({ request: key => t.get("invoices.get", `/v1/invoices/${encodeURIComponent(key)}`) }),
      owner: "customers",
      related: t.relatedEach({
        request: customerKey => t.get("invoices.list", "/v1/invoices", { customer: customerKey }),
        items: "data[*]",
        pages,
        order: "newest-first",
      }),
      freshness: { cacheMs: 30_000, mirrorMs: 1_800_000 },
      map: {
        key: t.key("id"),
        customer: t.ref("customer"),
        number: t.text("number"),
        amount: t.minorUnits("total", "currency"),
        currency: t.currency("currency"),
        status: t.enumOf("status", { draft: "DRAFT", open: "OPEN", paid: "PAID", void: "VOID", uncollectible: "UNCOLLECTIBLE" }),
        issuedAt: t.epochSeconds("created"),
        dueAt: t.epochSeconds("due_date"),
        paidAt: t.epochSeconds("status_transitions.paid_at"),
      },
    }),
  },
});
