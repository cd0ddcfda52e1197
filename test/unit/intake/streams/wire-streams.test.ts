import { createServer, type ServerResponse } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type WebSocket, WebSocketServer } from "ws";
import { systemClock } from "../../../../src/core/ports.ts";
import { Secret } from "../../../../src/core/secret.ts";
import { consumeStream, type StreamParts } from "../../../../src/intake/streams/streams.ts";
import { bearer } from "../../../../src/source/auth.ts";
import type { WebStream } from "../../../../src/source/streams.ts";
import { createStreamExchange } from "../../../../src/upstream/stream-exchange.ts";
import { anyEvents } from "../../../support/stream-reading.ts";
import { MemorySink } from "../../../support/stream-sink.ts";
import { Bench } from "../../../support/upstream-server.ts";
import { silent } from "../../../support/world.ts";

const bench = new Bench();
afterEach(() => bench.close());

const resume = { position: "seq", in: "query", name: "after" } as const;
const streams: readonly (WebStream & { readonly transport: "sse" | "ndjson" | "websocket" })[] = [
  { transport: "sse", path: "/events", events: anyEvents, stallMs: 300 },
  { transport: "ndjson", path: "/events", events: anyEvents, resume, stallMs: 300 },
  { transport: "websocket", path: "/events", events: anyEvents, resume, stallMs: 300, forgottenCode: 4410 },
];

/** A way to send messages over one connection, whatever carries them. */
interface Line {
  send(seq: number, text?: string): boolean;
  readonly after: number;
  readonly authorization: string | undefined;
  cut(): void;
  end(): void;
  silence(): void;
  onDrain(callback: () => void): void;
}

const messageOf = (seq: number, padding = ""): string => JSON.stringify({ seq, id: `e${seq}`, padding });

function answering(response: ServerResponse, isEvents: boolean, after: number, authorization: string | undefined): Line {
  response.writeHead(200, { "content-type": isEvents ? "text/event-stream" : "application/x-ndjson" }).flushHeaders();
  return {
    after,
    authorization,
    send: (seq, text = messageOf(seq)) => response.write(isEvents ? `id: ${seq}\ndata: ${text}\n\n` : `${text}\n`),
    cut: () => response.socket?.destroy(),
    end: () => response.end(),
    silence: () => undefined,
    onDrain: callback => void response.on("drain", callback),
  };
}

function socketLine(socket: WebSocket, after: number, authorization: string | undefined): Line {
  let onDrain = () => undefined as void;
  return {
    after,
    authorization,
    send: (seq, text = messageOf(seq)) => {
      socket.send(text, () => socket.bufferedAmount === 0 && onDrain());
      return socket.bufferedAmount < 16_384;
    },
    cut: () => socket.terminate(),
    end: () => socket.close(1000),
    silence: () => socket.pause(),
    onDrain: callback => (onDrain = callback),
  };
}

