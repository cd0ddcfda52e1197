import * as oauth from "oauth4webapi";
import { TributaryError, UpstreamError } from "../../core/errors.ts";
import type { Clock, Secrets } from "../../core/ports.ts";
import type { Auth, ClientCredentialsAuth } from "../../source/auth.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import { classify } from "../classify.ts";
import { asFailure } from "../failure.ts";
import { unlessAborted } from "../unless-aborted.ts";
import type { WireRequest, WireResponse } from "../wire.ts";

/** Gives a request its credentials. */
export interface Authorizer {
  /** The request with credentials. Throws `CONFIG_SECRET_MISSING`, and what asking for a token can bring. */
  authorize(request: WireRequest, signal: AbortSignal): Promise<Authorized>;
  /** The credential that was used was refused; true when there is a point in asking for a new one. */
  renew(used: string | undefined): boolean;
}

/** A request that carries credentials. */
export interface Authorized {
  readonly request: WireRequest;
  /** Stands for the credential, so that its refusal can be told from that of an older one. Never shown. */
  readonly credential: string;
}

/** How the token endpoint is reached: as the source itself is, bounded, counted and logged. */
export type SendForToken = (request: UpstreamRequest, signal: AbortSignal) => Promise<WireResponse>;

interface AuthorizerParts {
  readonly baseUrl: string;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly send: SendForToken;
}

export function createAuthorizer(auth: Auth, parts: AuthorizerParts): Authorizer {
  const { secrets } = parts;
  switch (auth.scheme) {
    case "none":
      return { authorize: async request => ({ request, credential: "" }), renew: () => false };
    case "bearer":
      return fixed(() => `Bearer ${secrets.read(auth.secret)}`);
    case "basic":
      return fixed(() => {
        const credentials = `${secrets.read(auth.user)}${auth.userSuffix ?? ""}:${secrets.read(auth.secret)}`;
        return `Basic ${Buffer.from(credentials).toString("base64")}`;
      });
    case "client-credentials":
      return new ClientCredentials(auth, parts);
  }
}

const fixed = (value: () => string): Authorizer => ({
  authorize: async request => withAuthorization(request, value()),
  renew: () => false,
});

const withAuthorization = (request: WireRequest, credential: string): Authorized => ({
  request: { ...request, headers: { ...request.headers, authorization: credential } },
  credential,
});

/** A token is renewed this long before it expires, in ms. */
const EXPIRY_MARGIN_MS = 60_000;
const TOKEN_TIMEOUT_MS = 8_000;
/** For a token that does not say how long it lives. */
const DEFAULT_LIFE_S = 300;

/** OAuth 2.0 client credentials: one token for the process, asked for once however many requests wait for it. */
class ClientCredentials implements Authorizer {
  readonly #auth: ClientCredentialsAuth;
  readonly #parts: AuthorizerParts;
  #token: { readonly header: string; readonly renewAtMs: number } | undefined;
  #pending: Promise<string> | undefined;

  constructor(auth: ClientCredentialsAuth, parts: AuthorizerParts) {
    this.#auth = auth;
    this.#parts = parts;
  }

  async authorize(request: WireRequest, signal: AbortSignal): Promise<Authorized> {
    if (this.#token && this.#parts.clock.nowMs() < this.#token.renewAtMs) return withAuthorization(request, this.#token.header);
    this.#pending ??= this.#grant().finally(() => (this.#pending = undefined));
    return withAuthorization(request, await unlessAborted(this.#pending, signal));
  }

  /** Forgets the token, unless another request has got a new one since. */
  renew(used: string | undefined): boolean {
    if (this.#token?.header === used) this.#token = undefined;
    return used !== undefined;
  }

  async #grant(): Promise<string> {
    const { baseUrl, secrets, clock } = this.#parts;
    const client = { client_id: secrets.read(this.#auth.clientId) };
    const secret = oauth.ClientSecretPost(secrets.read(this.#auth.clientSecret));
    const server = { issuer: new URL(baseUrl).origin, token_endpoint: `${baseUrl.replace(/\/$/, "")}${this.#auth.tokenPath}` };
    const parameters = this.#auth.scope === undefined ? {} : { scope: this.#auth.scope };
    const options = {
      [oauth.allowInsecureRequests]: true, // which addresses may be spoken to is decided by the configuration, not here
      [oauth.customFetch]: (_url: string, { body, signal }: { body?: unknown; signal?: AbortSignal }) =>
        this.#fetch(body, signal),
      signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
    };
    try {
      const answer = await oauth.clientCredentialsGrantRequest(server, client, secret, parameters, options);
      const token = await oauth.processClientCredentialsResponse(server, client, answer);
      const lifeMs = (token.expires_in ?? DEFAULT_LIFE_S) * 1000;
      const renewAtMs = clock.nowMs() + Math.max(lifeMs / 2, lifeMs - EXPIRY_MARGIN_MS);
      this.#token = { header: `Bearer ${token.access_token}`, renewAtMs };
      return this.#token.header;
    } catch (thrown) {
      throw tokenError(thrown);
    }
  }

  async #fetch(body: unknown, signal: AbortSignal = AbortSignal.timeout(TOKEN_TIMEOUT_MS)): Promise<Response> {
    const value = Object.fromEntries(body instanceof URLSearchParams ? body : []);
    const request: UpstreamRequest = {
      operation: "token",
      method: "POST",
      path: this.#auth.tokenPath,
      body: { type: "form", value },
      isSafe: true,
    };
    const wire = await this.#parts.send(request, signal);
    classify(wire, {}, false, this.#parts.clock.nowMs());
    return new Response(wire.text, { status: wire.status, headers: { "content-type": "application/json" } });
  }
}

/** What a failed grant means: 400 and 401 are the endpoint's ways to refuse the credentials; an answer without a token is no answer. */
function tokenError(thrown: unknown): TributaryError {
  if (!(thrown instanceof TributaryError)) {
    return thrown instanceof oauth.OperationProcessingError || thrown instanceof oauth.ResponseBodyError
      ? new UpstreamError("UPSTREAM_MALFORMED", "the token endpoint gave no token", { cause: new Error(thrown.name) })
      : asFailure(thrown, AbortSignal.any([]));
  }
  const { httpStatus } = thrown.details;
  const code = httpStatus === 400 || httpStatus === 401 ? "UPSTREAM_AUTH" : (thrown as UpstreamError).code;
  return new UpstreamError(code, `the token endpoint: ${thrown.message}`, {
    details: thrown.details,
    cause: thrown.cause,
    retryable: code === "UPSTREAM_AUTH" ? false : thrown.retryable,
  });
}
