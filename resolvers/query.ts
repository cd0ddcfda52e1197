import type { GraphQLResolveInfo } from "graphql";
import { RequestError } from "../src/core/errors.ts";
import { type CustomerNode, MAX_KEY_LENGTH } from "../src/gateway/customer-reader.ts";
import type { DatasetReader } from "../src/gateway/dataset-reader.ts";
import type { DatasetNode } from "../src/gateway/datasets.ts";
import { type RecordNode, splitRecordId } from "../src/gateway/related-reader.ts";
import { refuseArgument, type RequestContext, staleAt } from "../src/gateway/request-context.ts";
import { connection } from "./connection.ts";
import { afterCustomer, customerPlace } from "./customer.ts";
import { dataset, datasets } from "./dataset.ts";
import { sources } from "./source.ts";

interface Origin {
  readonly from: "LIVE" | "DATASET";
  readonly version?: string | null;
}
interface CustomerArguments extends Origin {
  readonly id?: string | null;
  readonly by?: { readonly source: string; readonly key: string } | null;
}
interface CustomersArguments extends Origin {
  readonly first: number;
  readonly after?: string | null;
  readonly filter?: { readonly country?: string | null; readonly status?: string | null; readonly source?: string | null } | null;
}

export const Query = {
  customer: async (_parent: unknown, { id, by, from, version }: CustomerArguments, context: RequestContext) => {
    const { customers } = context;
    const dataset = await datasetOf(context, { from, version: version ?? null });
    if ((id ?? null) === null && by) return customers.findByKey(by.source, by.key, dataset);
    if (typeof id === "string" && !by) return customers.find(id, dataset);
    return refuseArgument("customer: give exactly one of id and by");
  },
  customerByEmail: (_parent: unknown, { email }: { email: string }, { customers }: RequestContext) =>
    customers.findByEmail(email),
  customers: async (_parent: unknown, { first, after, filter, from, version }: CustomersArguments, context: RequestContext) => {
    const { customers, gateway } = context;
    const wanted = {
      ...(filter?.country && { country: filter.country.toUpperCase() }),
      ...(filter?.status && { status: filter.status }),
      ...(filter?.source && { source: filter.source }),
    };
    const place = afterCustomer(after, from === "DATASET");
    const dataset = await datasetOf(context, { from, version: inVersion(version ?? null, place?.version ?? null) });
    const { nodes, hasMore } = await customers.page(wanted, { after: place?.id ?? null, first, dataset });
    return {
      ...connection(nodes, hasMore, customerPlace),
      totalCount: () => (dataset ?? gateway.index).count(wanted),
      dataset: () => (dataset === null ? null : (gateway.datasets?.find(dataset.version) ?? null)),
    };
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

/** The version of the tables to be read; null: the sources are. Throws `DATASET_UNKNOWN`. */
async function datasetOf(context: RequestContext, { from, version }: Required<Origin>): Promise<DatasetReader | null> {
  if (from === "DATASET") return context.dataset(version ?? null);
  return version === null ? null : refuseArgument("version: only with from: DATASET");
}

/** The version in which a cursor goes on. */
function inVersion(wanted: string | null, begun: string | null): string | null {
  if (wanted !== null && begun !== null && wanted !== begun)
    throw new RequestError("CURSOR_INVALID", `this cursor is of version ${begun} of the tables, not of ${wanted}`);
  return wanted ?? begun;
}

export const Node = {
  __resolveType: (node: CustomerNode | RecordNode): string => ("members" in node ? "Customer" : node.entry.collection.canonical),
};

interface Page {
  readonly totalCount: () => Promise<number>;
  readonly dataset: () => Promise<DatasetNode | null> | null;
}

export const CustomerConnection = {
  totalCount: ({ totalCount }: Page) => totalCount(),
  dataset: ({ dataset }: Page) => dataset(),
};
