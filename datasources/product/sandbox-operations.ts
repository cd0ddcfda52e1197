import { execute, getOperationAST, getVariableValues, GraphQLError, parse, validate } from "graphql";
import type { DocumentNode, ExecutionResult, GraphQLFormattedError, GraphQLSchema } from "graphql";
import type { World } from "../../src/sandbox/imitation.ts";
import { leakyBucket } from "../../src/sandbox/quota.ts";
import { requestedCost } from "./sandbox-cost.ts";
import type { PricedOperation } from "./sandbox-cost.ts";
import { createRoot } from "./sandbox-resolvers.ts";
import type { Meter, Shelves } from "./sandbox-resolvers.ts";
import { buildProductSchema } from "./sandbox-schema.ts";

/** An operation as it came in. */
export interface OperationRequest {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly operationName: string | null;
}

/** The body of an answer; `data` is absent when nothing ran. */
interface OperationAnswer {
  readonly data?: unknown;
  readonly errors?: readonly GraphQLFormattedError[];
  readonly extensions: { readonly cost: Cost };
}

/** What every answer says about its price, in points. */
interface Cost {
  readonly requestedQueryCost: number;
  /** Null when nothing ran. */
  readonly actualQueryCost: number | null;
  readonly throttleStatus: {
    readonly maximumAvailable: number;
    readonly currentlyAvailable: number;
    readonly restoreRate: number;
  };
}

/** Runs operations within the account's budget. */
export interface Operations {
  run(request: OperationRequest): OperationAnswer;
  /** Fills the budget. */
  reset(): void;
}

const CAPACITY = 2000;
const RESTORE_PER_SECOND = 100;
const MOST_PER_QUERY = 1000;
const MOST_TOKENS = 20_000;

type Refusals = readonly GraphQLFormattedError[];

const coded = (code: string, message: string, details: Readonly<Record<string, unknown>> = {}): GraphQLFormattedError => ({
  message,
  extensions: { code, ...details },
});

const withCode = (error: GraphQLError, code: string): GraphQLFormattedError => ({ ...error.toJSON(), extensions: { code } });

function readDocument(schema: GraphQLSchema, query: string): DocumentNode | Refusals {
  try {
    const document = parse(query, { maxTokens: MOST_TOKENS });
    const errors = validate(schema, document);
    return errors.length === 0 ? document : errors.map(error => withCode(error, "GRAPHQL_VALIDATION_FAILED"));
  } catch (error) {
    if (error instanceof GraphQLError) return [withCode(error, "GRAPHQL_PARSE_FAILED")];
    throw error;
  }
}

/** Everything that can be refused before a point is spent. */
function prepare(schema: GraphQLSchema, { query, variables, operationName }: OperationRequest): PricedOperation | Refusals {
  const document = readDocument(schema, query);
  if (!("kind" in document)) return document;
  const operation = getOperationAST(document, operationName);
  if (!operation)
    return [coded("OPERATION_RESOLUTION_FAILURE", "State operationName: it must name one operation of the document")];
  const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  if (errors !== undefined) return errors.map(error => withCode(error, "BAD_USER_INPUT"));
  return { schema, document, operation, variables: coerced };
}

function priceOf(operation: PricedOperation): number | Refusals {
  try {
    return requestedCost(operation);
  } catch (error) {
    if (error instanceof GraphQLError) return [withCode(error, "BAD_USER_INPUT")];
    throw error;
  }
}

const tooDear = (cost: number) =>
  coded("MAX_COST_EXCEEDED", `Query cost is ${cost}, which exceeds the single query max cost limit (${MOST_PER_QUERY}).`, {
    cost,
    maxCost: MOST_PER_QUERY,
  });

/** Makes the executor of one mounted service. */
export function createOperations(shelves: Shelves, { clock, quotas }: Pick<World, "clock" | "quotas">): Operations {
  const schema = buildProductSchema();
  const root = createRoot(shelves);
  const budget = leakyBucket({ capacity: CAPACITY, restorePerSecond: RESTORE_PER_SECOND });
  const extensions = (requestedQueryCost: number, actualQueryCost: number | null) => {
    const currentlyAvailable = quotas ? budget.peek(clock()).remaining : CAPACITY;
    const throttleStatus = { maximumAvailable: CAPACITY, currentlyAvailable, restoreRate: RESTORE_PER_SECOND };
    return { cost: { requestedQueryCost, actualQueryCost, throttleStatus } };
  };
  const refuse = (errors: Refusals, requested = 0): OperationAnswer => ({
    errors,
    extensions: extensions(requested, null),
  });
  const carryOut = ({ document, operation, variables }: PricedOperation, requested: number): OperationAnswer => {
    const meter: Meter = { points: 1 };
    const operationName = operation.name?.value ?? null;
    // Every resolver is synchronous, so nothing can spend between the check of the budget and the charge.
    const { data, errors } = execute({
      schema,
      document,
      rootValue: root,
      contextValue: meter,
      variableValues: variables,
      operationName,
    }) as ExecutionResult;
    if (quotas) budget.take(clock(), meter.points);
    const failed = errors === undefined ? {} : { errors: errors.map(error => error.toJSON()) };
    return { data, ...failed, extensions: extensions(requested, meter.points) };
  };
  const run = (request: OperationRequest): OperationAnswer => {
    const prepared = prepare(schema, request);
    if (!("document" in prepared)) return refuse(prepared);
    const price = priceOf(prepared);
    if (typeof price !== "number") return refuse(price);
    if (price > MOST_PER_QUERY) return refuse([tooDear(price)], price);
    if (quotas && budget.peek(clock()).remaining < price) return refuse([coded("THROTTLED", "Throttled")], price);
    return carryOut(prepared, price);
  };
  return { run, reset: () => budget.reset() };
}
