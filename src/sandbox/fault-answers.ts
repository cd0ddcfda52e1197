import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import type { FastifyReply } from "fastify";
import type { Fault } from "./faults.ts";

type FaultOf<K extends Fault["kind"]> = Extract<Fault, { readonly kind: K }>;

const HTML = "<!doctype html><html><head><title>Bad gateway</title></head><body><h1>We will be right back</h1></body></html>";
const DEFAULT_HUGE_BYTES = 10 * 1024 ** 3;
const DEFAULT_BOMB_BYTES = 1024 ** 3;
const PIECE_BYTES = 64 * 1024;
const MEMBER_BYTES = 16 * 1024 ** 2;

const defaultBody = (status: number) => ({
  error: { type: "injected_fault", message: `The sandbox was told to answer ${status}` },
});

function sendBody(reply: FastifyReply, body: unknown, contentType: string) {
  return reply.type(contentType).send(typeof body === "string" ? body : JSON.stringify(body));
}

/** Sends what a fault answers in the source's place; false when it lets the source answer. `nowMs` is the present instant. */
export const answerInstead = (fault: Fault, reply: FastifyReply, nowMs: number): boolean =>
  sent(fault, reply, nowMs) !== undefined;

function sent(fault: Fault, reply: FastifyReply, nowMs: number): FastifyReply | undefined {
  switch (fault.kind) {
    case "status":
      return sendStatus(fault, reply, nowMs);
    case "malformed":
      return sendBody(
        reply.code(200).headers(fault.headers ?? {}),
        fault.body ?? HTML,
        fault.contentType ?? "text/html; charset=utf-8",
      );
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
    case "huge":
      return sendHuge(reply, fault.sizeBytes ?? DEFAULT_HUGE_BYTES);
    case "bomb":
      return sendBomb(reply, fault.sizeBytes ?? DEFAULT_BOMB_BYTES);
    case "redirect":
      return sendBody(reply.code(fault.status ?? 302).header("location", target(fault, reply)), {}, "application/json");
    case "delay":
    case "truncate":
    case "expire-token":
    case "drift":
    case "drip":
    case "cut-headers":
    case "cut-chunk":
    case "content-type":
    case "charset":
    case "bom":
    case "hostile-json":
    case "multi-status":
      break;
  }
  return undefined;
}

function sendStatus({ status, retryAfter, body, contentType }: FaultOf<"status">, reply: FastifyReply, nowMs: number) {
  if (retryAfter !== undefined) {
    const isDate = typeof retryAfter === "object";
    const text = isDate ? new Date(nowMs + retryAfter.dateInSeconds * 1000).toUTCString() : String(retryAfter);
    void reply.header("retry-after", text);
  }
  return sendBody(reply.code(status), body ?? defaultBody(status), contentType ?? "application/json");
}

/** Where a redirect leads: away, in a circle, or to the same host's plain http, as a server sends that does not know of the TLS before it. */
function target({ to }: FaultOf<"redirect">, { request }: FastifyReply): string {
  const { hostname, url } = request;
  if (to === "other-host") return `https://elsewhere.example${url}`;
  return to === "itself" ? url : `http://${hostname.replace(/:\d+$/, "")}${url}`;
}

/** The same piece again and again until so many bytes are sent or the client has hung up: one piece is all that is held. */
function repeated(piece: Buffer, totalBytes: number): Readable {
  let left = totalBytes;
  return new Readable({
    read() {
      if (left <= 0) return void this.push(null);
      const next = piece.subarray(0, Math.min(left, piece.length));
      left -= next.length;
      this.push(next);
    },
  });
}

/** A JSON array that never ends, under a length that says how much is to come. */
function sendHuge(reply: FastifyReply, sizeBytes: number) {
  const piece = Buffer.alloc(PIECE_BYTES, "[ ".padEnd(64, " "));
  return reply.code(200).type("application/json").header("content-length", sizeBytes).send(repeated(piece, sizeBytes));
}

/** White space that unfolds to a thousand times its size; gzip members one after another are one text. */
function sendBomb(reply: FastifyReply, sizeBytes: number) {
  const member = gzipSync(Buffer.alloc(Math.min(MEMBER_BYTES, sizeBytes), " "));
  const body = repeated(member, member.length * Math.ceil(sizeBytes / MEMBER_BYTES));
  return reply.code(200).type("application/json").header("content-encoding", "gzip").send(body);
}