/** A source that gives every connection to the test; what it refuses it answers with that status. */
async function startSource(
  transport: WebStream["transport"],
  serve: (line: Line) => void,
  refuse: (after: number) => number = () => 0,
) {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const afterOf = (url = "", headers: Readonly<Record<string, unknown>>) =>
    Number(headers["last-event-id"] ?? new URL(url, "http://x").searchParams.get("after") ?? 0);
  const server = createServer(({ url, headers }, response) => {
    const after = afterOf(url, headers);
    const status = refuse(after);
    if (status !== 0) return void response.writeHead(status, { "retry-after": "0" }).end();
    serve(answering(response, transport === "sse", after, headers.authorization));
  });
  server.on("upgrade", (request, socket, head) => {
    const after = afterOf(request.url, request.headers);
    const status = refuse(after);
    if (status !== 0) return void socket.end(`HTTP/1.1 ${status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
    sockets.handleUpgrade(request, socket, head, opened => serve(socketLine(opened, after, request.headers.authorization)));
  });
  const port = await bench.listen(server);
  bench.onClose(() => {
    server.closeAllConnections();
    for (const socket of sockets.clients) socket.terminate();
  });
  return `http://127.0.0.1:${port}/base`;
}

function start(stream: WebStream, baseUrl: string, sink: MemorySink, options: Partial<StreamParts> = {}) {
  const stop = new AbortController();
  const secrets = { read: () => new Secret("s3cret") };
  const source = { kind: "source", name: "x", title: "X", version: "1", collections: {} } as const;
  const exchange = createStreamExchange(
    { ...source, client: { baseUrl, auth: bearer({ secret: "X" }), limits: [] } },
    { baseUrl, secrets, clock: systemClock, logger: silent },
  );
  const parts = { name: "x.stream", exchange, sink, clock: systemClock, random: () => 0, logger: silent, signal: stop.signal };
  const running = consumeStream(stream, { ...parts, ...options });
  bench.onClose(async () => {
    stop.abort();
    await running;
    await exchange.close();
  });
  return async () => {
    stop.abort();
    await running;
  };
}

describe.each(streams)("a stream over $transport", stream => {
  it("carries the source's credentials, is taken up behind the last durable message after a cut and after an end", async () => {
    const asked: (number | string | undefined)[] = [];
    const baseUrl = await startSource(stream.transport, line => {
      asked.push(line.after, line.authorization);
      for (let seq = line.after + 1; seq <= line.after + 5 && seq <= 12; seq++) line.send(seq);
      const isFirst = asked.length === 2;
      setTimeout(() => (isFirst ? line.cut() : line.end()), 20);
    });
    const sink = new MemorySink();
    const stop = start(stream, baseUrl, sink);
    await sink.until(({ at }) => at === "12");
    await stop();
    expect(sink.texts.map(text => (JSON.parse(text) as { seq: number }).seq)).toEqual(
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
    expect(asked.slice(0, 6)).toEqual([0, "Bearer s3cret", 5, "Bearer s3cret", 10, "Bearer s3cret"]);
  });

  it("that falls silent is opened again", async () => {
    const connections: Line[] = [];
    const baseUrl = await startSource(stream.transport, line => {
      connections.push(line);
      if (connections.length > 1) line.send(2);
      else {
        line.send(1);
        // As a network does that drops everything: nothing comes, not even the answer to a ping.
        line.silence();
      }
    });
    const sink = new MemorySink();
    start(stream, baseUrl, sink);
    await sink.until(({ at }) => at === "2");
    expect(connections).toHaveLength(2);
  });

  it("whose source has forgotten the position records a gap", async () => {
    const sink = new MemorySink();
    sink.at = "7";
    const baseUrl = await startSource(
      stream.transport,
      line => void line.send(20),
      after => (after === 7 ? 410 : 0),
    );
    start(stream, baseUrl, sink);
    await sink.until(({ at }) => at === "20");
    expect(sink.gaps).toEqual([{ from: "7", reason: "the source has forgotten the position" }]);
  });

  it("that is refused for a while is asked again", async () => {
    let refusals = 3;
    const baseUrl = await startSource(
      stream.transport,
      line => void line.send(1),
      () => (refusals-- > 0 ? 503 : 0),
    );
    const sink = new MemorySink();
    start(stream, baseUrl, sink);
    await sink.until(({ at }) => at === "1");
  });

  it("much faster than its sink waits for it: little stands in memory, the source is held up, nothing is lost", async () => {
    const count = 20_000;
    let sent = 0;
    const baseUrl = await startSource(stream.transport, line => {
      let seq = line.after;
      const pour = () => {
        while (seq < count && line.send(++seq, messageOf(seq, "x".repeat(1_000)))) sent = Math.max(sent, seq);
      };
      line.onDrain(pour);
      pour();
    });
    const sink = new MemorySink();
    let most = 0;
    const accept = sink.accept.bind(sink);
    sink.accept = async (messages, position) => {
      await wait(10);
      most = Math.max(most, sent - sink.messages.length);
      await accept(messages, position);
    };
    start({ ...stream, stallMs: 10_000 }, baseUrl, sink, { bounds: { maxMessages: 500, maxLength: 300_000 } });
    await sink.until(({ messages }) => messages.length >= count);
    expect(sink.messages.map(({ text }) => (JSON.parse(text) as { seq: number }).seq)).toEqual(
      Array.from({ length: count }, (_, index) => index + 1),
    );
    // Beside the queue there are the buffers of the two sockets: some MB at the most.
    expect(most).toBeLessThan(count / 2);
  });

  it("stops cleanly: what was read is durable when it has stopped", async () => {
    const baseUrl = await startSource(stream.transport, line => {
      for (let seq = line.after + 1; seq <= 50; seq++) line.send(seq);
    });
    const sink = new MemorySink();
    sink.writeMs = 50;
    const stop = start(stream, baseUrl, sink);
    await sink.until(({ messages }) => messages.length > 0);
    await stop();
    expect(Number(sink.at)).toBe(sink.messages.length);
  });
});

describe("a message over a WebSocket", () => {
  const stream: WebStream = { transport: "websocket", path: "/", events: anyEvents, resume, maxMessageBytes: 1_000 };
  const serveSockets = async (serve: (socket: WebSocket, after: number) => void): Promise<string> => {
    const server = createServer();
    const sockets = new WebSocketServer({ server, perMessageDeflate: false });
    sockets.on("connection", (socket, { url }) =>
      serve(socket, Number(new URL(url ?? "", "http://x").searchParams.get("after") ?? 0)),
    );
    const port = await bench.listen(server);
    bench.onClose(() => sockets.clients.forEach(socket => socket.terminate()));
    return `http://127.0.0.1:${port}`;
  };

  it("that cannot be read is handed on with a mark, cut short where it is too long, and does not end the connection", async () => {
    let connections = 0;
    const baseUrl = await serveSockets(socket => {
      connections++;
      for (const text of ["{poison", "x".repeat(5_000), "\0"]) socket.send(text);
      socket.send(Buffer.from([0x7b, 0xff]), { binary: false });
      socket.send(messageOf(1));
    });
    const sink = new MemorySink();
    start(stream, baseUrl, sink);
    await sink.until(({ at }) => at === "1");
    expect(sink.messages.map(({ problem }) => problem !== undefined)).toEqual([true, true, true, true, false]);
    expect(sink.messages.map(({ text }) => text.length)).toEqual([7, 1_000, 1, 2, messageOf(1).length]);
    expect(sink.messages.some(({ text }) => text.includes("\0"))).toBe(false);
    expect(connections).toBe(1);
  });

  it("that is larger than anything may be leaves a gap, and is not asked for again", async () => {
    const asked: number[] = [];
    const baseUrl = await serveSockets((socket, after) => {
      asked.push(after);
      if (asked.length === 1) socket.send(messageOf(1));
      if (asked.length === 1) setTimeout(() => socket.send(Buffer.alloc(17 * 1024 * 1024)), 50);
      else socket.send(messageOf(3));
    });
    const sink = new MemorySink();
    start(stream, baseUrl, sink);
    await sink.until(({ at }) => at === "3");
    expect(sink.gaps).toEqual([{ from: "1", reason: "a message is larger than 16777216 bytes" }]);
    expect(asked).toEqual([0, 0]);
  });
});
