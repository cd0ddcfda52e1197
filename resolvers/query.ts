import type { GraphQLResolveInfo } from "graphql";
import { type CustomerNode, MAX_KEY_LENGTH } from "../src/gateway/customer-reader.ts";
import { type RecordNode, splitRecordId } from "../src/gateway/related-reader.ts";
import { refuseArgument, type RequestContext, staleAt } from "../src/gateway/request-context.ts";
import { connection } from "./connection.ts";
import { afterCustomer } from "./customer.ts";
import { dataset, datasets } from "./dataset.ts";
import { sources } from "./source.ts";

interface CustomerArguments {
  readonly id?: string | null;
  readonly by?: { readonly source: string; readonly key: string } | null;
}
interface CustomersArguments {
  readonly first: number;
  readonly after?: string | null;
  readonly filter?: { readonly country?: string | null; readonly status?: string | null; readonly source?: string | null } | null;
}

export const Query = {
  customer: (_parent: unknown, { id, by }: CustomerArguments, { customers }: RequestContext) => {
    if ((id ?? null) === null && by) return customers.findByKey(by.source, by.key);
    if (typeof id === "string" && !by) return customers.find(id);
    return refuseArgument("customer: give exactly one of id and by");
  },
  customerByEmail: (_parent: unknown, { email }: { email: string }, { customers }: RequestContext) =>
    customers.findByEmail(email),
  customers: async (_parent: unknown, { first, after, filter }: CustomersArguments, { customers, gateway }: RequestContext) => {
    const wanted = {
      ...(filter?.country && { country: filter.country.toUpperCase() }),
      ...(filter?.status && { status: filter.status }),
      ...(filter?.source && { source: filter.source }),
    };
    const { nodes, hasMore } = await customers.page(wanted, afterCustomer(after), first);
    return { ...connection(nodes, hasMore, (node: CustomerNode) => node.id), totalCount: () => gateway.index.count(wanted) };
  },
  node: (_parent: unknown, { id }: { id: string }, context: RequestContext, info: GraphQLResolveInfo) => {
    const { customers, related, gateway } = context;
    if (id.length > MAX_KEY_LENGTH) return null;
    const [collection, key] = splitRecordId(id) ?? [];
    if (collection === undefined || key === undefined) return customers.find(id);
    const entry = gateway.catalog.get(collection);
    if (entry.collection.canonical === "Customer") return customers.findByKey(entry.source.name, key);
    return entry.collection.lookup === undefined || key === "" ? null : related.record(entry, key, staleAt(context, info));
  },
  dataset,
  datasets,
  sources,
};

export const Node = {
  __resolveType: (node: CustomerNode | RecordNode): string => ("members" in node ? "Customer" : node.entry.collection.canonical),
};

export const CustomerConnection = {
  totalCount: ({ totalCount }: { totalCount: () => Promise<number> }) => totalCount(),
};
