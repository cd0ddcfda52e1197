import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { AccessError, asError, StoreError, TributaryError } from "../core/errors.ts";
import type { Logger } from "../core/ports.ts";
import type { EngineResult } from "../gateway/answer.ts";
import type { Engine } from "../gateway/engine.ts";
import { presented } from "../gateway/format-error.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { beginRequest } from "../gateway/request-context.ts";
import { isCrossSite } from "./csrf.ts";
import { answerAsEvents } from "./event-stream.ts";
import { type ExportOptions, mountExport } from "./export-route.ts";
import { mountExplorer } from "./explorer-route.ts";
import { metricsText, metricsType, type PrometheusMeter } from "./metrics.ts";
import { type InboxRouteOptions, mountInbox } from "./intake-route.ts";
import { OpenStreams } from "./open-streams.ts";
import { mountWebSockets } from "./web-sockets.ts";
import { mountWebhooks, type WebhookOptions } from "./webhook-route.ts";
import { BadRequest, type MediaType, negotiate, operationsIn } from "./graphql-request.ts";

export interface ServerOptions {
  /** Names by which the server may be called, without port; null: any. Keeps a page whose name was made to lead here from asking. */
  readonly allowedHosts: readonly string[] | null;
  readonly gateway: Gateway;
  readonly engine: Engine;
  readonly logger: Logger;
  /** The time in ms that a request may take; a client may ask for less with `X-Tributary-Deadline-Ms`. */
  readonly deadlineMs: number;
  /** Subscriptions over server-sent events, and WebSockets, that may be open at once; 1,000 unless given. */
  readonly maxStreams?: number;
  readonly hasExplorer: boolean;
  /** What `/metrics` shows, and where requests are counted; there is no such route without it. */
  readonly meter?: PrometheusMeter;
  /** What `/export` gives out; there is no such route without it. */
  readonly exports?: ExportOptions;
  /** Where webhooks are taken in; there is no such route without it. */
  readonly webhooks?: WebhookOptions;
  /** Where the inbox is looked after; there is no such route without it. */
  readonly inbox?: InboxRouteOptions;
  /** Whether the process has finished starting and is not stopping; and what it lacks, for people. */
  readonly readiness: () => Promise<{ readonly isReady: boolean; readonly [fact: string]: unknown }>;
}

const MAX_STREAMS = 1_000;
const deadlineHeader = "x-tributary-deadline-ms";

/** The HTTP server: GraphQL at `/graphql`, also as server-sent events and over WebSockets, the explorer at `/`, `/export`, `/webhooks`, `/intake`, `/healthz`, `/readyz` and `/metrics`. */
export function createServer(options: ServerOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: options.engine.limits.maxBodyBytes,
    genReqId: request => safeId(request.headers["x-request-id"]) ?? randomUUID(),
    requestTimeout: 30_000,
    forceCloseConnections: "idle",
    return503OnClosing: true,
  });
  app.addHook("onRequest", async (request, reply) => {
    if (options.allowedHosts && !options.allowedHosts.includes(request.hostname))
      throw new AccessError("ACCESS_HOST", `this server is not called ${request.hostname}`);
    reply.header("x-request-id", request.id).header("x-content-type-options", "nosniff");
  });
  const state = { isClosing: false };
  const connections = new Set<Socket>();
  app.server.on("connection", socket => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
  });
  const streams = new OpenStreams(options.maxStreams ?? MAX_STREAMS);
  app.addHook("preClose", async () => {
    state.isClosing = true;
    streams.endAll();
    // A connection that never said anything is not idle to Node, and would hold up the end.
    for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
  });
  app.addHook("onSend", async (_request, reply) => {
    if (state.isClosing) reply.header("connection", "close"); // else a kept-alive connection would hold up the end
  });
  app.addHook("onResponse", async (request, reply) => {
    const { method, routeOptions, id } = request;
    const line = {
      method,
      route: routeOptions.url ?? "(none)",
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      requestId: id,
    };
    options.logger.info(line, "request");
    const labels = { route: line.route, status: String(line.status) };
    // A stream takes as long as somebody listens.
    if (!isStream(reply)) options.meter?.observe("tributary_http_request_seconds", labels, reply.elapsedTime / 1_000);
  });
  app.setErrorHandler((error, request, reply) => sendFailure(error, request, reply, options.logger));
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send(failure("REQUEST_INVALID", "nothing here; the graph is at /graphql", request.id)),
  );
  app.route({ method: ["GET", "POST"], url: "/graphql", handler: (request, reply) => answer(options, streams, request, reply) });
  app.route({
    method: ["PUT", "PATCH", "DELETE", "OPTIONS"],
    url: "/graphql",
    handler: (request, reply) =>
      reply
        .code(405)
        .header("allow", "GET, POST")
        .send(failure("REQUEST_INVALID", "ask with GET or POST", request.id)),
  });
  app.get("/healthz", () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) => {
    const readiness = await options.readiness();
    return reply.code(readiness.isReady ? 200 : 503).send(readiness);
  });
  const { meter, gateway } = options;
  if (meter) app.get("/metrics", async (_request, reply) => reply.type(metricsType).send(await metricsText(gateway, meter)));
  if (options.exports) mountExport(app, options.exports);
  if (options.webhooks) mountWebhooks(app, options.webhooks);
  if (options.inbox) mountInbox(app, options.inbox);
  mountWebSockets(app, { ...options, streams });
  if (options.hasExplorer) mountExplorer(app);
  return app;
}

