/** How requests to a source are authenticated. Secrets are named here, as in the environment, and never held. */
export type Auth =
  | NoAuth
  | ApiKeyAuth
  | BearerAuth
  | BasicAuth
  | ClientCredentialsAuth
  | RefreshTokenAuth
  | JwtBearerAuth
  | SessionAuth
  | AwsSigV4Auth
  | HmacAuth
  | AllAuth;

/** Requests carry no credentials: the source answers everybody. */
export interface NoAuth {
  readonly scheme: "none";
}

/** Where a credential stands in a request. */
export interface Placement {
  readonly in: "header" | "query" | "cookie";
  /** The header, parameter or cookie. */
  readonly name: string;
  /** Put before it, e.g. `Token `; nothing unless stated. */
  readonly prefix?: string;
}

/** A static key in a header, a query parameter or a cookie. */
export interface ApiKeyAuth extends Placement {
  readonly scheme: "api-key";
  readonly secret: string;
}

/** A static key as `Authorization: Bearer`. @see https://www.rfc-editor.org/rfc/rfc6750 */
export interface BearerAuth {
  readonly scheme: "bearer";
  readonly secret: string;
}

/** `Authorization: Basic`; `userSuffix` is appended to the user name as some providers want. @see https://www.rfc-editor.org/rfc/rfc7617 */
export interface BasicAuth {
  readonly scheme: "basic";
  readonly user: string;
  readonly userSuffix?: string;
  readonly secret: string;
}

/** What every way to a token has. */
interface TokenEndpoint {
  /** Path of the token endpoint under the source's base URL. */
  readonly tokenPath: string;
  readonly scope?: string;
}

/** How a client names itself to a token endpoint: in the form, in `Authorization: Basic`, or, a public one, by its id alone. */
export type ClientProof = "post" | "basic" | "none";

/** OAuth 2.0 client credentials. @see https://www.rfc-editor.org/rfc/rfc6749#section-4.4 */
export interface ClientCredentialsAuth extends TokenEndpoint {
  readonly scheme: "client-credentials";
  readonly clientId: string;
  readonly clientSecret: string;
  /** `post` unless stated. */
  readonly proof?: "post" | "basic";
}

/**
 * OAuth 2.0 refresh token. The secret holds the first one; where the provider rotates it, each new one is stored before its access token is used, and only one
 * process refreshes at a time. @see https://www.rfc-editor.org/rfc/rfc6749#section-6
 */
export interface RefreshTokenAuth extends TokenEndpoint {
  readonly scheme: "refresh-token";
  readonly refreshToken: string;
  readonly clientId: string;
  /** Absent for a public client. */
  readonly clientSecret?: string;
  /** `post` unless stated; `none` without a secret. */
  readonly proof?: "post" | "basic";
}

/** A signed assertion that is exchanged for a token. @see https://www.rfc-editor.org/rfc/rfc7523#section-2.1 */
export interface JwtBearerAuth extends TokenEndpoint {
  readonly scheme: "jwt-bearer";
  /** The private key as PEM (PKCS #8). */
  readonly privateKey: string;
  /** `RS256` unless stated. */
  readonly algorithm?: "RS256" | "PS256" | "ES256" | "EdDSA";
  /** Secret that names the client: the assertion's issuer. */
  readonly issuer: string;
  /** Secret that names on whose behalf; the issuer unless stated. */
  readonly subject?: string;
  /** Whom the assertion is for; the token endpoint's own address unless stated. */
  readonly audience?: string;
  /** The key's id in the assertion's header. */
  readonly keyId?: string;
}

/** A login that yields a session token. */
export interface SessionAuth {
  readonly scheme: "session";
  readonly loginPath: string;
  /** Field of the login's body → secret. */
  readonly fields: Readonly<Record<string, string>>;
  /** `json` unless stated. */
  readonly as?: "json" | "form";
  /** Where the answer has the token: a path in its body, or a header. */
  readonly token: { readonly path: string } | { readonly header: string };
  /** Where requests carry it. */
  readonly send: Placement;
  /** How long it lives, in seconds; 900 unless stated. */
  readonly lifeS?: number;
}

