import type { AnyEntity } from "../src/core/canonical.ts";
import { canonical } from "../src/core/canonical.ts";
import { RequestError } from "../src/core/errors.ts";
import { isCustomerId } from "../src/core/ids.ts";
import { lastDays, MAX_DAYS, windowOf } from "../src/core/days.ts";
import type { CustomerNode } from "../src/gateway/customer-reader.ts";
import { decodeCursor } from "../src/gateway/related-reader.ts";
import { refuseArgument, type RequestContext } from "../src/gateway/request-context.ts";
import { recordConnection } from "./connection.ts";

const fields = Object.keys(canonical.Customer).filter(field => field !== "key");
const scalarOf = (field: string) => (customer: CustomerNode, _arguments: object, context: RequestContext) =>
  context.customers.field(customer, field);

const closedStates = new Set<unknown>(["SOLVED", "CLOSED"]);
const isOpen = (ticket: AnyEntity): boolean => !closedStates.has(ticket["status"]);

interface Latest {
  readonly last: number;
}
interface Page {
  readonly first: number;
  readonly after?: string | null;
}

export const Customer = {
  ...Object.fromEntries(fields.map(field => [field, scalarOf(field)])),
  id: (customer: CustomerNode) => customer.id,
  identities: (customer: CustomerNode) =>
    customer.members.map(({ collection, key }) => {
      const [source, name] = collection.split(".");
      return { source, collection: name, key };
    }),
  provenance: async (customer: CustomerNode, _arguments: object, { customers }: RequestContext) => {
    const origins = await Promise.all(fields.map(field => customers.origin(customer, field)));
    return origins.map(({ fetchedAtMs, ...origin }) => ({
      ...origin,
      fetchedAt: fetchedAtMs === null ? null : new Date(fetchedAtMs).toISOString(),
    }));
  },
  invoices: (customer: CustomerNode, { last, status }: Latest & { status?: string | null }, { related }: RequestContext) =>
    related.latest(customer, "Invoice", last, status ? invoice => invoice["status"] === status : null),
  tickets: (customer: CustomerNode, { last, open }: Latest & { open?: boolean | null }, { related }: RequestContext) =>
    related.latest(customer, "Ticket", last, open === undefined || open === null ? null : ticket => isOpen(ticket) === open),
  invoicesConnection: async (customer: CustomerNode, { first, after }: Page, { related }: RequestContext) =>
    recordConnection(await related.after(customer, "Invoice", after ?? null, first)),
  ticketsConnection: async (customer: CustomerNode, { first, after }: Page, { related }: RequestContext) =>
    recordConnection(await related.after(customer, "Ticket", after ?? null, first)),
  events: (customer: CustomerNode, { last, name }: Latest & { name?: string | null }, { related }: RequestContext) =>
    related.latest(customer, "ClickEvent", last, name ? event => event["name"] === name : null),
  eventsConnection: async (customer: CustomerNode, { first, after }: Page, { related }: RequestContext) =>
    recordConnection(await related.after(customer, "ClickEvent", after ?? null, first)),
  usage: (
    customer: CustomerNode,
    { from, to }: { from?: string | null; to?: string | null },
    { related, gateway }: RequestContext,
  ) =>
    related.days(
      customer,
      "UsageDay",
      windowOf(from, to, gateway.clock.nowMs()) ??
        refuseArgument(`usage: from and to must be days, from not after to, ${MAX_DAYS} days at most`),
    ),
  usageSummary: async (customer: CustomerNode, { days }: { days: number }, { related, gateway }: RequestContext) => {
    if (days < 1 || days > MAX_DAYS) refuseArgument(`usageSummary: days must be 1 to ${MAX_DAYS}`);
    const window = lastDays(days, gateway.clock.nowMs());
    return { window, days: await related.days(customer, "UsageDay", window) };
  },
};

/** The canonical id that a cursor of the customers' listing stands for; throws `CURSOR_INVALID` for one that it never gave. */
export function afterCustomer(cursor: string | null | undefined): string | null {
  if (cursor === null || cursor === undefined) return null;
  const id = decodeCursor(cursor);
  if (isCustomerId(id)) return id;
  throw new RequestError("CURSOR_INVALID", "this cursor does not belong to this connection");
}
