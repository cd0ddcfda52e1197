import { Agent, type Dispatcher, request as undiciRequest } from "undici";
import { UpstreamError } from "../core/errors.ts";
import type { Client } from "../source/define-source.ts";
import type { Parameters, RequestBody, UpstreamRequest } from "../source/request.ts";
import type { WireRequest, WireResponse } from "./wire.ts";

/** Sends requests to one origin over a bounded pool of kept-alive connections. Never follows a redirect, never leaves the origin. */
export interface Transport {
  /** The request as it would be sent, without credentials; throws `UPSTREAM_REJECTED` when it leads to another origin. */
  prepare(request: UpstreamRequest): WireRequest;
  send(request: WireRequest, signal: AbortSignal): Promise<WireResponse>;
  close(): Promise<void>;
}

const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

export function createTransport(baseUrl: string, client: Client): Transport {
  const timeouts = { connectMs: 3_000, headersMs: 8_000, bodyMs: 8_000, ...client.timeouts };
  const agent = new Agent({
    connect: { timeout: timeouts.connectMs },
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.bodyMs,
    connections: client.concurrency ?? 16,
    pipelining: 1,
  });
  const maxBytes = client.maxResponseBytes ?? MAX_RESPONSE_BYTES;
  return {
    prepare(request) {
      const { text, headers } = encodeBody(request.body);
      return {
        method: request.method,
        url: targetOf(baseUrl, request),
        headers: { accept: "application/json", ...lowerNames(client.headers), ...headers },
        ...(text !== undefined && { body: text }),
      };
    },
    async send({ method, url, headers, body }, signal) {
      if (url.origin !== new URL(baseUrl).origin)
        throw new UpstreamError("UPSTREAM_REJECTED", "the request leads away from the declared host");
      const response = await undiciRequest(url, {
        dispatcher: agent,
        method: method as Dispatcher.HttpMethod,
        headers,
        body: body ?? null,
        signal,
      });
      const text = await readBounded(response.body, maxBytes);
      return { status: response.statusCode, headers: plainHeaders(response.headers), text };
    },
    close: () => agent.destroy(),
  };
}

const lowerNames = (headers: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** The request's address under the base URL; refuses a path that leads to another origin. */
function targetOf(baseUrl: string, request: UpstreamRequest): URL {
  const base = new URL(baseUrl);
  const target = new URL(base.href.replace(/\/$/, "") + request.path);
  const leadsAway = !request.path.startsWith("/") || request.path.split("/").some(segment => segment === "." || segment === "..");
  if (leadsAway || target.origin !== base.origin)
    throw new UpstreamError("UPSTREAM_REJECTED", `${request.operation} leads away from the declared host`);
  for (const [name, value] of definedEntries(request.query)) target.searchParams.set(name, value);
  return target;
}

function definedEntries(parameters: Parameters | undefined): [string, string][] {
  return Object.entries(parameters ?? {}).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
}

function encodeBody(body: RequestBody | undefined): { text?: string; headers: Record<string, string> } {
  switch (body?.type) {
    case undefined:
      return { headers: {} };
    case "json":
      return { text: JSON.stringify(body.value), headers: { "content-type": "application/json" } };
    case "form":
      return {
        text: new URLSearchParams(definedEntries(body.value)).toString(),
        headers: { "content-type": "application/x-www-form-urlencoded" },
      };
    case "graphql":
      return {
        text: JSON.stringify({ query: body.document, variables: body.variables }),
        headers: { "content-type": "application/json" },
      };
  }
}

async function readBounded(body: AsyncIterable<Buffer> & { destroy(): unknown }, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) {
      body.destroy();
      throw new UpstreamError("UPSTREAM_TOO_LARGE", `the answer is larger than ${maxBytes} bytes`, { details: { maxBytes } });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function plainHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
    ),
  );
}
