import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import type { UpstreamRequest } from "../source/request.ts";
import type { TlsMaterial } from "./auth/client-tls.ts";
import { connectionFailure } from "./connection-failure.ts";
import type { WireRequest } from "./wire.ts";

/**
 * Opens a WebSocket with the source's credentials. It is paused: nothing comes before its reader is there to resume it. Undefined when the source
 * answers with the status that the caller knows the meaning of; throws an `UpstreamError` for any other answer.
 */
export type OpenSocket = (
  request: UpstreamRequest,
  headers: Readonly<Record<string, string>>,
  options: { readonly signal: AbortSignal; readonly maySay: number; readonly maxBytes: number },
) => Promise<WebSocket | undefined>;

export interface SocketOptions {
  readonly signal: AbortSignal;
  readonly maxBytes: number;
  readonly handshakeMs: number;
  /** A client certificate and own authorities, as PEM. */
  readonly tls: TlsMaterial["connect"] | undefined;
}

/** An open, paused socket, or the answer that was given in its stead. */
export async function connectSocket(wire: WireRequest, options: SocketOptions): Promise<WebSocket | IncomingMessage> {
  const { signal, maxBytes, handshakeMs, tls } = options;
  signal.throwIfAborted();
  const { accept: _accept, "accept-encoding": _coding, ...headers } = wire.headers;
  const socket = new WebSocket(addressOf(wire.url), {
    ...tls,
    headers,
    maxPayload: maxBytes,
    handshakeTimeout: handshakeMs,
    // A small message that inflates to a large one would get past every bound.
    perMessageDeflate: false,
    // What is no UTF-8 is a matter of the one message, not of the connection.
    skipUTF8Validation: true,
  });
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket | IncomingMessage>();
  const stop = () => socket.terminate();
  socket.once("open", () => {
    socket.pause();
    resolve(socket);
  });
  socket.once("unexpected-response", (_request, answer) => resolve(answer));
  const failed = (error: Error) => reject(signal.aborted ? (signal.reason as Error) : connectionFailure(error));
  socket.on("error", failed);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function addressOf(url: URL): URL {
  const address = new URL(url);
  address.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return address;
}
