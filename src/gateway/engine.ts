import { ApolloServer, type ApolloServerPlugin, type GraphQLRequest } from "@apollo/server";
import { ApolloServerPluginCacheControlDisabled } from "@apollo/server/plugin/disabled";
import {
  type DocumentNode,
  getOperationAST,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  OperationTypeNode,
} from "graphql";
import { LRUCache } from "lru-cache";
import { RequestError } from "../core/errors.ts";
import type { Logger } from "../core/ports.ts";
import type { Catalog } from "../source/catalog.ts";
import { admitOperation } from "./admission.ts";
import { type EngineResult, present, refusal, resultOf } from "./answer.ts";
import { compiledGateway } from "./executor.ts";
import { actualCost } from "./limits/actual-cost.ts";
import type { CostEstimate } from "./limits/cost.ts";
import { inspectText } from "./limits/inspect.ts";
import type { QueryLimits } from "./limits/limits.ts";
import type { RequestContext } from "./request-context.ts";
import { Subscriber } from "./subscription-runs.ts";

export interface EngineOptions {
  readonly schema: GraphQLSchema;
  readonly catalog: Catalog;
  readonly limits: QueryLimits;
  readonly logger: Logger;
  readonly hasIntrospection: boolean;
  /** Whether "did you mean" may tell names of the schema. */
  readonly hasSuggestions: boolean;
}

/** Checks and executes GraphQL operations. */
export interface Engine {
  readonly limits: QueryLimits;
  execute(request: GraphQLRequest, context: RequestContext): Promise<EngineResult>;
  /**
   * Answers as they come: those of a subscription until the starter's signal aborts, else the one that `execute` gives. What is refused is one answer that is
   * no stream. `begin` makes a context for each answer of a subscription.
   */
  stream(
    request: GraphQLRequest,
    starter: RequestContext,
    begin: () => RequestContext,
  ): Promise<EngineResult | AsyncGenerator<EngineResult>>;
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
    const operation = getOperationAST(document, operationName);
    if (!operation) throw noOperation(operationName);
    return { document, operation };
  };
  const subscriber = new Subscriber(options);
  const engine: Engine = {
    limits,
    async stream(request, starter, begin) {
      let inspected: ReturnType<typeof inspect>;
      try {
        inspected = inspect(request);
      } catch (thrown) {
        return refusal(thrown, starter, logger);
      }
      const { document, operation: definition } = inspected;
      if (definition.operation === OperationTypeNode.SUBSCRIPTION)
        return subscriber.open({ document, definition, request, starter, begin });
      const result = await engine.execute(request, starter);
      return result.status === 200 ? alone(result) : result;
    },
    async execute(request, context) {
      try {
        if (inspect(request).operation.operation === OperationTypeNode.SUBSCRIPTION) throw noStream;
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
  return engine;
}

async function* alone<T>(result: T): AsyncGenerator<T> {
  yield result;
}

const noStream = new RequestError(
  "REQUEST_INVALID",
  "a subscription is answered as a stream: ask with Accept: text/event-stream, or over a WebSocket that speaks graphql-transport-ws",
);

const noOperation = (name: string | null | undefined): GraphQLError =>
  new GraphQLError(
    name ? `Unknown operation named "${name}".` : "Must provide operation name if query contains multiple operations.",
  );

/** Refuses an operation that costs too much, before anything is executed, and tells its cost afterwards. */
function costPlugin(options: EngineOptions): ApolloServerPlugin<OperationContext> {
  const { schema, limits } = options;
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ document, operation, operationName, request, contextValue }) {
          const asked = { document, definition: operation!, operationName, variables: request.variables ?? {} };
          const { context, estimate } = await admitOperation(options, asked, contextValue);
          Object.assign(contextValue, context, { estimate });
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
          const freshness = contextValue.stale.all;
          const told = freshness.length === 0 ? {} : { freshness };
          response.body.singleResult.extensions = { ...response.body.singleResult.extensions, cost, ...told };
        },
      };
    },
  };
}
