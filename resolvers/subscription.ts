import type { Change as RecordChange } from "../src/core/changes.ts";
import { RequestError } from "../src/core/errors.ts";
import { refuseArgument, type RequestContext } from "../src/gateway/request-context.ts";
import { changesOf, type CustomerChange as ChangedCustomer, customerChanges, customerOf } from "../src/gateway/subscriptions.ts";
import { instant } from "./record.ts";

/** What comes of a stream is resolved as it is. */
const itself = <T>(told: T): T => told;

export const Subscription = {
  customerChanged: {
    subscribe: async (_parent: unknown, { id }: { id: string }, context: RequestContext) => {
      const customer = await context.customers.find(id);
      return customer ? customerChanges(context, customer) : refuseArgument(`customerChanged: there is no customer ${id}`);
    },
    resolve: itself,
  },
  changes: {
    subscribe: (_parent: unknown, { source = null }: { source?: string | null }, context: RequestContext) => {
      const names = context.gateway.catalog.sources.map(({ name }) => name);
      if (source !== null && !names.includes(source))
        throw new RequestError("SOURCE_UNKNOWN", `there is no source ${source}; there are ${names.join(", ")}`);
      return changesOf(context, source);
    },
    resolve: itself,
  },
};

export const CustomerChange = {
  customer: ({ id }: ChangedCustomer, _arguments: object, { customers }: RequestContext) => customers.find(id),
  changes: ({ changes }: ChangedCustomer) => changes,
};

export const Change = {
  collection: ({ collection }: RecordChange) => collection.slice(collection.indexOf(".") + 1),
  kind: ({ kind }: RecordChange) => kind.toUpperCase(),
  at: ({ atMs }: RecordChange) => instant(atMs),
  customer: (change: RecordChange, _arguments: object, context: RequestContext) => customerOf(context, change),
};
