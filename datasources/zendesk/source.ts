import { z } from "zod";
import * as t from "../../src/source/index.ts";

/** Only what is used. @see https://developer.zendesk.com/api-reference/ticketing/users/users/ */
const user = z.object({
  id: t.wireInteger(),
  name: z.string().nullable(),
  email: z.string().nullable(),
  phone: z.string().nullable(),
  external_id: z.string().nullable(),
  active: z.boolean().nullish(),
  created_at: z.string(),
  updated_at: z.string(),
  user_fields: z.object({ country: z.string().nullish(), company: z.string().nullish() }),
});

/** Only what is used. @see https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/ */
const ticket = z.object({
  id: t.wireInteger(),
  requester_id: t.wireInteger(),
  subject: z.string().nullable(),
  status: z.string(),
  priority: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
});

/** What changed, by the incremental export: nothing of the last minute, ten requests a minute. @see https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports/ */
const changesOf = (name: "users" | "tickets") =>
  ({
    field: "updated_at",
    fieldFormat: "rfc3339",
    format: "epoch-seconds",
    sees: "updates",
    isInclusive: true,
    safetyLagMs: 120_000,
    listing: {
      request: (since: string) => t.get(`${name}.changes`, `/api/v2/incremental/${name}/cursor`, { start_time: since }),
      items: `${name}[*]`,
      pages: t.cursorPages({
        next: "after_cursor",
        last: "end_of_stream",
        cursorParameter: "cursor",
        sizeParameter: "per_page",
        maxPageSize: 1000,
      }),
    },
  }) as const;

const pages = t.cursorPages({
  next: "meta.after_cursor",
  more: "meta.has_more",
  cursorParameter: "page[after]",
  sizeParameter: "page[size]",
  maxPageSize: 100,
});

export default t.defineSource({
  name: "zendesk",
  title: "Zendesk Support",
  version: "v2",
  client: {
    baseUrl: "https://example.zendesk.com",
    auth: t.basic({ user: "ZENDESK_EMAIL", userSuffix: "/token", secret: "ZENDESK_API_TOKEN" }),
    limits: [
      t.window({ requests: 700, windowMs: 60_000 }),
      t.window({ requests: 100, windowMs: 60_000, operations: ["tickets.list"] }),
      // The exports have a limit of their own, together.
      t.window({ requests: 10, windowMs: 60_000, operations: ["users.changes", "tickets.changes"] }),
    ],
    learned: {
      headers: [
        {
          limit: "X-Rate-Limit",
          remaining: "X-Rate-Limit-Remaining",
          reset: { header: "ratelimit-reset", unit: "delta-seconds" },
          windowMs: 60_000,
        },
      ],
      endpoints: [{ header: "zendesk-ratelimit-tickets-index", operations: ["tickets.list"] }],
    },
    failures: { retryStatuses: [409] },
  },
  // @see https://developer.zendesk.com/documentation/webhooks/verifying/
  webhooks: {
    signature: {
      header: "X-Zendesk-Webhook-Signature",
      form: { prefix: "" },
      encoding: "base64",
      signs: "{timestamp}{body}",
      timestamp: { from: { header: "X-Zendesk-Webhook-Signature-Timestamp" }, format: "rfc3339" },
    },
    events: {
      type: "type",
      identity: ["id"],
      occurredAt: { path: "time", format: "rfc3339" },
      kinds: [
        { types: ["zen:event-type:user.*"], collection: "users", key: "detail.id", deletions: ["zen:event-type:user.deleted"] },
        {
          types: ["zen:event-type:ticket.*"],
          collection: "tickets",
          key: "detail.id",
          deletions: ["zen:event-type:ticket.soft_deleted", "zen:event-type:ticket.permanently_deleted"],
        },
      ],
    },
  },
  collections: {
    users: t.collection({
      canonical: "Customer",
      contract: user,
      list: {
        request: () => t.get("users.list", "/api/v2/users"),
        items: "users[*]",
        pages,
        order: "oldest-first",
        watermark: changesOf("users"),
      },
      lookup: t.batchLookup({
        max: 100,
        request: keys => t.get("users.showMany", "/api/v2/users/show_many", { ids: keys.join(",") }),
        items: "users[*]",
      }),
      freshness: { cacheMs: 30_000, mirrorMs: 900_000 },
      identity: { onePerCustomer: true, keys: { "product.accounts": t.ref("external_id") } },
      survivorship: { rank: 4 },
      map: {
        key: t.key("id"),
        name: t.text("name"),
        email: t.email("email"),
        phone: t.phone("phone", "user_fields.country"),
        company: t.text("user_fields.company"),
        country: t.country("user_fields.country"),
        status: t.literal(null),
        createdAt: t.rfc3339("created_at"),
      },
    }),
    tickets: t.collection({
      canonical: "Ticket",
      contract: ticket,
      list: {
        request: () => t.get("tickets.list", "/api/v2/tickets"),
        items: "tickets[*]",
        pages,
        order: "oldest-first",
        watermark: { ...changesOf("tickets"), seesDeletions: true },
      },
      tombstone: { path: "status", equals: "deleted" },
      lookup: t.batchLookup({
        max: 100,
        request: keys => t.get("tickets.showMany", "/api/v2/tickets/show_many", { ids: keys.join(",") }),
        items: "tickets[*]",
      }),
      owner: "users",
      related: t.relatedEach({
        request: userKey => t.get("tickets.requested", `/api/v2/users/${encodeURIComponent(userKey)}/tickets/requested`),
        items: "tickets[*]",
        pages,
        order: "oldest-first",
      }),
      freshness: { cacheMs: 30_000, mirrorMs: 1_800_000 },
      map: {
        key: t.key("id"),
        customer: t.ref("requester_id"),
        subject: t.text("subject"),
        status: t.enumOf("status", {
          new: "NEW",
          open: "OPEN",
          pending: "PENDING",
          hold: "ON_HOLD",
          solved: "SOLVED",
          closed: "CLOSED",
        }),
        priority: t.enumOf("priority", { low: "LOW", normal: "NORMAL", high: "HIGH", urgent: "URGENT" }),
        createdAt: t.rfc3339("created_at"),
        updatedAt: t.rfc3339("updated_at"),
      },
    }),
  },
});
