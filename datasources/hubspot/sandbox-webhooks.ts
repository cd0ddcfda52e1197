import { createHmac } from "node:crypto";
import type { WebhookDialect } from "../../src/sandbox/deliveries.ts";
import type { Dice } from "../../src/sandbox/population.ts";
import type { ContactBook, ContactWrite } from "./sandbox-contacts.ts";

export const WEBHOOK_SECRET = "hubspot-sandbox-webhooks";

const FIRST_EVENT = 3_500_000_000;

/** Up to 100 events a call. @see https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests */
export const webhooks: WebhookDialect = {
  batch: 100,
  bodyOf: events => JSON.stringify(events),
  headersOf: ({ url, body, secret, nowMs }) => ({
    "x-hubspot-request-timestamp": String(nowMs),
    "x-hubspot-signature-v3": createHmac("sha256", secret).update(`POST${url}${body}${nowMs}`).digest("base64"),
  }),
};

/** What is told of a write: an event for each property. */
export function eventsOf({ id, properties }: ContactWrite, nowMs: number, number: () => number): readonly object[] {
  const event = (subscriptionType: string, subscriptionId: number, more: object) => ({
    eventId: FIRST_EVENT + number(),
    subscriptionId,
    portalId: 62_515,
    appId: 54_321,
    occurredAt: nowMs,
    subscriptionType,
    attemptNumber: 0,
    objectId: Number(id),
    changeSource: "CRM_UI",
    ...more,
  });
  if (properties === null) return [event("contact.deletion", 2_000, { changeFlag: "DELETED" })];
  return Object.entries(properties).map(([propertyName, propertyValue]) =>
    event("contact.propertyChange", 1_000, { propertyName, propertyValue: propertyValue ?? "" }),
  );
}

const ARCHIVED_SHARE = 0.02;
const stages = ["lead", "opportunity", "customer", "other"] as const;

/** Changes a contact; now and then one goes. */
export function changeSomething(contacts: ContactBook, clock: () => number, dice: Dice): void {
  const position = dice.below(contacts.length);
  if (contacts.at(position).archived) return;
  if (dice.chance(ARCHIVED_SHARE)) return contacts.archive(position);
  const properties = dice.chance(0.5)
    ? { lifecyclestage: dice.pick(stages) }
    : { phone: `+4940${dice.digits(7)}`, company: `Company ${dice.digits(6)}` };
  contacts.patch(position, properties, clock());
}
