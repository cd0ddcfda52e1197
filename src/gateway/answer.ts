import type { FormattedExecutionResult, GraphQLFormattedError } from "graphql";
import type { Logger } from "../core/ports.ts";
import { formatError, originOf, presented } from "./format-error.ts";
import type { RequestContext } from "./request-context.ts";

/** The answer to one operation. `status`: 200 when it was executed, 400 when it was refused, 500 when we failed. */
export interface EngineResult {
  readonly status: 200 | 400 | 500;
  readonly body: FormattedExecutionResult;
}

/** The answer to an operation that is refused before it is executed. */
export function refusal(thrown: unknown, context: RequestContext, logger: Logger): EngineResult {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return resultOf({ errors: [present({ message }, thrown, context, logger)] }, context);
}

/** An error of an answer as clients see it; what failed inside is logged. */
export function present(
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

/** An answer with its status; warnings of the request join its errors. */
export function resultOf(body: FormattedExecutionResult, context: RequestContext): EngineResult {
  if (body.data === undefined)
    return { status: body.errors?.some(error => error.extensions?.["code"] === "INTERNAL") ? 500 : 400, body };
  const warnings = context.warnings.map(warning => presented(warning, context.requestId));
  return { status: 200, body: warnings.length === 0 ? body : { ...body, errors: [...(body.errors ?? []), ...warnings] } };
}
