import type { Clock, Logger, Secrets } from "../../core/ports.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { WireRequest, WireResponse } from "../wire.ts";
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
