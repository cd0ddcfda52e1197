import { createHmac } from "node:crypto";
import type { WebhookDialect } from "../../src/sandbox/deliveries.ts";
import type { Dice } from "../../src/sandbox/population.ts";
import type { StripeState } from "./sandbox-routes.ts";

export const WEBHOOK_SECRET = "whsec_sandbox";

/** One event a call. @see https://docs.stripe.com/webhooks/signature */
export const webhooks: WebhookDialect = {
  batch: 1,
  bodyOf: ([event]) => JSON.stringify(event, null, 2),
  headersOf: ({ body, secret, nowMs }) => {
    const t = Math.floor(nowMs / 1_000);
    const v1 = createHmac("sha256", secret).update(`${t}.${body}`).digest("hex");
    return { "stripe-signature": `t=${t},v1=${v1}` };
  },
};

const DELETED_SHARE = 0.02;
const INVOICE_SHARE = 0.3;

/** Changes a customer or one of their invoices; now and then a customer goes. */
export function changeSomething({ customers, invoices, events, clock }: StripeState, dice: Dice): void {
  const created = Math.floor(clock() / 1_000);
  const customer = customers.at(dice.below(customers.length));
  const person = customer === null ? null : customers.personOf(customer.id);
  if (customer === null || person === null || customers.isDeleted(person)) return;
  if (dice.chance(DELETED_SHARE)) {
    events.record(() => {
      customers.delete(person);
      return { type: "customer.deleted", object: customer, created };
    });
    return;
  }
  const invoice = dice.chance(INVOICE_SHARE) ? invoices.of(person).at(0) : null;
  const place = invoice === null ? null : invoices.placeOf(invoice.id);
  if (invoice !== null && place !== null) {
    const patch = { total: dice.below(1_000_000), status: dice.chance(0.5) ? "paid" : "open" } as Partial<typeof invoice>;
    events.record(() => ({ type: "invoice.updated", object: invoices.patch(place, patch), created }));
    return;
  }
  const patch = dice.chance(0.5)
    ? { phone: `+4930${dice.digits(7)}` }
    : { metadata: { ...customer.metadata, company: `Company ${dice.digits(6)}` } };
  events.record(() => ({ type: "customer.updated", object: customers.patch(person, patch), created }));
}