const isStream = ({ raw }: FastifyReply): boolean => String(raw.getHeader("content-type")).startsWith("text/event-stream");

/** A request id that a client may choose: short and plain, since it is written into logs. */
const safeId = (header: string | string[] | undefined): string | undefined =>
  typeof header === "string" && /^[\w.:-]{1,100}$/.test(header) ? header : undefined;

async function answer(
  options: ServerOptions,
  streams: OpenStreams,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (isCrossSite(request.headers)) throw new AccessError("ACCESS_CROSS_SITE", "a browser sent this request for another site");
  const mediaType = negotiate(request.headers.accept);
  if (mediaType === undefined)
    throw new BadRequest("the answer comes as application/graphql-response+json, application/json or text/event-stream", 406);
  const { operations, isBatch } = operationsIn(request, options.engine.limits.maxBatch);
  if (mediaType === "text/event-stream") {
    if (isBatch) throw new BadRequest("a stream answers one operation: send each of the batch by itself");
    return answerAsEvents({ ...options, streams, deadlineMs: deadlineOf(options, request) }, operations[0]!, request, reply);
  }
  const clientGone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) clientGone.abort();
  });
  const context = beginRequest(options.gateway, {
    requestId: request.id,
    deadlineMs: deadlineOf(options, request),
    clientGone: clientGone.signal,
  });
  try {
    const results = await Promise.all(operations.map(operation => options.engine.execute(operation, context)));
    reply.header("content-type", `${mediaType}; charset=utf-8`).code(statusOf(results, mediaType));
    return reply.send(JSON.stringify(isBatch ? results.map(({ body }) => body) : results[0]?.body));
  } finally {
    context.finish();
  }
}

/** A refused request is a 4xx to clients that know GraphQL's own media type, and a 200 to the older ones. */
function statusOf(results: readonly EngineResult[], mediaType: MediaType): number {
  const failed = results.find(result => result.status !== 200);
  if (!failed || results.length > 1) return 200;
  return mediaType === "application/json" && failed.status < 500 ? 200 : failed.status;
}

function deadlineOf({ deadlineMs }: ServerOptions, request: FastifyRequest): number {
  const header = request.headers[deadlineHeader];
  if (header === undefined) return deadlineMs;
  const wanted = Number(header);
  if (!Number.isInteger(wanted) || wanted < 1)
    throw new BadRequest(`${deadlineHeader} must be a whole number of ms greater than zero`);
  return Math.min(wanted, deadlineMs);
}

const failure = (code: string, message: string, requestId: string) => ({
  errors: [{ message, extensions: { code, retryable: false, requestId } }],
});

/** Who may come back with credentials is told so. */
function statusOfRefusal(thrown: TributaryError, reply: FastifyReply): number {
  if (thrown instanceof StoreError) return 503;
  if (!(thrown instanceof AccessError)) return 400;
  return reply.hasHeader("www-authenticate") ? 401 : 403;
}

/** A failure before any GraphQL: the answer has the same form, and says no more than it should. */
function sendFailure(thrown: unknown, request: FastifyRequest, reply: FastifyReply, logger: Logger): FastifyReply {
  reply.header("content-type", "application/json; charset=utf-8");
  if (thrown instanceof BadRequest) return reply.code(thrown.status).send(failure("REQUEST_INVALID", thrown.message, request.id));
  if (thrown instanceof TributaryError) {
    return reply.code(statusOfRefusal(thrown, reply)).send({ errors: [presented(thrown, request.id)] });
  }
  const error = asError(thrown);
  const status = "statusCode" in error && typeof error.statusCode === "number" ? error.statusCode : 500;
  if (status === 413)
    return reply.code(413).send(failure("LIMIT_BODY_SIZE", "the request is too large: send a smaller one", request.id));
  if (status < 500) return reply.code(status).send(failure("REQUEST_INVALID", error.message, request.id));
  logger.error({ requestId: request.id, err: error }, "a request failed inside");
  return reply.code(500).send(failure("INTERNAL", `Internal error; the log has it under request ${request.id}`, request.id));
}
