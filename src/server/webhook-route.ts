import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { StoreError } from "../core/errors.ts";

/** A call as it came; names of headers in lower case, the body's very bytes. */
interface Delivery {
  readonly method: string;
  readonly url: string;
  readonly headers: FastifyRequest["headers"];
  readonly body: Buffer;
}

/** Where webhooks are taken in. */
export interface WebhookOptions {
  /** Throws `STORE_UNAVAILABLE`. */
  readonly receive: (source: string, delivery: Delivery) => Promise<"kept" | "no such webhooks" | "not genuine">;
  /** The address under which sources reach this server, without a slash at its end: what they sign. */
  readonly publicUrl: () => string;
}

/** The largest call, in bytes. */
const MAX_BYTES = 1024 ** 2;
const RETRY_AFTER_S = 5;

type Call = FastifyRequest<{ Params: { source: string }; Body: Buffer | undefined }>;

/** `POST /webhooks/<source>`: kept before it is answered. The body stays the bytes that came until it is known to be genuine. */
export function mountWebhooks(app: FastifyInstance, options: WebhookOptions): void {
  void app.register(async scope => {
    scope.removeAllContentTypeParsers();
    const asBytes = (_request: FastifyRequest, body: Buffer, done: (error: null, body: Buffer) => void) => done(null, body);
    scope.addContentTypeParser(/^application\/([\w.+-]+\+)?json/, { parseAs: "buffer", bodyLimit: MAX_BYTES }, asBytes);
    scope.post("/webhooks/:source", (request: Call, reply) => receive(options, request, reply));
    scope.route({
      method: ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"],
      url: "/webhooks/:source",
      handler: (_request, reply) => answer(reply.header("allow", "POST"), 405, "call with POST"),
    });
  });
}

const answer = (reply: FastifyReply, status: number, problem: string) => reply.code(status).send({ error: problem });

async function receive({ receive: take, publicUrl }: WebhookOptions, request: Call, reply: FastifyReply) {
  const { params, method, headers, url } = request;
  try {
    const body = request.body ?? Buffer.alloc(0);
    const received = await take(params.source, { method, url: `${publicUrl()}${url}`, headers, body });
    if (received === "kept") return await reply.code(204).send();
    if (received === "not genuine") return await answer(reply, 401, "this call is not signed as it should be");
    return await answer(reply, 404, "no webhooks are taken in under this name");
  } catch (thrown) {
    if (!(thrown instanceof StoreError)) throw thrown;
    return answer(reply.header("retry-after", RETRY_AFTER_S), 503, "it could not be kept; call again");
  }
}
