import type { WebSocket } from "ws";
import { UpstreamError } from "../../core/errors.ts";
import type { Clock } from "../../core/ports.ts";
import type { SocketStream } from "../../source/streams.ts";
import { connectionFailure } from "../../upstream/connection-failure.ts";
import type { OpenSocket } from "../../upstream/stream-socket.ts";
import { textOf, withOwnPosition } from "./message.ts";
import { FORGOTTEN, forgottenStatus, resumed } from "./open-from.ts";
import type { Ended, Flow, Reader, Received } from "./reader.ts";
import { DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_STALL_MS } from "./sizes.ts";

/** Larger messages than this are not even received: they leave a gap. */
const MAX_RECEIVED_BYTES = 16 * 1024 * 1024;
/** So many pings fit into the time after which silence means that nobody is there. */
const PINGS = 3;

/** Reads a WebSocket. Pings show whether the other end is still there; while there is no room for messages the socket is not read. */
export const readSocket =
  (stream: SocketStream, open: OpenSocket, clock: Clock): Reader =>
  async (position, flow, signal) => {
    const { request, headers } = resumed(stream, position, stream.resume);
    const maxBytes = stream.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    const limits = { maySay: forgottenStatus(stream), maxBytes: Math.max(maxBytes, MAX_RECEIVED_BYTES) };
    const socket = await open(request, headers, { signal, ...limits });
    if (socket === undefined) return { gap: FORGOTTEN };
    flow.heard();
    const pinging = setInterval(() => socket.ping(), (stream.stallMs ?? DEFAULT_STALL_MS) / PINGS);
    try {
      return await listen(socket, { stream, flow, signal, maxBytes, clock });
    } finally {
      clearInterval(pinging);
    }
  };

interface Listening {
  readonly stream: SocketStream;
  readonly flow: Flow;
  readonly signal: AbortSignal;
  readonly maxBytes: number;
  readonly clock: Clock;
}

async function listen(socket: WebSocket, { stream, flow, signal, maxBytes, clock }: Listening): Promise<Ended> {
  const end = Promise.withResolvers<number>();
  let problem: Error | undefined;
  let withoutRoom = 0;
  socket.on("message", (bytes: Buffer) => {
    const received = receivedOf(bytes, stream, maxBytes, clock);
    if (withoutRoom++ === 0) socket.pause();
    void flow.put(received).then(() => --withoutRoom === 0 && socket.resume());
  });
  const heard = () => flow.heard();
  socket.on("ping", heard).on("pong", heard);
  socket.on("error", error => (problem = error)).on("close", end.resolve);
  const stop = () => socket.terminate();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  socket.resume();
  const code = await end.promise;
  signal.removeEventListener("abort", stop);
  return endedWith(code, problem, stream);
}

function endedWith(code: number, problem: Error | undefined, { forgottenCode }: SocketStream): Ended {
  if (forgottenCode !== undefined && code === forgottenCode) return { gap: FORGOTTEN };
  if (isTooLarge(problem)) return { gap: `a message is larger than ${MAX_RECEIVED_BYTES} bytes` };
  if (problem !== undefined) throw connectionFailure(problem);
  if (code === 1000 || code === 1001) return {};
  throw new UpstreamError("UPSTREAM_CONNECTION", `the source closed the connection with ${code}`, {
    details: { closeCode: code },
  });
}

const isTooLarge = (problem: Error | undefined): boolean =>
  problem !== undefined && "code" in problem && problem.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";

function receivedOf(bytes: Buffer, { resume }: SocketStream, maxBytes: number, clock: Clock): Received {
  const isTooLong = bytes.length > maxBytes;
  const message = { ...textOf(bytes.subarray(0, maxBytes)), receivedAtMs: clock.nowMs() };
  return withOwnPosition(isTooLong ? { ...message, problem: `it is longer than ${maxBytes} bytes` } : message, resume?.position);
}
