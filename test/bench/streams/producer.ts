/** A source that sends as fast as it is read, in a process of its own: `/events` over HTTP and WebSocket; a message is some 300 bytes. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";

const PADDING = "x".repeat(240);
const BATCH = 200;
const messageOf = (seq: number): string => JSON.stringify({ seq, id: `e${seq}`, PADDING });
const afterOf = (url: string | undefined, last: unknown) =>
  Number(last ?? new URL(url ?? "", "http://x").searchParams.get("after") ?? 0);

const server = createServer(({ url, headers }, response) => {
  const isEvents = headers.accept === "text/event-stream";
  response.writeHead(200, { "content-type": isEvents ? "text/event-stream" : "application/x-ndjson" });
  let seq = afterOf(url, headers["last-event-id"]);
  const pour = () => {
    for (let hasRoom = true; hasRoom;) {
      const text = messageOf(++seq);
      hasRoom = response.write(isEvents ? `id: ${seq}\ndata: ${text}\n\n` : `${text}\n`);
    }
  };
  response.on("drain", pour);
  pour();
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on("connection", (socket, { url }) => {
  let seq = afterOf(url, undefined);
  /** The last of a batch is waited for until it has left: never more than a batch stands in memory here. */
  const pour = () => {
    if (socket.readyState !== socket.OPEN) return;
    for (let left = BATCH; left > 1; left--) socket.send(messageOf(++seq));
    socket.send(messageOf(++seq), () => setImmediate(pour));
  };
  pour();
});
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit());
