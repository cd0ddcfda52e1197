import { UpstreamError } from "../core/errors.ts";
import type { Client } from "../source/define-source.ts";
import type { RequestBody, UpstreamRequest } from "../source/request.ts";
import { ACCEPT_ENCODING } from "./content-coding.ts";
import { definedEntries, targetOf } from "./target.ts";
import type { WireRequest } from "./wire.ts";

/** A request as it would be sent, without credentials; throws `UPSTREAM_REJECTED` for one that must not be sent as it is. */
export function prepareRequest(baseUrl: string, client: Client, request: UpstreamRequest): WireRequest {
  const { text, headers } = encodeBody(request.body);
  return {
    method: request.method,
    url: targetOf(baseUrl, request),
    headers: {
      accept: "application/json",
      "accept-encoding": ACCEPT_ENCODING,
      ...lowerNames(client.headers),
      ...headers,
      ...idempotency(client, request),
    },
    ...(text !== undefined && { body: text }),
  };
}

const lowerNames = (headers: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** The key's header. A key that the source would not look at is refused: the request would be repeated as if it were safe. */
function idempotency(
  { idempotency: declared }: Client,
  { operation, idempotencyKey: key }: UpstreamRequest,
): Record<string, string> {
  if (key === undefined) return {};
  if (declared === undefined || !/^[\x21-\x7e]{1,255}$/.test(key))
    throw new UpstreamError("UPSTREAM_REJECTED", `${operation} has an idempotency key that cannot be sent`);
  return { [declared.header.toLowerCase()]: key };
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
