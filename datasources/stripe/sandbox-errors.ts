import type { FastifyReply } from "fastify";

/** What a provider's error says. @see https://docs.stripe.com/api/errors */
export interface StripeProblem {
  readonly status: number;
  readonly type: "invalid_request_error" | "idempotency_error" | "api_error";
  readonly message: string;
  readonly code?: string;
  readonly param?: string;
}

/** Thrown by routes and answered as an error body. */
export class StripeError extends Error {
  readonly problem: StripeProblem;

  constructor(problem: StripeProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

const DOCS = "https://docs.stripe.com/error-codes";

/** 404 for a key in the path. */
export const noSuch = (object: string, id: string, param = "id", status = 404): StripeError =>
  new StripeError({
    status,
    type: "invalid_request_error",
    code: "resource_missing",
    param,
    message: `No such ${object}: '${id}'`,
  });

/** 400 for a parameter. */
export const badParameter = (param: string, code: string, message: string): StripeError =>
  new StripeError({ status: 400, type: "invalid_request_error", code, param, message });

/** Sends an error as the provider words it. */
export function sendProblem(reply: FastifyReply, { status, type, message, code, param }: StripeProblem): FastifyReply {
  // A quota may be free again in an instant; for everything else the provider says that asking again is useless.
  if (status !== 429) void reply.header("stripe-should-retry", "false");
  const doc = code === undefined ? {} : { code, doc_url: `${DOCS}/${code.replaceAll("_", "-")}` };
  return reply.code(status).send({ error: { ...doc, message, ...(param === undefined ? {} : { param }), type } });
}