/** AWS Signature Version 4. @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html */
export interface AwsSigV4Auth {
  readonly scheme: "aws-sigv4";
  readonly service: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** For temporary credentials. */
  readonly sessionToken?: string;
  /** Whether the signature stands in the headers or, presigned, in the query; `header` unless stated. */
  readonly mode?: "header" | "presigned";
  /** Whether the path is escaped once more before it is signed; true unless stated, false for S3. */
  readonly normalizesPath?: boolean;
}

/** A piece of the text that is signed. */
export type CanonicalPart =
  | "method"
  | "path"
  | "query"
  | "path-and-query"
  | "url"
  | "host"
  | "body"
  | "body-sha256"
  | "timestamp"
  | "nonce"
  | { readonly header: string }
  | { readonly text: string };

/** Requests signed by a keyed hash over declared parts of them. */
export interface HmacAuth {
  readonly scheme: "hmac";
  readonly secret: string;
  readonly algorithm: "sha1" | "sha256" | "sha512";
  readonly encoding: "hex" | "base64" | "base64url";
  /** How the secret's text becomes the key; `utf8` unless stated. */
  readonly secretEncoding?: "utf8" | "base64" | "hex";
  readonly canonical: readonly CanonicalPart[];
  /** Between the parts; nothing unless stated. */
  readonly separator?: string;
  /** Where the signature goes. */
  readonly signature: Placement;
  /** Where the moment of signing goes, and its form. */
  readonly timestamp?: Placement & { readonly unit: "seconds" | "milliseconds" | "rfc3339" };
  /** Where a random text that is used once goes. */
  readonly nonce?: Placement;
  /** Where the key is named, and the secret that names it. */
  readonly keyId?: Placement & { readonly secret: string };
}

/** Several at once, one after another: a signature sees what those before it added. */
export interface AllAuth {
  readonly scheme: "all";
  readonly of: readonly Auth[];
}

/** A client certificate (mTLS), as PEM, and the authorities that the source's own is checked against, where they are not the usual ones. */
export interface ClientTls {
  readonly certificate: string;
  readonly privateKey: string;
  readonly authorities?: string;
}

export const noAuth = (): NoAuth => ({ scheme: "none" });
export const apiKey = (options: Omit<ApiKeyAuth, "scheme">): ApiKeyAuth => ({ scheme: "api-key", ...options });
export const bearer = (options: Omit<BearerAuth, "scheme">): BearerAuth => ({ scheme: "bearer", ...options });
export const basic = (options: Omit<BasicAuth, "scheme">): BasicAuth => ({ scheme: "basic", ...options });
export const clientCredentials = (options: Omit<ClientCredentialsAuth, "scheme">): ClientCredentialsAuth => ({
  scheme: "client-credentials",
  ...options,
});
export const refreshToken = (options: Omit<RefreshTokenAuth, "scheme">): RefreshTokenAuth => ({
  scheme: "refresh-token",
  ...options,
});
export const jwtBearer = (options: Omit<JwtBearerAuth, "scheme">): JwtBearerAuth => ({ scheme: "jwt-bearer", ...options });
export const session = (options: Omit<SessionAuth, "scheme">): SessionAuth => ({ scheme: "session", ...options });
export const awsSigV4 = (options: Omit<AwsSigV4Auth, "scheme">): AwsSigV4Auth => ({ scheme: "aws-sigv4", ...options });
export const hmac = (options: Omit<HmacAuth, "scheme">): HmacAuth => ({ scheme: "hmac", ...options });
export const all = (...of: readonly Auth[]): AllAuth => ({ scheme: "all", of });

const named = (...names: readonly (string | undefined)[]): string[] => names.filter(name => name !== undefined);

/** The secrets that an auth needs, by name. */
export function secretNamesOf(auth: Auth): readonly string[] {
  switch (auth.scheme) {
    case "none":
      return [];
    case "api-key":
    case "bearer":
      return [auth.secret];
    case "basic":
      return [auth.user, auth.secret];
    case "client-credentials":
      return [auth.clientId, auth.clientSecret];
    case "refresh-token":
      return named(auth.clientId, auth.clientSecret, auth.refreshToken);
    case "jwt-bearer":
      return named(auth.issuer, auth.subject, auth.privateKey);
    case "session":
      return Object.values(auth.fields);
    case "aws-sigv4":
      return named(auth.accessKeyId, auth.secretAccessKey, auth.sessionToken);
    case "hmac":
      return named(auth.keyId?.secret, auth.secret);
    case "all":
      return auth.of.flatMap(secretNamesOf);
  }
}
