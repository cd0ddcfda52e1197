import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { FastifyInstance, FastifyReply } from "fastify";
import { type WebSocket, WebSocketServer } from "ws";
import type { ChangeFeed } from "./change-feed.ts";

const HEARTBEAT_MS = 10_000;
const RETRY_MS = 1_000;
const MAX_UNSENT_BYTES = 64 * 1024;

/** How one connection is written to; `send` says whether there is room for more, else `onRoom` follows. */
interface Line {
  send(number: number, text: string): boolean;
  onRoom(callback: () => void): void;
  beat(): void;
  /** The reader is too far behind: what comes next is forgotten. */
  end(): void;
  onEnd(callback: () => void): void;
}

/** Sends what comes after a number, no faster than it is read: nothing is held for a slow reader. */
function follow(feed: ChangeFeed, after: number, line: Line): void {
  let [at, hasRoom] = [after, true];
  const pump = () => {
    if (!feed.knows(at)) return line.end();
    for (let change = feed.after(at); hasRoom && change !== undefined; change = feed.after(at)) {
      at = change.number;
      hasRoom = line.send(change.number, change.text);
    }
  };
  line.onRoom(() => {
    hasRoom = true;
    pump();
  });
  const unlisten = feed.listen(pump);
  const beating = setInterval(() => line.beat(), HEARTBEAT_MS).unref();
  line.onEnd(() => {
    unlisten();
    clearInterval(beating);
  });
  pump();
}

/** The number that a reader wants to go on after; NaN for none that was ever given out. */
const numberIn = (given: string | undefined, feed: ChangeFeed): number =>
  given === undefined || given === "" ? feed.last : /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN;

/**
 * Answers with a feed, from now on or from behind the number that is given: as server-sent events, or, where the reader asks for it, as JSON lines.
 * 410 for a number that is forgotten.
 */
export function replyWithFeed(reply: FastifyReply, feed: ChangeFeed, given: string | undefined): FastifyReply {
  const after = numberIn(given, feed);
  if (!feed.knows(after)) return reply.code(410).send({ message: "That position is not known any more." });
  const isLines = reply.request.headers.accept === "application/x-ndjson";
  const { raw } = reply.hijack();
  raw.writeHead(200, {
    "content-type": isLines ? "application/x-ndjson" : "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
  });
  raw.write(isLines ? "\n" : `retry: ${RETRY_MS}\n\n`);
  follow(feed, after, {
    send: (number, text) => raw.write(isLines ? `${text}\n` : `id: ${number}\nevent: change\ndata: ${text}\n\n`),
    onRoom: callback => void raw.on("drain", callback),
    beat: () => void raw.write(isLines ? "\n" : ": still here\n\n"),
    end: () => void raw.end(),
    onEnd: callback => void raw.on("close", callback),
  });
  return reply;
}

/** Where sockets are opened, and who may. */
export interface SocketRoute {
  /** Path under the source's prefix. */
  readonly path: string;
  readonly feed: ChangeFeed;
  readonly isAuthorized: (request: IncomingMessage) => boolean;
}

/** Serves a feed over WebSockets; `?after=` names the number to go on after. 401 without credentials, 410 for a number that is forgotten. */
export function serveSockets(app: FastifyInstance, { path, feed, isAuthorized }: SocketRoute): void {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  app.server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const url = new URL(request.url ?? "", "http://localhost");
    if (url.pathname !== `${app.prefix}${path}`) return;
    const after = numberIn(url.searchParams.get("after") ?? undefined, feed);
    if (!isAuthorized(request)) return refuseUpgrade(stream, "401 Unauthorized");
    if (!feed.knows(after)) return refuseUpgrade(stream, "410 Gone");
    sockets.handleUpgrade(request, stream, head, socket => followOver(socket, feed, after));
  });
  app.addHook("preClose", async () => {
    for (const socket of sockets.clients) socket.terminate();
  });
}

const refuseUpgrade = (stream: Duplex, status: string): void =>
  void stream.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);

function followOver(socket: WebSocket, feed: ChangeFeed, after: number): void {
  let onRoom: () => void = () => undefined;
  // A reader that breaks the protocol is closed by the library; there is nothing else to do.
  socket.on("error", () => socket.terminate());
  follow(feed, after, {
    send: (_number, text) => {
      socket.send(text, () => socket.bufferedAmount === 0 && onRoom());
      return socket.bufferedAmount < MAX_UNSENT_BYTES;
    },
    onRoom: callback => (onRoom = callback),
    beat: () => socket.ping(),
    end: () => socket.close(4410, "too far behind"),
    onEnd: callback => void socket.on("close", callback),
  });
}
