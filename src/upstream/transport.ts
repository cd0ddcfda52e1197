import { type Dispatcher, request as undiciRequest } from "undici";
import { TributaryError, UpstreamError } from "../core/errors.ts";
import type { Client } from "../source/define-source.ts";
import type { UpstreamRequest } from "../source/request.ts";
import { type Incoming, linesOf, readText } from "./body.ts";
import { connectionFailure, reasonOf, platformCode } from "./connection-failure.ts";
import { type ConnectionOptions, type Connections, createConnections, defaultTimeouts } from "./connection.ts";
import { ACCEPT_ENCODING } from "./content-coding.ts";
import { prepareRequest } from "./prepare.ts";
import { isOtherHost, isRedirect, redirected } from "./redirect.ts";
import { boundTime } from "./time-bound.ts";
import type { WireRequest, WireResponse } from "./wire.ts";

/**
 * Sends requests to one origin over a bounded pool of kept-alive connections. Follows a redirect only as declared, never leaves the origin but for
 * a declared host.
 */
export interface Transport {
  /** The request as it would be sent, without credentials; throws `UPSTREAM_REJECTED` when it leads to another origin. */
  prepare(request: UpstreamRequest): WireRequest;
  /** A download at an address that the source gave, on one of its `otherHosts`: without credentials. Throws `UPSTREAM_REJECTED` for any other. */
  prepareDownload(href: string): WireRequest;
  /**
   * The whole answer. Throws `UPSTREAM_CONNECTION` or `UPSTREAM_TIMEOUT` with `details.reason`, `UPSTREAM_TOO_LARGE`, `UPSTREAM_MALFORMED` for a
   * body that is not what its headers say, and the signal's reason.
   */
  send(request: WireRequest, signal: AbortSignal): Promise<WireResponse>;
  /** An answer that is read as it arrives, of any status; throws as `send` does. Leaves no connection open when its lines are left early. */
  stream(request: WireRequest, signal: AbortSignal, bounds?: StreamBounds): Promise<StreamedResponse>;
  close(): Promise<void>;
}

export interface StreamBounds {
  /** After decompression; 4 GiB unless stated. */
  readonly maxBytes?: number;
  /** Longest line in characters; 16 Mi unless stated. */
  readonly maxLineBytes?: number;
  /** In ms, from sending to the last line, with the time that its reader takes; one hour unless stated. */
  readonly totalMs?: number;
}

/** An answer whose body is still arriving. Read either `lines` or `text`, once. */
export interface StreamedResponse {
  readonly status: number;
  /** As in `WireResponse`. */
  readonly headers: Readonly<Record<string, string>>;
  /** The lines without their ends, blank ones left out. Ends only when the body is whole; throws as `send` does when it is cut. */
  lines(): AsyncIterable<string>;
  /** The body as `send` would give it: for an answer that is a failure. */
  text(): Promise<string>;
}

const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;
const defaultStreamBounds = { maxBytes: 4 * 1024 ** 3, maxLineBytes: 16 * 1024 ** 2, totalMs: 3_600_000 };

export function createTransport(baseUrl: string, client: Client, options: ConnectionOptions = {}): Transport {
  const connections = createConnections(client, options);
  const exchange = new Exchange(baseUrl, client, connections);
  const maxBytes = client.maxResponseBytes ?? MAX_RESPONSE_BYTES;
  const totalMs = client.timeouts?.totalMs ?? defaultTimeouts.totalMs;
  return {
    prepare: request => prepareRequest(baseUrl, client, request),
    prepareDownload: href => downloadOf(baseUrl, client, href),
    async send(request, signal) {
      const bound = boundTime(signal, totalMs);
      try {
        const { status, headers, body } = await exchange.open(request, bound.signal);
        return { status, headers, text: await readText(body, status, headers, maxBytes) };
      } catch (thrown) {
        throw failureOf(thrown, bound.signal, connections);
      } finally {
        bound.done();
      }
    },
    async stream(request, signal, given) {
      const bounds = { ...defaultStreamBounds, ...given };
      const bound = boundTime(signal, bounds.totalMs);
      const fail = (thrown: unknown) => failureOf(thrown, bound.signal, connections);
      try {
        const { status, headers, body } = await exchange.open(request, bound.signal, connections.lineDispatcher());
        return {
          status,
          headers,
          lines: () => guarded(linesOf(body, headers, bounds), fail, bound.done),
          text: () => readText(body, status, headers, maxBytes).catch(rethrow(fail)).finally(bound.done),
        };
      } catch (thrown) {
        bound.done();
        throw fail(thrown);
      }
    },
    close: () => connections.close(),
  };
}

