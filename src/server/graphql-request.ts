import type { GraphQLRequest } from "@apollo/server";
import type { FastifyRequest } from "fastify";
import { RequestError } from "../core/errors.ts";

/** The media type of a GraphQL answer. @see https://graphql.github.io/graphql-over-http/draft/#sec-Media-Types */
export type MediaType = "application/json" | "application/graphql-response+json" | "text/event-stream";

/** A request that is not well-formed GraphQL over HTTP; it has no GraphQL answer. */
export class BadRequest extends Error {
  readonly status: number;
  constructor(message: string, status = 400) {
    super(message);
    this.status = status;
  }
}

/** The operations in an HTTP request: one, or the several of a batch. Throws `BadRequest` or `LIMIT_BATCH`. */
export function operationsIn(request: FastifyRequest, maxBatch: number): { operations: GraphQLRequest[]; isBatch: boolean } {
  if (request.method === "GET") return { operations: [fromQuery(request.query as Record<string, unknown>)], isBatch: false };
  const type = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new BadRequest("POST needs the header Content-Type: application/json", 415);
  if (!Array.isArray(request.body)) return { operations: [fromBody(request.body)], isBatch: false };
  if (request.body.length === 0) throw new BadRequest("the batch holds no operation");
  if (request.body.length > maxBatch) {
    const message = `the batch holds ${request.body.length} operations, the limit is ${maxBatch}`;
    throw new RequestError("LIMIT_BATCH", message, { details: { limit: maxBatch, value: request.body.length } });
  }
  return { operations: request.body.map(fromBody), isBatch: true };
}

/** The best media type that the client accepts; undefined when it accepts none of ours. */
export function negotiate(accept: string | undefined): MediaType | undefined {
  if (accept === undefined || accept.trim() === "") return "application/json";
  const ranges = accept
    .split(",")
    .map(rangeOf)
    .filter(range => range.quality > 0);
  ranges.sort((a, b) => b.quality - a.quality);
  for (const { type } of ranges) {
    if (type === "application/graphql-response+json" || type === "text/event-stream") return type;
    if (type === "application/json" || type === "application/*" || type === "*/*") return "application/json";
  }
  return undefined;
}

function rangeOf(text: string): { type: string; quality: number } {
  const [type = "", ...parameters] = text.split(";").map(part => part.trim().toLowerCase());
  const quality = parameters.find(parameter => parameter.startsWith("q="));
  return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) };
}

function fromBody(body: unknown): GraphQLRequest {
  if (!isRecord(body)) throw new BadRequest("the body must be a JSON object with a query");
  return checkedOperation(body);
}

function fromQuery(parameters: Record<string, unknown>): GraphQLRequest {
  const { variables, extensions, ...rest } = parameters;
  return checkedOperation({ ...rest, variables: parsed(variables, "variables"), extensions: parsed(extensions, "extensions") });
}

function parsed(value: unknown, name: string): unknown {
  if (value === undefined || value === "") return undefined;
  try {
    return typeof value === "string" ? JSON.parse(value) : value;
  } catch (cause) {
    throw new BadRequest(`${name} must be JSON: ${(cause as Error).message}`);
  }
}

/** An operation whose parts are of their types. Throws `BadRequest`. */
export function checkedOperation({ query, variables, operationName, extensions }: Record<string, unknown>): GraphQLRequest {
  if (typeof query !== "string" || query === "") throw new BadRequest("query must be text with a GraphQL operation");
  if (!isAbsentOr(variables, isRecord)) throw new BadRequest("variables must be an object");
  if (nestingOf(variables) > MAX_NESTING)
    throw new BadRequest(`variables are nested more than ${MAX_NESTING} levels deep: flatten them`);
  if (!isAbsentOr(extensions, isRecord)) throw new BadRequest("extensions must be an object");
  if (!isAbsentOr(operationName, isText)) throw new BadRequest("operationName must be text");
  return {
    query,
    ...(variables && { variables }),
    ...(extensions && { extensions }),
    ...(operationName && { operationName }),
  };
}

const MAX_NESTING = 32;

/** How deep a value is nested, as far as that matters. */
function nestingOf(value: unknown): number {
  let level: unknown[] = [value];
  for (let depth = 0; ; depth++) {
    level = level.flatMap(item => (typeof item === "object" && item !== null ? Object.values(item) : []));
    if (level.length === 0 || depth > MAX_NESTING) return depth;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === "string";
const isAbsentOr = <T>(value: unknown, is: (value: unknown) => value is T): value is T | null | undefined =>
  value === undefined || value === null || is(value);
