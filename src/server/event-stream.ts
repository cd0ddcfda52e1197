import type { ServerResponse } from "node:http";
import type { GraphQLRequest } from "@apollo/server";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { EngineResult } from "../gateway/answer.ts";
import type { Engine } from "../gateway/engine.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { beginRequest } from "../gateway/request-context.ts";
import type { OpenStreams } from "./open-streams.ts";

/** Keeps the connection from being taken for dead, in ms. */
const PING_MS = 12_000;
/** A client that takes nothing for so long, in ms, is dropped. */
const STUCK_MS = 30_000;

export interface EventStreamOptions {
  readonly gateway: Gateway;
  readonly engine: Engine;
  readonly streams: OpenStreams;
  /** The time in ms that each answer may take. */
  readonly deadlineMs: number;
}

/**
 * Answers an operation as server-sent events: `next` with each answer, `complete` after the last. What is refused is answered as usual. A client that takes
 * nothing any more is dropped. @see https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md (distinct connections mode)
 */
export async function answerAsEvents(
  { gateway, engine, streams, deadlineMs }: EventStreamOptions,
  operation: GraphQLRequest,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const gone = new AbortController();
  const done = streams.add(() => reply.raw.destroy());
  const context = (deadline: number | null, clientGone: AbortSignal) =>
    beginRequest(gateway, { requestId: request.id, deadlineMs: deadline, clientGone });
  const starter = context(null, gone.signal);
  reply.raw.once("close", () => gone.abort());
  try {
    const results = await engine.stream(operation, starter, () => context(deadlineMs, gone.signal));
    if (!(Symbol.asyncIterator in results)) return await reply.code(results.status).send(results.body);
    reply.hijack();
    await writeEvents(reply, results);
    return reply;
  } finally {
    done();
    starter.finish();
  }
}

async function writeEvents(reply: FastifyReply, results: AsyncGenerator<EngineResult>): Promise<void> {
  const { raw } = reply;
  reply.headers({ "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", "x-accel-buffering": "no" });
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value);
  raw.writeHead(200);
  raw.flushHeaders();
  const ping = setInterval(() => void (raw.writableNeedDrain || raw.write(":\n\n")), PING_MS);
  try {
    for await (const { body } of results) {
      if (!(await written(raw, `event: next\ndata: ${JSON.stringify(body)}\n\n`))) return;
    }
    if (!raw.destroyed) raw.end("event: complete\ndata: \n\n");
  } finally {
    clearInterval(ping);
  }
}

/** Writes, and waits until the client has taken it; false when it did not, and was dropped. */
function written(raw: ServerResponse, text: string): Promise<boolean> {
  if (raw.destroyed) return Promise.resolve(false);
  if (raw.write(text)) return Promise.resolve(true);
  return new Promise(resolve => {
    const timer = setTimeout(() => raw.destroy(), STUCK_MS);
    const end = (isTaken: boolean) => {
      clearTimeout(timer);
      raw.off("drain", taken).off("close", lost);
      resolve(isTaken);
    };
    const taken = () => end(true);
    const lost = () => end(false);
    raw.once("drain", taken).once("close", lost);
  });
}
