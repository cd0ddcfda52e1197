import type { GraphQLResolveInfo } from "graphql";
import type { AnyEntity, EntityName } from "../src/core/canonical.ts";
import { canonical } from "../src/core/canonical.ts";
import { RequestError } from "../src/core/errors.ts";
import { isCustomerId } from "../src/core/ids.ts";
import { lastDays, MAX_DAYS, windowOf } from "../src/core/days.ts";
import type { CustomerNode } from "../src/gateway/customer-reader.ts";
import { decodeCursor } from "../src/gateway/related-reader.ts";
import { refuseArgument, type RequestContext, staleAt } from "../src/gateway/request-context.ts";
import { instant } from "./record.ts";
import { recordConnection } from "./connection.ts";

const fields = Object.keys(canonical.Customer).filter(field => field !== "key");
const scalarOf =
  (field: string) =>
  (customer: CustomerNode, _arguments: object, context: RequestContext, { path }: GraphQLResolveInfo) =>
    context.customers.field(customer, field, { stale: context.stale, place: path });

const closedStates = new Set<unknown>(["SOLVED", "CLOSED"]);
const isOpen = (ticket: AnyEntity): boolean => !closedStates.has(ticket["status"]);

interface Latest {
  readonly last: number;
}
interface Page {
  readonly first: number;
  readonly after?: string | null;
}

/** The latest records of an entity; `matchOf` tells from the arguments which count, null: all. */
const latestOf =
  <A extends Latest>(entity: EntityName, matchOf: (args: A) => ((record: AnyEntity) => boolean) | null) =>
  (customer: CustomerNode, args: A, context: RequestContext, info: GraphQLResolveInfo) =>
    context.related.latest(customer, entity, { count: args.last, matches: matchOf(args) }, staleAt(context, info));

const connectionOf =
  (entity: EntityName) =>
  async (customer: CustomerNode, { first, after }: Page, context: RequestContext, info: GraphQLResolveInfo) =>
    recordConnection(
      await context.related.after(customer, entity, { cursor: after ?? null, count: first }, staleAt(context, info)),
    );

export const Customer = {
  ...Object.fromEntries(fields.map(field => [field, scalarOf(field)])),
  id: (customer: CustomerNode) => customer.id,
  datasetVersion: ({ dataset }: CustomerNode) => dataset?.version ?? null,
  identities: (customer: CustomerNode) =>
    customer.members.map(({ collection, key }) => {
      const [source, name] = collection.split(".");
      return { source, collection: name, key };
    }),
  provenance: async (customer: CustomerNode, _arguments: object, context: RequestContext, info: GraphQLResolveInfo) => {
    const onStale = staleAt(context, info);
    const origins = await Promise.all(fields.map(field => context.customers.origin(customer, field, onStale)));
    return origins.map(({ fetchedAtMs, eventAtMs, ...origin }) => ({
      ...origin,
      fetchedAt: instant(fetchedAtMs),
      eventAt: instant(eventAtMs),
    }));
  },
  invoices: latestOf("Invoice", ({ status }: Latest & { status?: string | null }) =>
    status ? invoice => invoice["status"] === status : null,
  ),
  tickets: latestOf("Ticket", ({ open }: Latest & { open?: boolean | null }) =>
    open === undefined || open === null ? null : ticket => isOpen(ticket) === open,
  ),
  invoicesConnection: connectionOf("Invoice"),
  ticketsConnection: connectionOf("Ticket"),
  events: latestOf("ClickEvent", ({ name }: Latest & { name?: string | null }) =>
    name ? event => event["name"] === name : null,
  ),
  eventsConnection: connectionOf("ClickEvent"),
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

/** A customer's place in the listing: of a version of the tables that and the id, else the id. */
export const customerPlace = ({ id, dataset }: CustomerNode): string => (dataset === undefined ? id : `${dataset.version} ${id}`);

/** The place that a cursor of the customers' listing stands for; throws `CURSOR_INVALID` for one that it never gave. */
export function afterCustomer(
  cursor: string | null | undefined,
  isOfDataset: boolean,
): { readonly id: string; readonly version: string | null } | null {
  if (cursor === null || cursor === undefined) return null;
  const [id = "", version = null] = decodeCursor(cursor).split(" ").toReversed();
  if (isCustomerId(id) && (version !== null) === isOfDataset) return { id, version };
  throw new RequestError("CURSOR_INVALID", "this cursor does not belong to this connection");
}
