import type { Auth } from "../../source/auth.ts";
import type { Authorizer, AuthorizerParts } from "./authorizer.ts";
import { awsSignature } from "./aws-signature.ts";
import { clientCredentialsGrant, jwtBearerGrant, sessionGrant } from "./grants.ts";
import { hmacSignature } from "./hmac-signature.ts";
import { fixedCredential } from "./placement.ts";
import { refreshedGrant } from "./refreshed-grant.ts";
import { scopeOf } from "./scope.ts";
import { TokenAuthorizer } from "./token-authorizer.ts";

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
