import { type Dispatcher, request as undiciRequest } from "undici";
import { WebSocket } from "ws";
import { TributaryError, UpstreamError } from "../core/errors.ts";
import type { Source } from "../source/define-source.ts";
import type { Failures } from "../source/failures.ts";
import type { UpstreamRequest } from "../source/request.ts";
import type { Authorizer } from "./auth/authorizer.ts";
import { type TlsMaterial, tlsMaterial } from "./auth/client-tls.ts";
import { createAuthorizer } from "./auth/create-authorizer.ts";
import { MemoryTokenStore } from "./auth/token-store.ts";
import { contentTypeOf } from "./charset.ts";
import { classify } from "./classify.ts";
import { connectionFailure } from "./connection-failure.ts";
import { type ConnectionOptions, type Connections, createConnections, defaultTimeouts } from "./connection.ts";
import type { ExchangeOptions } from "./exchange.ts";
import { connectSocket, type OpenSocket } from "./stream-socket.ts";
import { createTransport, type Transport } from "./transport.ts";
import type { WireRequest } from "./wire.ts";

/** An answer that goes on and on. */
export interface OpenedStream {
  /** As it arrives; nothing is read that is not asked for. Throws an `UpstreamError` when it is cut. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Whether its headers say how it ends, so that a cut can be told from an end. */
  readonly endsWell: boolean;
  /** Its media type, in lower case, without parameters; empty when none is stated. */
  readonly mediaType: string;
}

/**
 * Opens a stream with the source's credentials; undefined when the answer has the status that the caller knows the meaning of. Throws an
 * `UpstreamError` for any other status that is not 200.
 */
export type OpenStream = (
  request: UpstreamRequest,
  headers: Readonly<Record<string, string>>,
  options: { readonly signal: AbortSignal; readonly maySay: number },
) => Promise<OpenedStream | undefined>;

/** Opens what stays open at a source: over connections of its own, so that no other request waits for one. */
export interface StreamExchange {
  readonly open: OpenStream;
  readonly openSocket: OpenSocket;
  close(): Promise<void>;
}

const MAX_FAILURE_BYTES = 64 * 1024;

export function createStreamExchange(source: Source, options: ExchangeOptions): StreamExchange {
  return new SourceStreams(source, options);
}

class SourceStreams implements StreamExchange {
  readonly #source: Source;
  readonly #options: ExchangeOptions;
  readonly #tls: TlsMaterial["connect"] | undefined;
  readonly #transport: Transport;
  readonly #connections: Connections;
  readonly #authorizer: Authorizer;

  constructor(source: Source, options: ExchangeOptions) {
    const { client } = source;
    const { baseUrl, secrets, proxy } = options;
    this.#source = source;
    this.#options = options;
    this.#tls = client.tls && tlsMaterial(client.tls, secrets).connect;
    const connection: ConnectionOptions = { ...(proxy && { proxy }), ...(this.#tls && { connect: this.#tls }) };
    this.#transport = createTransport(baseUrl, client, connection);
    // How long a stream may be silent is its reader's affair.
    this.#connections = createConnections({ ...client, timeouts: { ...client.timeouts, bodyMs: 0 } }, connection);
    this.#authorizer = createAuthorizer(client.auth, {
      ...options,
      source: source.name,
      tokens: options.tokens ?? new MemoryTokenStore(),
      send: (request, headers, signal) => this.#transport.send(withHeaders(this.#transport.prepare(request), headers), signal),
    });
  }

  open: OpenStream = (request, headers, { signal, maySay }) =>
    this.#authorized(withHeaders(this.#transport.prepare(request), headers), signal, async wire => {
      const answer = await send(wire, this.#connections, signal);
      if (answer.statusCode === 200) return openedOf(answer, this.#connections, signal);
      await answer.body.dump({ limit: MAX_FAILURE_BYTES });
      return answer.statusCode === maySay ? undefined : this.#failure(answer.statusCode, answer.headers);
    });

  openSocket: OpenSocket = (request, headers, { signal, maySay, maxBytes }) =>
    this.#authorized(withHeaders(this.#transport.prepare(request), headers), signal, async wire => {
      const { headersMs: handshakeMs } = { ...defaultTimeouts, ...this.#source.client.timeouts };
      const answer = await connectSocket(wire, { signal, maxBytes, handshakeMs, tls: this.#tls });
      if (answer instanceof WebSocket) return answer;
      answer.destroy();
      return answer.statusCode === maySay ? undefined : this.#failure(answer.statusCode ?? 0, answer.headers);
    });

  async close(): Promise<void> {
    await Promise.all([this.#transport.close(), this.#connections.close()]);
  }

  /** With credentials; once more with new ones when they are refused. */
  async #authorized<T>(wire: WireRequest, signal: AbortSignal, attempt: Attempt<T>): Promise<T | undefined> {
    for (let mayRenew = true; ; mayRenew = false) {
      const { request, credential } = await this.#authorizer.authorize(wire, signal);
      const outcome = await attempt(request);
      if (!(outcome instanceof UpstreamError)) return outcome;
      const isRenewed = outcome.details.httpStatus === 401 && mayRenew && this.#authorizer.renew(credential);
      if (!isRenewed) throw outcome;
    }
  }

  #failure(status: number, headers: AnswerHeaders): UpstreamError {
    return failureOf(status, headers, this.#source.client.failures ?? {}, this.#options.clock.nowMs());
  }
}

type Attempt<T> = (wire: WireRequest) => Promise<T | UpstreamError | undefined>;
type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

const withHeaders = (wire: WireRequest, headers: Readonly<Record<string, string>>): WireRequest => ({
  ...wire,
  headers: { ...wire.headers, "accept-encoding": "identity", ...headers },
});

async function send({ method, url, headers }: WireRequest, connections: Connections, signal: AbortSignal) {
  try {
    return await undiciRequest(url, { dispatcher: connections.lineDispatcher(), method, headers, signal });
  } catch (thrown) {
    throw failed(thrown, connections, signal);
  }
}

const failed = (thrown: unknown, { hasProxy }: Connections, signal: AbortSignal): unknown =>
  signal.aborted ? signal.reason : thrown instanceof TributaryError ? thrown : connectionFailure(thrown, hasProxy);

function openedOf({ headers, body }: Dispatcher.ResponseData, connections: Connections, signal: AbortSignal): OpenedStream {
  const coding = headers["content-encoding"];
  if (coding !== undefined && coding !== "identity") {
    body.destroy();
    throw new UpstreamError("UPSTREAM_MALFORMED", "the stream is compressed, which was not asked for");
  }
  return {
    body: guarded(body, connections, signal),
    mediaType: contentTypeOf([headers["content-type"] ?? ""].flat().join(", ")).type ?? "",
    endsWell: headers["transfer-encoding"] !== undefined || headers["content-length"] !== undefined,
  };
}

async function* guarded(
  body: Dispatcher.ResponseData["body"],
  connections: Connections,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of body) yield piece as Uint8Array;
  } catch (thrown) {
    throw failed(thrown, connections, signal);
  }
}

/** What a status that opens no stream means, in the words of the source's other requests. */
function failureOf(status: number, given: AnswerHeaders, failures: Failures, nowMs: number): UpstreamError {
  const headers = Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
  try {
    classify({ status, headers, text: "" }, failures, false, nowMs);
  } catch (thrown) {
    if (thrown instanceof UpstreamError) return thrown;
    throw thrown;
  }
  return new UpstreamError("UPSTREAM_EMPTY", `${status} where a stream was promised`, { details: { httpStatus: status } });
}
