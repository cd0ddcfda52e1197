import { z } from "zod";
import * as t from "../../src/source/index.ts";

/** Every property that is asked for comes, with null where it has no value: one that does not come was renamed or removed. */
const property = z.string().nullable();

/** Only what is used. @see https://developers.hubspot.com/docs/reference/api/crm/objects/contacts */
const contact = z.object({
  id: z.string(),
  properties: z.object({
    firstname: property,
    lastname: property,
    email: property,
    phone: property,
    company: property,
    country: property,
    lifecyclestage: property,
    account_number: property,
    createdate: property,
    lastmodifieddate: property,
  }),
});

const properties = Object.keys(contact.shape.properties.shape);

export default t.defineSource({
  name: "hubspot",
  title: "HubSpot CRM",
  version: "v3",
  client: {
    baseUrl: "https://api.hubapi.com",
    auth: t.clientCredentials({
      tokenPath: "/oauth/v3/token",
      clientId: "HUBSPOT_CLIENT_ID",
      clientSecret: "HUBSPOT_CLIENT_SECRET",
    }),
    limits: [
      t.window({ requests: 190, windowMs: 10_000 }),
      t.window({ requests: 4, windowMs: 1_000, per: "operation", operations: ["contacts.search"] }),
    ],
    learned: {
      headers: [{ limit: "X-HubSpot-RateLimit-Max", remaining: "X-HubSpot-RateLimit-Remaining", windowMs: 10_000 }],
    },
    failures: {
      retryStatuses: [423],
      errors: "errors",
      absent: { path: "category", equals: "OBJECT_NOT_FOUND" },
      forms: [{ statuses: [429], body: { path: "policyName", equals: "DAILY" }, means: "quota-spent" }],
    },
  },
  // @see https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests
  webhooks: {
    signature: {
      header: "X-HubSpot-Signature-v3",
      form: { prefix: "" },
      encoding: "base64",
      signs: "{method}{url}{body}{timestamp}",
      timestamp: { from: { header: "X-HubSpot-Request-Timestamp" }, format: "epoch-ms" },
      decoded: ["%3A", "%2F", "%3F", "%40", "%21", "%24", "%27", "%28", "%29", "%2A", "%2C", "%3B"],
    },
    events: {
      items: "[*]",
      type: "subscriptionType",
      // An eventId alone may come twice for two events.
      identity: ["subscriptionId", "objectId", "occurredAt", "propertyName", "eventId"],
      occurredAt: { path: "occurredAt", format: "epoch-ms" },
      kinds: [{ types: ["contact.*"], collection: "contacts", key: "objectId", deletions: ["contact.deletion"] }],
    },
  },
  collections: {
    contacts: t.collection({
      canonical: "Customer",
      contract: contact,
      list: {
        request: () => t.get("contacts.list", "/crm/v3/objects/contacts", { properties: properties.join(",") }),
        items: "results[*]",
        pages: t.cursorPages({ next: "paging.next.after", cursorParameter: "after", sizeParameter: "limit", maxPageSize: 100 }),
        order: "oldest-first",
        watermark: {
          field: "properties.lastmodifieddate",
          fieldFormat: "rfc3339",
          format: "epoch-ms",
          sees: "updates",
          isInclusive: true,
          // The search's index runs behind what is written.
          safetyLagMs: 600_000,
          listing: {
            request: since =>
              t.readByPost("contacts.search", "/crm/v3/objects/contacts/search", {
                properties,
                filterGroups: [{ filters: [{ propertyName: "lastmodifieddate", operator: "GTE", value: since }] }],
                sorts: [{ propertyName: "lastmodifieddate", direction: "ASCENDING" }],
              }),
            items: "results[*]",
            pages: t.cursorPages({
              next: "paging.next.after",
              cursorParameter: "after",
              sizeParameter: "limit",
              maxPageSize: 200,
              marks: "offset",
            }),
            rows: 10_000,
          },
        },
      },
      lookup: t.batchLookup({
        max: 100,
        request: keys =>
          t.readByPost("contacts.batchRead", "/crm/v3/objects/contacts/batch/read", {
            properties,
            inputs: keys.map(id => ({ id })),
          }),
        items: "results[*]",
        missing: { listed: "errors[*].context.ids[*]" },
      }),
      freshness: { cacheMs: 30_000 },
      identity: { onePerCustomer: false, keys: { account_number: t.ref("properties.account_number") } },
      survivorship: { rank: 1 },
      map: {
        key: t.key("id"),
        name: t.fullName("properties.firstname", "properties.lastname"),
        email: t.email("properties.email"),
        phone: t.phone("properties.phone", "properties.country"),
        company: t.text("properties.company"),
        country: t.country("properties.country"),
        status: t.enumOf("properties.lifecyclestage", {
          subscriber: "LEAD",
          lead: "LEAD",
          marketingqualifiedlead: "LEAD",
          salesqualifiedlead: "LEAD",
          opportunity: "TRIAL",
          customer: "ACTIVE",
          evangelist: "ACTIVE",
          other: "CHURNED",
        }),
        createdAt: t.rfc3339("properties.createdate"),
      },
    }),
  },
});
