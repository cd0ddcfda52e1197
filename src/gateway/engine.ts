import { ApolloServer, type ApolloServerPlugin, type GraphQLRequest } from "@apollo/server";
import { ApolloServerPluginCacheControlDisabled } from "@apollo/server/plugin/disabled";
import {
  type DocumentNode,
  type FormattedExecutionResult,
  getOperationAST,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
} from "graphql";
import { LRUCache } from "lru-cache";
import type { EntityName } from "../core/canonical.ts";
import { RequestError } from "../core/errors.ts";
import { lastDays, MAX_DAYS } from "../core/days.ts";
import type { Logger } from "../core/ports.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import { compiledGateway } from "./executor.ts";
import { formatError, originOf, presented } from "./format-error.ts";
import { actualCost } from "./limits/actual-cost.ts";
import { checkOperation } from "./limits/check.ts";
import type { CostEstimate, UpstreamCalls } from "./limits/cost.ts";
import { inspectText } from "./limits/inspect.ts";
import { checkLimit, type QueryLimits } from "./limits/limits.ts";
import { callsForRates } from "./rates.ts";
import type { RequestContext } from "./request-context.ts";

export interface EngineOptions {
  readonly schema: GraphQLSchema;
  readonly catalog: Catalog;
  readonly limits: QueryLimits;
  readonly logger: Logger;
  readonly hasIntrospection: boolean;
  /** Whether "did you mean" may tell names of the schema. */
  readonly hasSuggestions: boolean;
}

/** The answer to one operation. `status`: 200 when it was executed, 400 when it was refused, 500 when we failed. */
export interface EngineResult {
  readonly status: 200 | 400 | 500;
  readonly body: FormattedExecutionResult;
}

/** Checks and executes GraphQL operations. */
export interface Engine {
  readonly limits: QueryLimits;
  execute(request: GraphQLRequest, context: RequestContext): Promise<EngineResult>;
  stop(): Promise<void>;
}

interface OperationContext extends RequestContext {
  estimate?: CostEstimate;
}

const INSPECTED = 2_000;
/** Longer texts are inspected each time, so that nobody fills the memory with them. */
const MAX_KEPT_TEXT = 16_384;

/** Apollo Server with limits before it, compiled execution under it and one form of errors after it. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { schema, limits, logger } = options;
  const originals = new WeakMap<GraphQLFormattedError, unknown>();
  const server = new ApolloServer<OperationContext>({
    gateway: compiledGateway(schema),
    introspection: options.hasIntrospection,
    hideSchemaDetailsFromClientErrors: !options.hasSuggestions,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: limits.maxTokens },
    persistedQueries: false,
    formatError: (formatted, thrown) => {
      originals.set(formatted, thrown);
      return formatted;
    },
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: text => logger.warn({}, String(text)),
      error: text => logger.error({}, String(text)),
    },
    plugins: [ApolloServerPluginCacheControlDisabled(), costPlugin(options)],
  });
  await server.start();
  const inspected = new LRUCache<string, DocumentNode>({ max: INSPECTED });
  const inspect = ({ query = "", operationName }: GraphQLRequest) => {
    const document = inspected.get(query) ?? inspectText(query, limits);
    if (query.length <= MAX_KEPT_TEXT) inspected.set(query, document);
    if (!getOperationAST(document, operationName)) throw noOperation(operationName);
  };
  return {
    limits,
    async execute(request, context) {
      try {
        inspect(request);
      } catch (thrown) {
        return refusal(thrown, context, logger);
      }
      const contextValue: OperationContext = { ...context };
      const { body } = await server.executeOperation(request, { contextValue });
      if (body.kind === "incremental") throw new TypeError("incremental delivery is not offered");
      const errors = body.singleResult.errors?.map(formatted => present(formatted, originals.get(formatted), context, logger));
      return resultOf({ ...body.singleResult, ...(errors && { errors }) }, context);
    },
    stop: () => server.stop(),
  };
}

const noOperation = (name: string | null | undefined): GraphQLError =>
  new GraphQLError(
    name ? `Unknown operation named "${name}".` : "Must provide operation name if query contains multiple operations.",
  );

/** Refuses an operation that costs too much, before anything is executed, and tells its cost afterwards. */
function costPlugin({ schema, limits, catalog }: EngineOptions): ApolloServerPlugin<OperationContext> {
  const calls = callsOf(catalog);
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ document, operationName, request, contextValue }) {
          contextValue.estimate = check({
            schema,
            document,
            operationName,
            variables: request.variables ?? {},
            limits,
            calls,
          });
          spend(contextValue, contextValue.estimate, limits);
        },
        async willSendResponse({ response, document, operationName, request, contextValue }) {
          const { estimate } = contextValue;
          if (response.body.kind !== "single" || !estimate || !document) return;
          const { data } = response.body.singleResult;
          const actual = actualCost({ schema, document, operationName, variables: request.variables ?? {}, data: data ?? null });
          const cost = {
            estimated: estimate.cost,
            actual,
            limit: limits.maxCost,
            upstreamCalls: { estimated: estimate.upstreamCalls, limit: limits.maxUpstreamCalls },
          };
          response.body.singleResult.extensions = { ...response.body.singleResult.extensions, cost };
        },
      };
    },
  };
}

/** Checks an operation; variables that do not fit their types are the caller's error, not ours. */
function check(operation: Parameters<typeof checkOperation>[0]): CostEstimate {
  try {
    return checkOperation(operation);
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

/** The upstream calls that reading an entity of so many customers takes at most, by what the sources' declarations can batch and page. */
function callsOf(catalog: Catalog): UpstreamCalls {
  return (entity, parents, itemsPerParent) =>
    catalog.of(entity as EntityName).reduce((sum, entry) => sum + callsFor(entry, parents, itemsPerParent), 0);
}

function callsFor({ collection: { canonical, lookup, related } }: CatalogEntry, parents: number, itemsPerParent: number): number {
  if (canonical === "Customer") return lookup?.mode === "batch" ? Math.ceil(parents / lookup.max) : parents;
  if (canonical === "ExchangeRate") return callsForRates(parents, Date.now());
  if (related?.mode === "batch") return Math.ceil(parents / related.max(longestWindow));
  return parents * Math.max(1, Math.ceil(itemsPerParent / (related?.pages.maxPageSize ?? 1)));
}

function refusal(thrown: unknown, context: RequestContext, logger: Logger): EngineResult {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return resultOf({ errors: [present({ message }, thrown, context, logger)] }, context);
}

function present(
  formatted: GraphQLFormattedError,
  thrown: unknown,
  context: RequestContext,
  logger: Logger,
): GraphQLFormattedError {
  const shown = formatError(formatted, thrown, context.requestId);
  if (shown.extensions?.["code"] === "INTERNAL")
    logger.error({ requestId: context.requestId, err: originOf(thrown) }, "a resolver failed inside");
  return shown;
}

function resultOf(body: FormattedExecutionResult, context: RequestContext): EngineResult {
  if (body.data === undefined)
    return { status: body.errors?.some(error => error.extensions?.["code"] === "INTERNAL") ? 500 : 400, body };
  const warnings = context.warnings.map(warning => presented(warning, context.requestId));
  return { status: 200, body: warnings.length === 0 ? body : { ...body, errors: [...(body.errors ?? []), ...warnings] } };
}
