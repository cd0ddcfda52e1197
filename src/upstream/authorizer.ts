import * as oauth from "oauth4webapi";
import { asError, UpstreamError } from "../core/errors.ts";
import type { Clock, Secrets } from "../core/ports.ts";
import type { Auth, ClientCredentialsAuth } from "../source/auth.ts";
import { unlessAborted } from "./unless-aborted.ts";

/** Gives a request its credentials. */
export interface Authorizer {
  headers(signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** The credentials just used were refused; true when there is a point in asking for new ones. */
  renew(): boolean;
}

export function createAuthorizer(auth: Auth, options: { baseUrl: string; secrets: Secrets; clock: Clock }): Authorizer {
  const { secrets } = options;
  switch (auth.scheme) {
    case "bearer":
      return fixed(() => `Bearer ${secrets.read(auth.secret)}`);
    case "basic":
      return fixed(() => {
        const credentials = `${secrets.read(auth.user)}${auth.userSuffix ?? ""}:${secrets.read(auth.secret)}`;
        return `Basic ${Buffer.from(credentials).toString("base64")}`;
      });
    case "client-credentials":
      return new ClientCredentials(auth, options);
  }
}

const fixed = (value: () => string): Authorizer => ({
  headers: async () => ({ authorization: value() }),
  renew: () => false,
});

/** A token is renewed this long before it expires, in ms. */
const EXPIRY_MARGIN_MS = 60_000;
const TOKEN_TIMEOUT_MS = 8_000;

/** OAuth 2.0 client credentials: one token for the process, asked for once however many requests wait for it. */
class ClientCredentials implements Authorizer {
  readonly #auth: ClientCredentialsAuth;
  readonly #baseUrl: string;
  readonly #secrets: Secrets;
  readonly #clock: Clock;
  #token: { readonly value: string; readonly renewAtMs: number } | undefined;
  #pending: Promise<string> | undefined;

  constructor(auth: ClientCredentialsAuth, options: { baseUrl: string; secrets: Secrets; clock: Clock }) {
    this.#auth = auth;
    this.#baseUrl = options.baseUrl.replace(/\/$/, "");
    this.#secrets = options.secrets;
    this.#clock = options.clock;
  }

  async headers(signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    if (this.#token && this.#clock.nowMs() < this.#token.renewAtMs) return { authorization: `Bearer ${this.#token.value}` };
    this.#pending ??= this.#grant().finally(() => (this.#pending = undefined));
    return { authorization: `Bearer ${await unlessAborted(this.#pending, signal)}` };
  }

  renew(): boolean {
    this.#token = undefined;
    return true;
  }

  async #grant(): Promise<string> {
    const server = { issuer: this.#baseUrl, token_endpoint: `${this.#baseUrl}${this.#auth.tokenPath}` };
    const client = { client_id: this.#secrets.read(this.#auth.clientId) };
    const parameters = this.#auth.scope === undefined ? {} : { scope: this.#auth.scope };
    const options = {
      [oauth.allowInsecureRequests]: server.issuer.startsWith("http:"),
      signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
    };
    try {
      const secret = oauth.ClientSecretPost(this.#secrets.read(this.#auth.clientSecret));
      const answer = await oauth.clientCredentialsGrantRequest(server, client, secret, parameters, options);
      const token = await oauth.processClientCredentialsResponse(server, client, answer);
      const lifeMs = (token.expires_in ?? 300) * 1000;
      this.#token = {
        value: token.access_token,
        renewAtMs: this.#clock.nowMs() + Math.max(lifeMs / 2, lifeMs - EXPIRY_MARGIN_MS),
      };
      return token.access_token;
    } catch (cause) {
      throw tokenError(cause);
    }
  }
}

/** What a failed grant means; the cause's own text may hold a body and is left out. */
function tokenError(thrown: unknown): UpstreamError {
  const status = thrown instanceof oauth.ResponseBodyError ? thrown.status : statusIn(thrown);
  const cause = new Error(asError(thrown).name);
  if (status === undefined) return new UpstreamError("UPSTREAM_CONNECTION", "the token endpoint gave no answer", { cause });
  const code = status === 429 ? "UPSTREAM_THROTTLED" : status >= 500 ? "UPSTREAM_UNAVAILABLE" : "UPSTREAM_AUTH";
  return new UpstreamError(code, `the token endpoint answered ${status}`, { details: { httpStatus: status }, cause });
}

const statusIn = (thrown: unknown): number | undefined => {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return cause instanceof Response ? cause.status : undefined;
};
