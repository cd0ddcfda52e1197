import { getDirectiveValues, GraphQLError, type GraphQLSchema, type OperationDefinitionNode } from "graphql";
import type { EntityName } from "../core/canonical.ts";
import { lastDays, MAX_DAYS } from "../core/days.ts";
import { RequestError } from "../core/errors.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import { declaredFreshness, type Freshness } from "./freshness.ts";
import { checkOperation } from "./limits/check.ts";
import type { CostEstimate, UpstreamCalls } from "./limits/cost.ts";
import { checkLimit, type QueryLimits } from "./limits/limits.ts";
import type { Operation } from "./limits/plan.ts";
import { callsForRates } from "./rates.ts";
import { forOperation, type RequestContext } from "./request-context.ts";

export interface AdmissionParts {
  readonly schema: GraphQLSchema;
  readonly catalog: Catalog;
  readonly limits: QueryLimits;
}

/** Refuses an operation that costs too much, and makes the context in which it is executed. */
export async function admitOperation(
  { schema, catalog, limits }: AdmissionParts,
  operation: Omit<Operation, "schema"> & { readonly definition: OperationDefinitionNode },
  context: RequestContext,
): Promise<{ readonly context: RequestContext; readonly estimate: CostEstimate }> {
  const { definition, ...asked } = operation;
  const freshness = freshnessOf(schema, definition, asked.variables);
  const calls = callsOf(catalog, await context.gateway.atHand(freshness ?? declaredFreshness));
  const estimate = valid(() => checkOperation({ schema, limits, calls, ...asked }));
  spend(context, estimate, limits);
  return { context: forOperation(context, freshness), estimate };
}

/** What an operation says of how old its answer may be; null when it says nothing. */
function freshnessOf(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): Freshness | null {
  const values = valid(() => getDirectiveValues(schema.getDirective("freshness")!, operation, variables));
  if (values === undefined) return null;
  const { maxAge, staleIfError } = values as { maxAge?: number | null; staleIfError?: boolean | null };
  if ((maxAge ?? 0) < 0) throw new RequestError("REQUEST_INVALID", "@freshness: maxAge is seconds, 0 or more");
  return { maxAgeMs: typeof maxAge === "number" ? maxAge * 1_000 : null, isStaleAllowed: staleIfError ?? true };
}

/** Variables that do not fit their types are the caller's error, not ours. */
function valid<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw thrown instanceof GraphQLError ? new RequestError("REQUEST_INVALID", thrown.message) : thrown;
  }
}

/** Adds an operation to what its request takes; throws when a batch is too much, although each of its operations alone is not. */
function spend({ spent }: RequestContext, { cost, upstreamCalls }: CostEstimate, limits: QueryLimits): void {
  spent.cost += cost;
  spent.upstreamCalls += upstreamCalls;
  checkLimit("LIMIT_COST", {
    fact: `the operations of this request cost ${spent.cost}`,
    value: spent.cost,
    limit: limits.maxCost,
  });
  const fact = `the operations of this request need up to ${spent.upstreamCalls} requests to sources`;
  checkLimit("LIMIT_UPSTREAM_CALLS", { fact, value: spent.upstreamCalls, limit: limits.maxUpstreamCalls });
}

/** The longest window of days that a query may ask for: batches are smallest there. */
const longestWindow = lastDays(MAX_DAYS, 0);

/** The upstream calls that reading an entity of so many customers takes at most, by what the sources' declarations can batch and page; none for what is at hand. */
function callsOf(catalog: Catalog, atHand: ReadonlySet<CatalogEntry>): UpstreamCalls {
  return (entity, parents, itemsPerParent) =>
    catalog
      .of(entity as EntityName)
      .filter(entry => !atHand.has(entry))
      .reduce((sum, entry) => sum + callsFor(entry, parents, itemsPerParent), 0);
}

function callsFor({ collection: { canonical, lookup, related } }: CatalogEntry, parents: number, itemsPerParent: number): number {
  if (canonical === "Customer") return lookup?.mode === "batch" ? Math.ceil(parents / lookup.max) : parents;
  if (canonical === "ExchangeRate") return callsForRates(parents, Date.now());
  if (related?.mode === "batch") return Math.ceil(parents / related.max(longestWindow));
  return parents * Math.max(1, Math.ceil(itemsPerParent / (related?.pages.maxPageSize ?? 1)));
}
