import type { FastifyReply, FastifyRequest } from "fastify";

/** The `error` of an answer: this vendor sends a name in some places and an object in others. */
export type ErrorBody = Readonly<Record<string, unknown>> & {
  readonly error: string | { readonly title: string; readonly message: string };
};

/** What a handler throws to answer with an error of the vendor's. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly body: ErrorBody;

  constructor(status: number, body: ErrorBody) {
    super(`answered with ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** The record, or the page it is on, is not there. */
export const recordNotFound = () => new Refusal(404, { error: "RecordNotFound", description: "Not found" });

/** A parameter cannot be understood. */
export const invalidAttribute = (name: string, message: string) =>
  new Refusal(400, {
    error: { title: "Invalid attribute", message: `You passed an invalid value for the ${name} attribute. ${message}` },
  });

/** A change was refused. */
export const recordInvalid = (field: string, description: string) =>
  new Refusal(422, {
    error: "RecordInvalid",
    description: "Record validation errors",
    details: { [field]: [{ description, error: "InvalidValue" }] },
  });

/** Turns a refusal into its answer; anything else goes on. */
export function answerRefusal(error: unknown, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (!(error instanceof Refusal)) throw error;
  return reply.code(error.status).send(error.body);
}

/** A request's path, and one parameter or the other of its query. The first value counts when a parameter repeats. */
export class Query {
  readonly url: URL;

  constructor(request: FastifyRequest) {
    this.url = new URL(request.url, `${request.protocol}://${request.host}`);
  }

  text(name: string): string | undefined {
    return this.url.searchParams.get(name) ?? undefined;
  }

  /** An integer from 1 up; `fallback` when absent. Throws {@link Refusal} otherwise. */
  integer(name: string, fallback: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    if (!/^[1-9]\d{0,8}$/.test(text)) throw invalidAttribute(name, `Invalid parameter: ${name} must be an integer`);
    return Number(text);
  }

  /** The same address with other parameters; null takes one away. */
  with(changes: Readonly<Record<string, string | null>>): string {
    const url = new URL(this.url);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    return url.href;
  }
}
