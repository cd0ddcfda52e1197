import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import { driftJson } from "./drift.ts";
import type { Fault } from "./faults.ts";
import { hostileJson } from "./hostile-json.ts";

/** Long enough for what was written before a cut to arrive. */
const BEFORE_CUT_MS = 20;
const DEFAULT_DRIP_MS = 1000;
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** Rewrites a finished body, its headers and the way it is sent, by the faults that a request met. Leaves answers that are no success as they are. */
export function spoil(faults: readonly Fault[], reply: FastifyReply, payload: unknown): unknown {
  if (typeof payload !== "string" || reply.statusCode >= 300 || faults.length === 0) return payload;
  const text = faults.reduce(spoilText, payload);
  const bytes = faults.reduce(spoilBytes, text);
  void reply.header("content-length", Buffer.byteLength(bytes));
  for (const fault of faults) spoilHead(fault, reply);
  return faults.reduce<unknown>((sent, fault) => delivered(fault, reply, Buffer.from(bytes)) ?? sent, bytes);
}

function spoilText(text: string, fault: Fault): string {
  if (fault.kind === "drift") return driftJson(text, fault.change);
  return fault.kind === "hostile-json" ? hostileJson(text, fault.form) : text;
}

function spoilBytes(body: string | Buffer, fault: Fault): string | Buffer {
  const bytes = Buffer.from(body);
  if (fault.kind === "charset") return encoded(bytes.toString("utf8"), fault.encoding);
  if (fault.kind === "bom") return Buffer.concat([MARK, bytes]);
  if (fault.kind !== "truncate") return body;
  return bytes.subarray(0, Math.min(fault.after ?? Math.floor(bytes.length / 2), bytes.length));
}

/** JSON text in another character set; what Latin-1 lacks is escaped. */
function encoded(text: string, encoding: "utf-16le" | "utf-16be" | "latin1"): Buffer {
  if (encoding === "utf-16le") return Buffer.from(text, "utf16le");
  if (encoding === "utf-16be") return Buffer.from(text, "utf16le").swap16();
  const escape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return Buffer.from(text.replaceAll(/[\u0100-\uffff]/g, escape), "latin1");
}

function spoilHead(fault: Fault, reply: FastifyReply): void {
  if (fault.kind === "content-type") void reply.header("content-type", fault.contentType ?? "text/plain");
  if (fault.kind === "multi-status") void reply.code(207);
  if (fault.kind !== "charset") return;
  void reply.header("content-type", `application/json${fault.declares === undefined ? "" : `; charset=${fault.declares}`}`);
}

/** The stream that sends a body in a fault's own way; undefined when the fault has none. */
function delivered(fault: Fault, reply: FastifyReply, body: Buffer): Readable | undefined {
  if (fault.kind === "drip") return dripping(body, fault.bytes ?? 1, fault.everyMs ?? DEFAULT_DRIP_MS);
  if (fault.kind === "cut-headers") return afterHeaders(reply, () => undefined);
  if (fault.kind !== "cut-chunk") return undefined;
  void reply.removeHeader("content-length");
  return afterHeaders(reply, socket => {
    socket.write(`${body.length.toString(16)}\r\n`);
    socket.write(body.subarray(0, Math.ceil(body.length / 2)));
  });
}

/** A body that comes a few bytes at a time, until it is whole or the client has hung up. */
function dripping(body: Buffer, bytes: number, everyMs: number): Readable {
  let at = 0;
  let timer: NodeJS.Timeout | undefined;
  return new Readable({
    read() {
      timer ??= setTimeout(() => {
        timer = undefined;
        if (at < body.length) this.push(body.subarray(at, (at += bytes)));
        // With the last bytes, or a client that has them all hangs up on an answer that has not ended.
        if (at >= body.length) this.push(null);
      }, everyMs);
    },
    destroy(error, done) {
      clearTimeout(timer);
      done(error);
    },
  });
}

type Socket = FastifyReply["request"]["raw"]["socket"];

/** A body that never comes: the headers go out, then what is written to the bare socket, then the connection is reset. */
function afterHeaders(reply: FastifyReply, write: (socket: Socket) => void): Readable {
  return new Readable({
    read() {
      const { socket } = reply.request.raw;
      reply.raw.flushHeaders();
      write(socket);
      setTimeout(() => socket.resetAndDestroy(), BEFORE_CUT_MS);
    },
  });
}
