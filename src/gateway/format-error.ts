import { GraphQLError, type GraphQLFormattedError } from "graphql";
import { TributaryError } from "../core/errors.ts";

const shownDetails = ["source", "collection", "httpStatus", "attempts", "retryAfterMs", "candidates", "limit", "value"] as const;

/**
 * An error as clients see it: its stable code, and of its facts only those that are safe to show. Anything that is not of our taxonomy and
 * not GraphQL's own refusal of the query is masked as `INTERNAL`.
 */
export function formatError(formatted: GraphQLFormattedError, thrown: unknown, requestId: string): GraphQLFormattedError {
  const original = originOf(thrown);
  const place = {
    ...(formatted.locations && { locations: formatted.locations }),
    ...(formatted.path && { path: formatted.path }),
  };
  if (original instanceof TributaryError) return { ...presented(original, requestId), ...place };
  if (original instanceof GraphQLError && formatted.extensions?.["code"] !== "INTERNAL_SERVER_ERROR") {
    return {
      message: formatted.message,
      ...place,
      extensions: { code: formatted.extensions?.["code"] ?? "REQUEST_INVALID", requestId },
    };
  }
  return {
    message: `Internal error; the log has it under request ${requestId}`,
    ...place,
    extensions: { code: "INTERNAL", retryable: false, requestId },
  };
}

/** What was thrown in the first place: compiled execution and Apollo Server each wrap it once more. */
export function originOf(thrown: unknown): unknown {
  let origin = thrown;
  while (origin instanceof Error && "originalError" in origin && origin.originalError) origin = origin.originalError;
  return origin;
}

/** An error of the taxonomy in the form in which clients see it, its remedy included. */
export function presented(error: TributaryError, requestId: string): GraphQLFormattedError {
  const message = error.message.endsWith(error.remedy) ? error.message : `${error.message}. ${error.remedy}`;
  return { message, extensions: extensionsOf(error, requestId) };
}

/** `code, source, collection, httpStatus, attempts, retryable, retryAfterMs, requestId`; what is not known is absent. */
function extensionsOf(error: TributaryError, requestId: string): Record<string, unknown> {
  const known = shownDetails.flatMap(name => (error.details[name] === undefined ? [] : [[name, error.details[name]] as const]));
  return { code: error.code, retryable: error.retryable, ...Object.fromEntries(known), requestId };
}
