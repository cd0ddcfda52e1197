import { z } from "zod";
import * as t from "../../src/source/index.ts";

const traits = z.object({
  name: z.string().nullable(),
  email: z.string().nullable(),
  phone: z.string().nullable(),
  company: z.string().nullable(),
  country: z.string().nullable(),
});

const profile = z.object({
  anonymous_id: z.string(),
  account_id: z.string().nullable(),
  traits,
  first_seen_at: z.string(),
});

const event = z.object({
  event_id: t.wireInteger(),
  anonymous_id: z.string(),
  session_id: z.string(),
  name: z.string(),
  occurred_at: z.string(),
  client_time_unix_nano: t.wireInteger().nullable(),
  page_url: z.string().nullable(),
  revenue: t.wireNumber().nullable(),
  currency: z.string().nullable(),
});

/** What an error's type says, whatever the status: the gateway before the service answers 403 where others answer 401. */
const errorType = (equals: string, means: "auth" | "quota-spent") => ({ header: { name: "x-amzn-ErrorType", equals }, means });
const credentialErrors = [
  "MissingAuthenticationTokenException",
  "IncompleteSignatureException",
  "InvalidSignatureException",
  "UnrecognizedClientException",
  "ExpiredTokenException",
];

const WINDOW_MS = 10_000;
/** Profiles that one request may name. */
const MAX_IDS = 100;

export default t.defineSource({
  name: "clickstream",
  title: "Clickstream",
  version: "v1",
  client: {
    baseUrl: "https://clickstream.eu-central-1.example.com",
    auth: t.awsSigV4({
      service: "execute-api",
      region: "eu-central-1",
      accessKeyId: "CLICKSTREAM_ACCESS_KEY_ID",
      secretAccessKey: "CLICKSTREAM_SECRET_ACCESS_KEY",
      sessionToken: "CLICKSTREAM_SESSION_TOKEN",
    }),
    limits: [t.window({ requests: 300, windowMs: WINDOW_MS }), t.dailyQuota({ requests: 250_000 })],
    learned: { headers: [{ ...t.xRateLimit("delta-milliseconds"), windowMs: WINDOW_MS }] },
    failures: {
      forms: [...credentialErrors.map(type => errorType(type, "auth")), errorType("LimitExceededException", "quota-spent")],
    },
  },
  collections: {
    profiles: t.collection({
      canonical: "Customer",
      contract: profile,
      list: {
        request: () => t.get("profiles.list", "/v1/profiles"),
        items: "data[*]",
        pages: t.linkPages({ sizeParameter: "limit", maxPageSize: 1000 }),
        order: "oldest-first",
      },
      lookup: t.batchLookup({
        max: MAX_IDS,
        request: ids => t.get("profiles.byIds", "/v1/profiles", { anonymous_ids: ids.join(",") }),
        items: "data[*]",
      }),
      freshness: { cacheMs: 30_000, mirrorMs: 900_000 },
      identity: { onePerCustomer: false, keys: { "product.accounts": t.ref("account_id") } },
      survivorship: { rank: 6 },
      map: {
        key: t.key("anonymous_id"),
        name: t.text("traits.name"),
        email: t.email("traits.email"),
        phone: t.phone("traits.phone", "traits.country"),
        company: t.text("traits.company"),
        country: t.country("traits.country"),
        status: t.literal(null),
        createdAt: t.rfc3339("first_seen_at"),
      },
    }),
    events: t.collection({
      canonical: "ClickEvent",
      contract: event,
      list: {
        request: ({ from, to }) => t.get("events.list", "/v1/events", { from, to }),
        items: "data[*]",
        pages: t.linkPages({ sizeParameter: "limit", maxPageSize: 1000 }),
        order: "oldest-first",
        days: 32,
      },
      owner: "profiles",
      related: t.relatedEach({
        request: key => t.get("events.ofProfile", `/v1/profiles/${encodeURIComponent(key)}/events`),
        items: "data[*]",
        pages: t.linkPages({ sizeParameter: "limit", maxPageSize: 1000 }),
        order: "newest-first",
      }),
      freshness: { cacheMs: 30_000, mirrorMs: 1_800_000 },
      map: {
        key: t.key("event_id"),
        customer: t.ref("anonymous_id"),
        eventId: t.long("event_id"),
        name: t.text("name"),
        occurredAt: t.rfc3339("occurred_at"),
        clientTimeNs: t.long("client_time_unix_nano"),
        page: t.text("page_url"),
        sessionId: t.text("session_id"),
        amount: t.majorUnits("revenue", "currency"),
        currency: t.currency("currency"),
      },
    }),
  },
  streams: {
    live: {
      transport: "sse",
      path: "/v1/events/stream",
      stallMs: 30_000,
      events: {
        type: "type",
        identity: ["event.event_id", "event.occurred_at"],
        occurredAt: { path: "event.occurred_at", format: "rfc3339" },
        kinds: [{ types: ["event.recorded"], collection: "events", key: "event.event_id", record: "event" }],
      },
    },
  },
});
