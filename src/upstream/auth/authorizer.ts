import type { Clock, Logger, Secrets } from "../../core/ports.ts";
import type { Auth } from "../../source/auth.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { WireRequest, WireResponse } from "../wire.ts";
import { awsSignature } from "./aws-signature.ts";
import { hmacSignature } from "./hmac-signature.ts";
import { clientCredentialsGrant, jwtBearerGrant, sessionGrant } from "./grants.ts";
import { fixedCredential } from "./placement.ts";
import { refreshedGrant } from "./refreshed-grant.ts";
import { scopeOf } from "./scope.ts";
import { TokenAuthorizer } from "./token-authorizer.ts";
import type { TokenStore } from "./token-store.ts";

/** Gives a request its credentials. */
export interface Authorizer {
  /** The request with credentials. Throws `CONFIG_SECRET_MISSING`, and what asking for a token can bring. */
  authorize(request: WireRequest, signal: AbortSignal): Promise<Authorized>;
  /** The credential that was used was refused; true when there is a point in asking for a new one. */
  renew(used: string | undefined): boolean;
  /** Stands for whose credentials are used: changes with the secrets, not with a token. Never shown; throws `CONFIG_SECRET_MISSING`. */
  scope(): string;
}

/** A request that carries credentials. */
export interface Authorized {
  readonly request: WireRequest;
  /** Stands for the credential, so that its refusal can be told from that of an older one. Never shown. */
  readonly credential: string;
}

/** How the token endpoint is reached: as the source itself is, bounded, counted and logged. */
export type SendForToken = (
  request: UpstreamRequest,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<WireResponse>;

export interface AuthorizerParts {
  /** The source's name. */
  readonly source: string;
  readonly baseUrl: string;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly send: SendForToken;
  readonly tokens: TokenStore;
}

const bearer = { in: "header", name: "authorization", prefix: "Bearer " } as const;

export function createAuthorizer(auth: Auth, parts: AuthorizerParts): Authorizer {
  const { secrets } = parts;
  const scope = () => scopeOf(auth, secrets);
  switch (auth.scheme) {
    case "none":
      return { authorize: async request => ({ request, credential: "" }), renew: () => false, scope };
    case "api-key":
      return fixedCredential(auth, () => secrets.read(auth.secret).reveal(), scope);
    case "bearer":
      return fixedCredential(bearer, () => secrets.read(auth.secret).reveal(), scope);
    case "basic": {
      const pair = () => `${secrets.read(auth.user).reveal()}${auth.userSuffix ?? ""}:${secrets.read(auth.secret).reveal()}`;
      return fixedCredential({ ...bearer, prefix: "Basic " }, () => Buffer.from(pair()).toString("base64"), scope);
    }
    case "client-credentials":
      return new TokenAuthorizer(clientCredentialsGrant(auth, parts), bearer, parts.clock, scope);
    case "refresh-token":
      return new TokenAuthorizer(refreshedGrant(auth, parts, scope), bearer, parts.clock, scope);
    case "jwt-bearer":
      return new TokenAuthorizer(jwtBearerGrant(auth, parts), bearer, parts.clock, scope);
    case "session":
      return new TokenAuthorizer(sessionGrant(auth, parts), auth.send, parts.clock, scope);
    case "aws-sigv4":
      return awsSignature(auth, parts, scope);
    case "hmac":
      return hmacSignature(auth, parts, scope);
    case "all":
      return inTurn(
        auth.of.map(each => createAuthorizer(each, parts)),
        scope,
      );
  }
}

/** One after another; what is refused is renewed wherever that can help. */
const inTurn = (authorizers: readonly Authorizer[], scope: () => string): Authorizer => ({
  async authorize(request, signal) {
    const credentials: string[] = [];
    let authorized = request;
    for (const authorizer of authorizers) {
      const next = await authorizer.authorize(authorized, signal);
      authorized = next.request;
      credentials.push(next.credential);
    }
    return { request: authorized, credential: JSON.stringify(credentials) };
  },
  renew(used) {
    const credentials: unknown = used === undefined ? [] : JSON.parse(used);
    const each = Array.isArray(credentials) ? credentials.map(String) : [];
    return authorizers.map((authorizer, index) => authorizer.renew(each[index])).includes(true);
  },
  scope,
});
