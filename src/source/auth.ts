/** How requests to a source are authenticated. Secrets are named here, by environment variable, and never held. */
export type Auth = NoAuth | BearerAuth | BasicAuth | ClientCredentialsAuth;

/** Requests carry no credentials: the source answers everybody. */
export interface NoAuth {
  readonly scheme: "none";
}

/** A static key as `Authorization: Bearer`. */
export interface BearerAuth {
  readonly scheme: "bearer";
  readonly secret: string;
}

/** `Authorization: Basic`; `userSuffix` is appended to the user name as some providers want. */
export interface BasicAuth {
  readonly scheme: "basic";
  readonly user: string;
  readonly userSuffix?: string;
  readonly secret: string;
}

/** OAuth 2.0 client credentials. @see https://www.rfc-editor.org/rfc/rfc6749#section-4.4 */
export interface ClientCredentialsAuth {
  readonly scheme: "client-credentials";
  /** Path of the token endpoint under the source's base URL. */
  readonly tokenPath: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope?: string;
}

export const noAuth = (): NoAuth => ({ scheme: "none" });
export const bearer = (options: Omit<BearerAuth, "scheme">): BearerAuth => ({ scheme: "bearer", ...options });
export const basic = (options: Omit<BasicAuth, "scheme">): BasicAuth => ({ scheme: "basic", ...options });
export const clientCredentials = (options: Omit<ClientCredentialsAuth, "scheme">): ClientCredentialsAuth => ({
  scheme: "client-credentials",
  ...options,
});

/** The environment variables that an auth needs. */
export function secretNamesOf(auth: Auth): readonly string[] {
  switch (auth.scheme) {
    case "none":
      return [];
    case "bearer":
      return [auth.secret];
    case "basic":
      return [auth.user, auth.secret];
    case "client-credentials":
      return [auth.clientId, auth.clientSecret];
  }
}
