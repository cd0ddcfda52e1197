import type { ApolloServerOptions } from "@apollo/server";
import { type DocumentNode, type ExecutionResult, GraphQLError, type GraphQLSchema } from "graphql";
import { type CompiledQuery, compileQuery, isCompiledQuery } from "graphql-jit";
import type { RequestContext } from "./request-context.ts";

type GatewayInterface = NonNullable<Extract<ApolloServerOptions<RequestContext>, { gateway: unknown }>["gateway"]>;
type Executor = NonNullable<Awaited<ReturnType<GatewayInterface["load"]>>["executor"]>;
type Compiled = CompiledQuery | ExecutionResult;

/** Runs operations compiled to JavaScript, each document's once; documents are kept by Apollo Server's own cache and forgotten with it. */
export function createExecutor(schema: GraphQLSchema): Executor {
  const compiled = new WeakMap<DocumentNode, Map<string, Compiled>>();
  return async ({ document, operationName, request, context }) => {
    const operations = compiled.get(document) ?? new Map<string, Compiled>();
    compiled.set(document, operations);
    const name = operationName ?? "";
    const operation = operations.get(name) ?? compileQuery(schema, document, operationName ?? undefined);
    operations.set(name, operation);
    const result = isCompiledQuery(operation) ? await operation.query(undefined, context, request.variables ?? {}) : operation;
    return result.errors ? { ...result, errors: result.errors.map(asGraphQLError) } : result;
  };
}

/** Compiled execution has an error class of its own, without the `extensions` that Apollo Server's formatting counts on. */
function asGraphQLError({ message, path, locations, originalError }: GraphQLError): GraphQLError {
  const known = new GraphQLError(message, { path: path ?? null, originalError: originalError ?? null });
  return Object.defineProperty(known, "locations", { value: locations, enumerable: locations !== undefined });
}

/** The executor in the form in which Apollo Server takes one. */
export function compiledGateway(schema: GraphQLSchema): GatewayInterface {
  let notify: Parameters<GatewayInterface["onSchemaLoadOrUpdate"]>[0] | undefined;
  return {
    async load() {
      notify?.({ apiSchema: schema, coreSupergraphSdl: "" });
      return { executor: createExecutor(schema) };
    },
    onSchemaLoadOrUpdate(callback) {
      notify = callback;
      return () => (notify = undefined);
    },
    async stop() {
      notify = undefined;
    },
  };
}
