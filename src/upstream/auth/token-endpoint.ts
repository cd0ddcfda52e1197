import * as oauth from "oauth4webapi";
import { TributaryError, UpstreamError } from "../../core/errors.ts";
import { isJsonObject, parseJson } from "../../core/json.ts";
import type { ClientProof } from "../../source/auth.ts";
import { classify } from "../classify.ts";
import { asFailure } from "../failure.ts";
import type { AuthorizerParts } from "./authorizer.ts";

const TOKEN_TIMEOUT_MS = 8_000;
/** For a token that does not say how long it lives. */
const DEFAULT_LIFE_S = 300;

/** What a token endpoint gave. */
export interface Granted {
  readonly value: string;
  readonly expiresAtMs: number;
  /** The refresh token that counts from now on, where the endpoint gives one. */
  readonly refreshToken?: string;
}

interface Endpoint {
  readonly tokenPath: string;
  readonly clientId: string;
  readonly proof: ClientProof;
  /** Absent for a public client. */
  readonly clientSecret?: string;
}

type Parameters = Readonly<Record<string, string>>;

/** The address of a source's token endpoint. */
export const tokenAddress = (baseUrl: string, tokenPath: string): string => `${baseUrl.replace(/\/$/, "")}${tokenPath}`;

/**
 * Asks a token endpoint for a token. 400 and 401 are `UPSTREAM_AUTH`: its ways to refuse the credentials; an answer without a token is
 * `UPSTREAM_MALFORMED`. @see https://www.rfc-editor.org/rfc/rfc6749#section-5
 */
export async function requestToken(
  { baseUrl, clock, send }: AuthorizerParts,
  { tokenPath, clientId, proof, clientSecret = "" }: Endpoint,
  grantType: string,
  parameters: Parameters,
): Promise<Granted> {
  const server = { issuer: new URL(baseUrl).origin, token_endpoint: tokenAddress(baseUrl, tokenPath) };
  const client = { client_id: clientId };
  const options = {
    [oauth.allowInsecureRequests]: true, // which addresses may be spoken to is decided by the configuration, not here
    [oauth.customFetch]: fetchBy(send, clock.nowMs(), tokenPath),
    signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
  };
  try {
    const answer = await oauth.genericTokenEndpointRequest(
      server,
      client,
      proofOf(proof, clientSecret),
      grantType,
      { ...parameters },
      options,
    );
    const token = await oauth.processGenericTokenEndpointResponse(server, client, answer);
    const expiresAtMs = clock.nowMs() + (token.expires_in ?? DEFAULT_LIFE_S) * 1000;
    return { value: token.access_token, expiresAtMs, ...(token.refresh_token && { refreshToken: token.refresh_token }) };
  } catch (thrown) {
    throw tokenError(thrown);
  }
}

function proofOf(proof: ClientProof, secret: string): oauth.ClientAuth {
  switch (proof) {
    case "post":
      return oauth.ClientSecretPost(secret);
    case "basic":
      return oauth.ClientSecretBasic(secret);
    case "none":
      return oauth.None();
  }
}

interface FetchOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

const fetchBy =
  (send: AuthorizerParts["send"], nowMs: number, path: string) =>
  async (_url: string, { body, headers, signal = AbortSignal.timeout(TOKEN_TIMEOUT_MS) }: FetchOptions): Promise<Response> => {
    const value = Object.fromEntries(body instanceof URLSearchParams ? body : []);
    const authorization = new Headers(headers).get("authorization");
    const request = { operation: "token", method: "POST", path, body: { type: "form", value }, isSafe: true } as const;
    const wire = await send(request, authorization === null ? {} : { authorization }, signal);
    classify(wire, {}, false, nowMs);
    return new Response(withoutIdToken(wire.text), { status: wire.status, headers: { "content-type": "application/json" } });
  };

/** Who signed in does not matter here, and whether its token fits an issuer that we do not know neither. */
function withoutIdToken(text: string): string {
  const answer = parseJson(text);
  if (!isJsonObject(answer)) return text;
  const { id_token: _, ...token } = answer;
  return JSON.stringify(token);
}

/** What a failed grant means. */
export function tokenError(thrown: unknown): TributaryError {
  if (!(thrown instanceof TributaryError)) {
    return thrown instanceof oauth.OperationProcessingError || thrown instanceof oauth.ResponseBodyError
      ? new UpstreamError("UPSTREAM_MALFORMED", "the token endpoint gave no token", { cause: new Error(thrown.name) })
      : asFailure(thrown, AbortSignal.any([]));
  }
  if (!(thrown instanceof UpstreamError)) return thrown;
  const { httpStatus } = thrown.details;
  const code = httpStatus === 400 || httpStatus === 401 ? "UPSTREAM_AUTH" : thrown.code;
  return new UpstreamError(code, `the token endpoint: ${thrown.message}`, {
    details: thrown.details,
    cause: thrown.cause,
    retryable: code === "UPSTREAM_AUTH" ? false : thrown.retryable,
  });
}