const rethrow = (fail: (thrown: unknown) => unknown) => (thrown: unknown) => {
  throw fail(thrown);
};

async function* guarded(
  lines: AsyncIterable<string>,
  fail: (thrown: unknown) => unknown,
  done: () => void,
): AsyncGenerator<string> {
  try {
    yield* lines;
  } catch (thrown) {
    throw fail(thrown);
  } finally {
    done();
  }
}

/** What was thrown as an error of ours; an ended signal's reason goes before what its end brought about. */
function failureOf(thrown: unknown, signal: AbortSignal, { hasProxy }: Connections): unknown {
  if (thrown instanceof TributaryError) return thrown;
  return signal.aborted ? signal.reason : connectionFailure(thrown, hasProxy);
}

function downloadOf(baseUrl: string, client: Client, href: string): WireRequest {
  const url = URL.parse(href);
  if (url === null || !isOtherHost(url, new URL(baseUrl), client.otherHosts ?? []))
    throw new UpstreamError("UPSTREAM_REJECTED", `the download is at ${url?.host || "no host"}, which is not declared`);
  return { method: "GET", url, headers: { accept: "*/*", "accept-encoding": ACCEPT_ENCODING } };
}

interface Opened {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Incoming;
}

/** One request and the redirects that it is led along, up to the headers of the answer. */
class Exchange {
  readonly #base: URL;
  readonly #client: Client;
  readonly #connections: Connections;

  constructor(baseUrl: string, client: Client, connections: Connections) {
    this.#base = new URL(baseUrl);
    this.#client = client;
    this.#connections = connections;
  }

  async open(request: WireRequest, signal: AbortSignal, dispatcher = this.#connections.dispatcher): Promise<Opened> {
    const { redirects, otherHosts = [] } = this.#client;
    let current = request;
    for (let left = redirects?.max ?? 0; ; left--) {
      this.#checkHost(current);
      const answer = await this.#dispatchAgain(current, signal, dispatcher);
      if (!isRedirect(answer.status) || current.method !== "GET" || redirects === undefined) return answer;
      await answer.body.dump({ limit: 64 * 1024, signal });
      if (left === 0) throw new UpstreamError("UPSTREAM_REJECTED", `the source redirects more than ${redirects.max} times`);
      current = redirected(current, answer.headers["location"], otherHosts);
    }
  }

  #checkHost({ url, headers }: WireRequest): void {
    const { otherHosts = [] } = this.#client;
    const isForeign = headers["authorization"] === undefined && isOtherHost(url, this.#base, otherHosts);
    if (url.origin !== this.#base.origin && !isForeign)
      throw new UpstreamError("UPSTREAM_REJECTED", "the request leads away from the declared host");
  }

  /**
   * A kept connection that its other end has just closed fails whatever is sent over it: a GET is then sent once more, at once, since the source has
   * seen nothing of it. Only when no connection was opened meanwhile is it certain that it was a kept one.
   */
  async #dispatchAgain(request: WireRequest, signal: AbortSignal, dispatcher: Dispatcher): Promise<Opened> {
    const openedBefore = this.#connections.opened();
    try {
      return await dispatch(request, signal, dispatcher);
    } catch (thrown) {
      const wasKept = openedBefore !== undefined && this.#connections.opened() === openedBefore;
      const isStale = wasKept && !signal.aborted && reasonOf(platformCode(thrown)) === "reset";
      if (request.method !== "GET" || !isStale) throw thrown;
      return dispatch(request, signal, dispatcher);
    }
  }
}

async function dispatch(
  { method, url, headers, body }: WireRequest,
  signal: AbortSignal,
  dispatcher: Dispatcher,
): Promise<Opened> {
  const answer = await undiciRequest(url, { dispatcher, method, headers, body: body ?? null, signal });
  return { status: answer.statusCode, headers: plainHeaders(answer.headers), body: answer.body };
}

function plainHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
    ),
  );
}
