import { createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Secret } from "../../../../src/core/secret.ts";
import { consumeStream } from "../../../../src/intake/streams/streams.ts";
import { noAuth } from "../../../../src/source/auth.ts";
import type { WebStream } from "../../../../src/source/streams.ts";
import { createStreamExchange } from "../../../../src/upstream/stream-exchange.ts";
import { anyEvents, hastyClock } from "../../../support/stream-reading.ts";
import { MemorySink } from "../../../support/stream-sink.ts";
import { Bench } from "../../../support/upstream-server.ts";
import { silent } from "../../../support/world.ts";

const bench = new Bench();
afterEach(() => bench.close());

const texts = [1, 2, 3].map(seq => JSON.stringify({ seq, name: "Zoë 🦦" }));
const resume = { position: "seq", in: "query", name: "after" } as const;

/** What a server sends for a request, byte for byte as it goes over the wire. */
type Recorded = (request: string, after: number) => Buffer;

const chunked = (type: string, pieces: readonly string[]): Buffer =>
  Buffer.from(
    [
      `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`,
      ...pieces.map(piece => `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`),
    ].join(""),
  );

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** @see https://www.rfc-editor.org/rfc/rfc6455#section-5.2 */
const frame = (text: string): Buffer => Buffer.concat([Buffer.from([0x81, Buffer.byteLength(text)]), Buffer.from(text)]);
const upgraded: Recorded = (request, after) => {
  const key = /sec-websocket-key: (.+)\r\n/i.exec(request)?.[1] ?? "";
  const accept = createHash("sha1").update(`${key}${GUID}`).digest("base64");
  const head = `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), ...texts.slice(after).map(frame)]);
};

const cases: readonly { readonly stream: WebStream; readonly recorded: Recorded }[] = [
  {
    stream: { transport: "sse", path: "/", events: anyEvents },
    recorded: (_request, after) =>
      chunked(
        "text/event-stream",
        texts.slice(after).map((text, index) => `id: ${after + index + 1}\ndata: ${text}\n\n`),
      ),
  },
  {
    stream: { transport: "ndjson", path: "/", events: anyEvents, resume },
    recorded: (_request, after) =>
      chunked(
        "application/x-ndjson",
        texts.slice(after).map(text => `${text}\n`),
      ),
  },
  { stream: { transport: "websocket", path: "/", events: anyEvents, resume }, recorded: upgraded },
];

const afterIn = (request: string): number =>
  Number(/[?&]after=(\d+)/.exec(request)?.[1] ?? /last-event-id: (\d+)/i.exec(request)?.[1] ?? 0);

/** Answers the first connection after `cutAt` with so many bytes, then cuts it; all others whole. */
async function startServer(recorded: Recorded) {
  const cut: { at: number | undefined } = { at: undefined };
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
    socket.once("data", request => {
      const bytes = recorded(String(request), afterIn(String(request)));
      const { at } = cut;
      cut.at = undefined;
      if (at === undefined) socket.write(bytes);
      else socket.end(bytes.subarray(0, at));
    });
  });
  const port = await bench.listen(server);
  bench.onClose(() => sockets.forEach(socket => socket.destroy()));
  return { cut, baseUrl: `http://127.0.0.1:${port}` };
}

describe.each(cases)("over the wire, $stream.transport", ({ stream, recorded }) => {
  it("cut at any byte, the answer's head among them, gives every message once or more, in order", async () => {
    const { cut, baseUrl } = await startServer(recorded);
    const client = { baseUrl, auth: noAuth(), limits: [] };
    const source = { kind: "source", name: "x", title: "X", version: "1", collections: {}, client } as const;
    const options = { clock: hastyClock(), logger: silent };
    const exchange = createStreamExchange(source, { ...options, baseUrl, secrets: { read: () => new Secret("") } });
    bench.onClose(() => exchange.close());
    const { length } = recorded("sec-websocket-key: x\r\n", 0);
    for (let at = 0; at <= length; at++) {
      cut.at = at;
      const sink = new MemorySink();
      const stop = new AbortController();
      const parts = { name: "x.stream", exchange, sink, random: () => 0, signal: stop.signal };
      const running = consumeStream({ ...stream, stallMs: 3_600_000 }, { ...options, ...parts });
      await sink.until(each => each.at === "3");
      stop.abort();
      await running;
      expect(sink.texts).toEqual(texts);
      expect(sink.messages.filter(({ problem }) => problem !== undefined)).toEqual([]);
    }
  });
});
