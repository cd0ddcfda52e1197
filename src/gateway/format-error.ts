import { GraphQLError, type GraphQLFormattedError } from "graphql";
import { TributaryError } from "../core/errors.ts";

const shownDetails = ["source", "collection", "httpStatus", "attempts", "retryAfterMs", "candidates", "limit", "value"] as const;

/**
 * An error as clients see it: its stable code, and of its facts only those that are safe to show. Anything that is not of our taxonomy and
 * not GraphQL's own refusal of the query is masked as `INTERNAL`.
 */
export function formatError(formatted: GraphQLFormattedError, thrown: unknown, requestId: string): GraphQLFormattedError {
  const original = thrown instanceof GraphQLError ? (thrown.originalError ?? thrown) : thrown;
  const place = {
    ...(formatted.locations && { locations: formatted.locations }),
    ...(formatted.path && { path: formatted.path }),
  };
  if (original instanceof TributaryError)
    return { message: messageOf(original), ...place, extensions: extensionsOf(original, requestId) };
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

const messageOf = (error: TributaryError): string =>
  error.message.endsWith(error.remedy) ? error.message : `${error.message}. ${error.remedy}`;

/** `code, source, collection, httpStatus, attempts, retryable, retryAfterMs, requestId`; what is not known is absent. */
export function extensionsOf(error: TributaryError, requestId: string): Record<string, unknown> {
  const known = shownDetails.flatMap(name => (error.details[name] === undefined ? [] : [[name, error.details[name]] as const]));
  return { code: error.code, retryable: error.retryable, ...Object.fromEntries(known), requestId };
}
