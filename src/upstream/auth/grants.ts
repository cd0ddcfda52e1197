import { importPKCS8, SignJWT } from "jose";
import { ConfigError, UpstreamError } from "../../core/errors.ts";
import { keyText, valueAt } from "../../core/json.ts";
import type { ClientCredentialsAuth, JwtBearerAuth, SessionAuth } from "../../source/auth.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import { classify } from "../classify.ts";
import type { WireResponse } from "../wire.ts";
import type { AuthorizerParts } from "./authorizer.ts";
import type { Grant } from "./token-authorizer.ts";
import { requestToken, tokenAddress, tokenError } from "./token-endpoint.ts";

const withScope = (scope: string | undefined) => (scope === undefined ? {} : { scope });

export const clientCredentialsGrant =
  (auth: ClientCredentialsAuth, parts: AuthorizerParts): Grant =>
  async () => {
    const { secrets } = parts;
    const clientId = secrets.read(auth.clientId).reveal();
    const clientSecret = secrets.read(auth.clientSecret).reveal();
    const endpoint = { tokenPath: auth.tokenPath, clientId, clientSecret, proof: auth.proof ?? "post" };
    return requestToken(parts, endpoint, "client_credentials", withScope(auth.scope));
  };

const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ASSERTION_LIFE_S = 300;

export const jwtBearerGrant =
  (auth: JwtBearerAuth, parts: AuthorizerParts): Grant =>
  async () => {
    const clientId = parts.secrets.read(auth.issuer).reveal();
    const assertion = await assertionOf(auth, parts);
    const endpoint = { tokenPath: auth.tokenPath, clientId, proof: "none" as const };
    return requestToken(parts, endpoint, JWT_BEARER, { assertion, ...withScope(auth.scope) });
  };

async function assertionOf(auth: JwtBearerAuth, { baseUrl, secrets, clock }: AuthorizerParts): Promise<string> {
  const algorithm = auth.algorithm ?? "RS256";
  const issuer = secrets.read(auth.issuer).reveal();
  const nowS = Math.floor(clock.nowMs() / 1000);
  return new SignJWT()
    .setProtectedHeader({ alg: algorithm, ...(auth.keyId !== undefined && { kid: auth.keyId }) })
    .setIssuer(issuer)
    .setSubject(auth.subject === undefined ? issuer : secrets.read(auth.subject).reveal())
    .setAudience(auth.audience ?? tokenAddress(baseUrl, auth.tokenPath))
    .setJti(crypto.randomUUID())
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + ASSERTION_LIFE_S)
    .sign(await keyOf(secrets.read(auth.privateKey).reveal(), algorithm, auth.privateKey));
}

async function keyOf(pem: string, algorithm: string, name: string) {
  try {
    return await importPKCS8(pem, algorithm);
  } catch {
    // What the library says may quote the key.
    throw new ConfigError("CONFIG_INVALID", `${name} is no private key for ${algorithm} as PEM (PKCS #8)`);
  }
}

const LOGIN_TIMEOUT_MS = 8_000;
const DEFAULT_SESSION_S = 900;

export const sessionGrant =
  (auth: SessionAuth, parts: AuthorizerParts): Grant =>
  async () => {
    const fields = Object.entries(auth.fields).map(([field, name]) => [field, parts.secrets.read(name).reveal()] as const);
    const value = Object.fromEntries(fields);
    const body = auth.as === "form" ? ({ type: "form", value } as const) : ({ type: "json", value } as const);
    const request: UpstreamRequest = { operation: "login", method: "POST", path: auth.loginPath, body, isSafe: true };
    try {
      const answer = await parts.send(request, {}, AbortSignal.timeout(LOGIN_TIMEOUT_MS));
      const token = tokenIn(answer, auth, parts.clock.nowMs());
      return { value: token, expiresAtMs: parts.clock.nowMs() + (auth.lifeS ?? DEFAULT_SESSION_S) * 1000 };
    } catch (thrown) {
      throw tokenError(thrown);
    }
  };

function tokenIn(answer: WireResponse, { token }: SessionAuth, nowMs: number): string {
  const isInHeader = "header" in token;
  // A login that answers by a header need not have a body.
  const isBare = isInHeader && answer.status < 300;
  const body = isBare ? null : classify(answer, {}, false, nowMs).body;
  const found = isInHeader ? answer.headers[token.header.toLowerCase()] : keyText(valueAt(body, token.path));
  if (found !== undefined && found !== "") return found;
  throw new UpstreamError("UPSTREAM_MALFORMED", "the login gave no token", { details: { httpStatus: answer.status } });
}
