import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { GraphQLError, parse } from "graphql";
import { handleProtocols, makeServer } from "graphql-ws";
import { type WebSocket, WebSocketServer } from "ws";
import { asError } from "../core/errors.ts";
import type { Logger } from "../core/ports.ts";
import type { EngineResult } from "../gateway/answer.ts";
import { beginRequest, type RequestContext } from "../gateway/request-context.ts";
import { isCrossSite } from "./csrf.ts";
import type { EventStreamOptions } from "./event-stream.ts";
import { checkedOperation } from "./graphql-request.ts";

/** A connection whose other end answers no ping for so long, in ms, is dropped: it is gone, or takes nothing any more. */
const PING_MS = 12_000;
/** A connection that is asked to close is dropped after so long, in ms. */
const CLOSING_MS = 1_000;
/** Operations that one connection may have open. */
const MAX_OPEN = 50;

export interface WebSocketOptions extends EventStreamOptions {
  readonly logger: Logger;
  readonly allowedHosts: readonly string[] | null;
}

interface Extra {
  readonly gone: AbortSignal;
  readonly requestId: string;
}

/** What the library is given in place of a document: whatever is asked for is answered as a stream of ours. */
const anyOperation = parse("subscription { any }");

/** Answers operations over WebSockets at `/graphql`, as `graphql-transport-ws` has it. @see https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md */
export function mountWebSockets(app: FastifyInstance, options: WebSocketOptions): void {
  const { streams, logger } = options;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: options.engine.limits.maxBodyBytes,
    handleProtocols: protocols => handleProtocols(protocols),
  });
  const server = serverOf(options);
  sockets.on("connection", socket => {
    let done: () => void;
    try {
      done = streams.add(() => socket.close(1001, "the server stops"));
    } catch (thrown) {
      return socket.close(4429, asError(thrown).message.slice(0, 120));
    }
    socket.once("close", done);
    socket.on("error", error => logger.warn({ problem: error.message }, "a WebSocket failed"));
    connect(server, socket, logger);
  });
  app.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const problem = refusalOf(request, options);
    if (problem !== null) return void socket.end(`HTTP/1.1 ${problem}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    sockets.handleUpgrade(request, socket, head, opened => sockets.emit("connection", opened, request));
  });
  app.addHook("preClose", async () => {
    // They were asked to close; the server does not end before they have.
    setTimeout(() => sockets.clients.forEach(socket => socket.terminate()), CLOSING_MS).unref();
    sockets.close();
  });
}

function refusalOf(request: IncomingMessage, { allowedHosts }: WebSocketOptions): string | null {
  const [path] = (request.url ?? "").split("?");
  if (path !== "/graphql") return "404 Not Found";
  const host = (request.headers.host ?? "").replace(/:\d+$/, "");
  if (allowedHosts && !allowedHosts.includes(host)) return "403 Forbidden";
  return isCrossSite(request.headers) ? "403 Forbidden" : null;
}

function serverOf({ gateway, engine, deadlineMs }: WebSocketOptions) {
  return makeServer<Record<string, unknown>, Extra>({
    onSubscribe: async ({ extra, subscriptions }, id, payload) => {
      try {
        if (Object.keys(subscriptions).length > MAX_OPEN)
          return [
            refused(`this connection has ${MAX_OPEN} operations open already`, { code: "LIMIT_SUBSCRIPTIONS", limit: MAX_OPEN }),
          ];
        const operation = checkedOperation({ ...payload });
        const ended = new AbortController();
        const signal = AbortSignal.any([extra.gone, ended.signal]);
        const context = (deadline: number | null): RequestContext =>
          beginRequest(gateway, {
            requestId: `${extra.requestId}.${id.replaceAll(/[^\w.:-]/g, "").slice(0, 50)}`,
            deadlineMs: deadline,
            clientGone: signal,
          });
        const starter = context(null);
        const results = await engine.stream(operation, starter, () => context(deadlineMs));
        if (!(Symbol.asyncIterator in results)) {
          starter.finish();
          return (results.body.errors ?? []).map(error => refused(error.message, error.extensions ?? {}));
        }
        const end = () => {
          ended.abort();
          starter.finish();
        };
        return { schema: undefined as never, document: anyOperation, contextValue: new Answers(results, end) };
      } catch (thrown) {
        return [refused(asError(thrown).message, { code: "REQUEST_INVALID" })];
      }
    },
    subscribe: ({ contextValue }) => contextValue as never,
    onNext: (_context, _id, _payload, _arguments, result) => result as never,
  });
}

const refused = (message: string, extensions: Record<string, unknown>): GraphQLError => new GraphQLError(message, { extensions });

/** The answers of an operation, as the library walks through them; leaving cancels the one that is being made. */
class Answers implements AsyncGenerator<object> {
  readonly #results: AsyncGenerator<EngineResult>;
  readonly #end: () => void;

  constructor(results: AsyncGenerator<EngineResult>, end: () => void) {
    this.#results = results;
    this.#end = end;
  }

  async next(): Promise<IteratorResult<object>> {
    const { done, value } = await this.#results.next();
    if (done === true) this.#end();
    return done === true ? { done, value: undefined } : { done: false, value: value.body };
  }

  async return(): Promise<IteratorResult<object>> {
    await this.#leave();
    return { done: true, value: undefined };
  }

  async throw(thrown: unknown): Promise<IteratorResult<object>> {
    await this.#leave();
    throw thrown;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leave();
  }

  async #leave(): Promise<void> {
    this.#end();
    await this.#results.return(undefined);
  }
}

function connect(server: ReturnType<typeof serverOf>, socket: WebSocket, logger: Logger): void {
  const gone = new AbortController();
  const keepAlive = pinging(socket);
  const closed = server.opened(
    {
      protocol: socket.protocol,
      // Resolves when the other end's buffers have taken it: until then the next answer is not made.
      send: text =>
        new Promise((resolve, reject) => {
          if (socket.readyState === socket.OPEN) socket.send(text, error => (error ? reject(error) : resolve()));
          else resolve();
        }),
      close: (code, reason) => socket.close(code, reason),
      onMessage: take => {
        socket.on("message", (data: Buffer) => {
          take(data.toString("utf8")).catch((thrown: unknown) => {
            logger.warn({ problem: asError(thrown).message }, "a WebSocket's message could not be answered");
            socket.close(1011, "internal error");
          });
        });
      },
    },
    { gone: gone.signal, requestId: randomUUID() },
  );
  socket.once("close", (code, reason) => {
    clearInterval(keepAlive);
    gone.abort();
    closed(code, reason.toString()).catch((thrown: unknown) => {
      logger.warn({ problem: asError(thrown).message }, "a WebSocket could not be put away");
    });
  });
}

function pinging(socket: WebSocket): NodeJS.Timeout {
  let isAlive = true;
  socket.on("pong", () => (isAlive = true));
  return setInterval(() => {
    if (!isAlive) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, PING_MS);
}
