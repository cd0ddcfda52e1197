import { Agent, request as undiciRequest } from "undici";
import { UpstreamError } from "../core/errors.ts";
import type { Client } from "../source/define-source.ts";
import type { Parameters, RequestBody, UpstreamRequest } from "../source/request.ts";

/** An answer as it came: nothing of it is interpreted yet. */
export interface WireResponse {
  readonly status: number;
  /** Lower-case names; values of repeated headers are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Sends requests to one origin over a bounded pool of kept-alive connections. Never follows a redirect, never leaves the origin. */
export interface Transport {
  send(request: UpstreamRequest, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<WireResponse>;
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
    async send(request, headers, signal) {
      const body = encodeBody(request.body);
      const response = await undiciRequest(targetOf(baseUrl, request), {
        dispatcher: agent,
        method: request.method,
        headers: { accept: "application/json", ...client.headers, ...body.headers, ...headers },
        body: body.text ?? null,
        signal,
      });
      const text = await readBounded(response.body, maxBytes);
      return { status: response.statusCode, headers: plainHeaders(response.headers), text };
    },
    close: () => agent.destroy(),
  };
}

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
