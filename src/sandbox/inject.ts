import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { CallCounter } from "./calls.ts";
import { answerInstead } from "./fault-answers.ts";
import { spoil } from "./fault-bodies.ts";
import type { FaultBook } from "./fault-book.ts";
import type { Fault } from "./faults.ts";

/** What the injection needs to know of a source and of the sandbox. */
export interface InjectionOptions {
  readonly source: string;
  readonly faults: FaultBook;
  readonly calls: CallCounter;
  /** The present instant, epoch milliseconds. */
  readonly clock: () => number;
}

const NOBODY = "cmV2b2tlZDpyZXZva2Vk";

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
export function injectFaults(app: FastifyInstance, { source, faults, calls, clock }: InjectionOptions): void {
  const met = new WeakMap<FastifyRequest, readonly Fault[]>();
  const counted = new WeakSet<FastifyRequest>();
  const count = (request: FastifyRequest, outcome: string) => {
    if (counted.has(request)) return;
    counted.add(request);
    calls.count(source, routeOf(source, request), outcome);
  };

  /** Whether the source is to answer; otherwise something has been sent in its place, or nobody is there any more. */
  const letThrough = async (request: FastifyRequest, reply: FastifyReply): Promise<boolean> => {
    const { authorization } = request.headers;
    const mine = faults.meet(source, { line: lineOf(source, request), body: bodyText(request), authorization });
    met.set(request, mine);
    if (faults.isRevoked(source, authorization)) request.headers.authorization = `${authorization?.split(" ")[0]} ${NOBODY}`;
    for (const fault of mine) {
      if (fault.kind === "delay" && !(await wait(request, fault.delayMs))) {
        count(request, "aborted");
        reply.hijack();
        return false;
      }
      if (fault.kind === "stall" || fault.kind === "reset") count(request, fault.kind);
      if (answerInstead(fault, reply, clock())) return false;
    }
    return true;
  };

  // Not an async hook: what that returns is waited for, and the reply's own promise fails when a client hangs up.
  app.addHook("preHandler", (request, reply, done) => {
    // A client that hangs up in the middle of a streamed answer is told of here alone.
    reply.raw.once("close", () => count(request, reply.raw.writableFinished ? String(reply.statusCode) : "aborted"));
    // oxlint-disable-next-line promise/no-callback-in-promise -- the framework's own way of going on
    letThrough(request, reply).then(goesOn => goesOn && done(), done);
  });
  app.addHook("onSend", async (request, reply, payload) => spoil(met.get(request) ?? [], reply, payload));
  app.addHook("onResponse", async (request, reply) =>
    count(request, reply.raw.writableFinished ? String(reply.statusCode) : "aborted"),
  );
}
