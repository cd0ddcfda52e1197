import type { FastifyReply } from "fastify";

/** What a refused request is answered with. @see https://developers.hubspot.com/docs/api-reference/error-handling */
export interface HubSpotProblem {
  readonly status: number;
  readonly category: string;
  readonly message: string;
  /** Further fields of the body. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** Thrown by routes and answered as an error body. */
export class HubSpotError extends Error {
  readonly problem: HubSpotProblem;

  constructor(problem: HubSpotProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** 400 for input that cannot be. */
export const invalid = (message: string, more: HubSpotProblem["more"] = {}): HubSpotError =>
  new HubSpotError({ status: 400, category: "VALIDATION_ERROR", message, more });

/** 404 for a contact that is not there. */
export const noSuchContact = (id: string): HubSpotError =>
  new HubSpotError({
    status: 404,
    category: "OBJECT_NOT_FOUND",
    message: "Object not found.  objectId are usually numeric.",
    more: { context: { id: [id] }, subCategory: "crm.object_not_found" },
  });

/** The id that ties an answer to the provider's logs; the dressing hook has put it on the reply. */
export const correlationOf = (reply: FastifyReply): string => String(reply.getHeader("x-hubspot-correlation-id"));

/** Sends an error as the provider words it. */
export function sendProblem(reply: FastifyReply, { status, category, message, more }: HubSpotProblem): FastifyReply {
  return reply.code(status).send({ status: "error", message, correlationId: correlationOf(reply), category, ...more });
}
