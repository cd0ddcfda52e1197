import { createHmac } from "node:crypto";
import type { WebhookDialect } from "../../src/sandbox/deliveries.ts";
import type { Dice } from "../../src/sandbox/population.ts";
import { isoSeconds, type Records } from "./sandbox-records.ts";
import type { Ticket } from "./sandbox-tickets.ts";
import type { User } from "./sandbox-users.ts";

export const WEBHOOK_SECRET = "zendesk-sandbox-webhooks";

/** One event a call. @see https://developer.zendesk.com/documentation/webhooks/verifying/ */
export const webhooks: WebhookDialect = {
  batch: 1,
  bodyOf: ([event]) => JSON.stringify(event),
  headersOf: ({ body, secret, nowMs }) => {
    const timestamp = isoSeconds(nowMs);
    return {
      "x-zendesk-webhook-signature": createHmac("sha256", secret)
        .update(timestamp + body)
        .digest("base64"),
      "x-zendesk-webhook-signature-timestamp": timestamp,
    };
  },
};

/** What is told of a change. */
export const eventOf = (kind: "user" | "ticket", id: number, { nowMs, eventId }: { nowMs: number; eventId: string }): object => ({
  type: kind === "user" ? "zen:event-type:user.custom_field_changed" : "zen:event-type:ticket.status_changed",
  account_id: 22_129_848,
  id: eventId,
  time: new Date(nowMs).toISOString(),
  zendesk_event_version: "2022-06-20",
  subject: `zen:${kind}:${id}`,
  detail: { id: String(id) },
  event: {},
});

const ticketStatuses = ["open", "pending", "solved", "hold"] as const;

/** Changes a user or a ticket. */
export function changeSomething({ users, tickets }: { users: Records<User>; tickets: Records<Ticket> }, dice: Dice): void {
  if (dice.chance(0.5) && tickets.length > 0) {
    tickets.change(dice.below(tickets.length), { status: dice.pick(ticketStatuses), subject: `Question ${dice.digits(6)}` });
    return;
  }
  const index = dice.below(users.length);
  users.change(index, {
    phone: `+4989${dice.digits(7)}`,
    user_fields: { ...users.at(index).user_fields, company: `Company ${dice.digits(6)}` },
  });
}
