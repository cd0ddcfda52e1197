import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { CallCounter } from "./calls.ts";
import { driftJson } from "./drift.ts";
import type { Fault, FaultBook } from "./faults.ts";

/** What the injection needs to know of a source and of the sandbox. */
export interface InjectionOptions {
  readonly source: string;
  readonly faults: FaultBook;
  readonly calls: CallCounter;
}

const NOBODY = "cmV2b2tlZDpyZXZva2Vk";
const HTML = "<!doctype html><html><head><title>Bad gateway</title></head><body><h1>We will be right back</h1></body></html>";

/** Waits, or gives up as soon as the client hangs up. Resolves to whether the client is still there. */
function wait(request: FastifyRequest, delayMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const { socket } = request.raw;
  const hungUp = () => {
    clearTimeout(timer);
    resolve(false);
  };
  const timer = setTimeout(() => {
    socket.off("close", hungUp);
    resolve(true);
  }, delayMs);
  socket.once("close", hungUp);
  return promise;
}

const defaultBody = (status: number) => ({
  error: { type: "injected_fault", message: `The sandbox was told to answer ${status}` },
});

function sendBody(reply: FastifyReply, body: unknown, contentType: string) {
  return reply.type(contentType).send(typeof body === "string" ? body : JSON.stringify(body));
}

/** Sends what a fault answers in the source's place; undefined when it lets the source answer. */
function answerInstead(fault: Fault, reply: FastifyReply): FastifyReply | undefined {
  switch (fault.kind) {
    case "status":
      if (fault.retryAfter !== undefined) void reply.header("retry-after", String(fault.retryAfter));
      return sendBody(reply.code(fault.status), fault.body ?? defaultBody(fault.status), fault.contentType ?? "application/json");
    case "malformed":
      return sendBody(reply.code(200), fault.body ?? HTML, fault.contentType ?? "text/html; charset=utf-8");
    case "empty":
      return reply.code(204).send();
    case "graphql-errors": {
      const errors = [{ message: "Something went wrong", extensions: { code: "INTERNAL_SERVER_ERROR" } }];
      return sendBody(reply.code(200), fault.body ?? { data: null, errors }, "application/json");
    }
    case "stall":
      return reply.hijack();
    case "reset":
      reply.request.raw.socket.resetAndDestroy();
      return reply.hijack();
    case "delay":
    case "truncate":
    case "expire-token":
    case "drift":
      break;
  }
  return undefined;
}

function cut(payload: string, after: number | undefined): Buffer {
  const bytes = Buffer.from(payload);
  return bytes.subarray(0, Math.min(after ?? Math.floor(bytes.length / 2), bytes.length));
}

/** Rewrites a finished body by the faults that a request met. */
function spoil(faults: readonly Fault[], reply: FastifyReply, payload: unknown): unknown {
  if (typeof payload !== "string" || reply.statusCode >= 300) return payload;
  let text = payload;
  for (const fault of faults) if (fault.kind === "drift") text = driftJson(text, fault.change);
  const truncation = faults.find(fault => fault.kind === "truncate");
  const spoilt = truncation === undefined ? text : cut(text, truncation.after);
  if (spoilt !== payload) void reply.header("content-length", Buffer.byteLength(spoilt));
  return spoilt;
}

function bodyText(request: FastifyRequest): string {
  const { body } = request;
  if (body === undefined || body === null) return "";
  return typeof body === "string" || body instanceof URLSearchParams ? String(body) : JSON.stringify(body);
}

/** The request without the sandbox's prefix, as the provider would log it. */
const lineOf = (source: string, { method, url }: FastifyRequest) => `${method} ${url.slice(source.length + 1)}`;

const routeOf = (source: string, { method, routeOptions }: FastifyRequest) =>
  `${method} ${routeOptions.url?.slice(source.length + 1) ?? "(no such route)"}`;

/** Puts the fault book before an imitation's routes and the counter behind them. */
export function injectFaults(app: FastifyInstance, { source, faults, calls }: InjectionOptions): void {
  const met = new WeakMap<FastifyRequest, readonly Fault[]>();
  const counted = new WeakSet<FastifyRequest>();
  const count = (request: FastifyRequest, outcome: string) => {
    if (counted.has(request)) return;
    counted.add(request);
    calls.count(source, routeOf(source, request), outcome);
  };

  app.addHook("preHandler", async (request, reply) => {
    const { authorization } = request.headers;
    const mine = faults.meet(source, { line: lineOf(source, request), body: bodyText(request), authorization });
    met.set(request, mine);
    if (faults.isRevoked(source, authorization)) request.headers.authorization = `${authorization?.split(" ")[0]} ${NOBODY}`;
    for (const fault of mine) {
      if (fault.kind === "delay" && !(await wait(request, fault.delayMs))) {
        count(request, "aborted");
        return reply.hijack();
      }
      if (fault.kind === "stall" || fault.kind === "reset") count(request, fault.kind);
      const answered = answerInstead(fault, reply);
      if (answered !== undefined) return answered;
    }
    return undefined;
  });
  app.addHook("onSend", async (request, reply, payload) => spoil(met.get(request) ?? [], reply, payload));
  app.addHook("onResponse", async (request, reply) =>
    count(request, reply.raw.writableFinished ? String(reply.statusCode) : "aborted"),
  );
}
