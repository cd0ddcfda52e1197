import type { FastifyReply, FastifyRequest } from "fastify";
import type { World } from "../../src/sandbox/imitation.ts";
import { HubSpotError, correlationOf } from "./sandbox-errors.ts";

/** The application that may ask for tokens; worthless anywhere else. */
export const CLIENT = {
  id: "sandbox-client-4821",
  secret: "sandbox-client-secret-4821",
  refreshToken: "sandbox-refresh-token-4821",
};

/** How long an access token lives. */
const TOKEN_LIFE_MS = 1_800_000;

const HUB_ID = 4_821_000;
const USER_ID = 48_210;
const TOKEN_LENGTH = 96;

/** Refused grants: the provider's own status, and the RFC's code beside it. @see https://www.rfc-editor.org/rfc/rfc6749#section-5.2 */
const refusals = {
  BAD_GRANT_TYPE: ["unsupported_grant_type", "missing or unknown grant type"],
  BAD_CLIENT_ID: ["invalid_client", "missing or unknown client id"],
  BAD_CLIENT_SECRET: ["invalid_client", "missing or invalid client secret"],
  BAD_REFRESH_TOKEN: ["invalid_grant", "missing or unknown refresh token"],
} as const;

function refusalOf(form: URLSearchParams): keyof typeof refusals | null {
  const grant = form.get("grant_type") ?? "";
  if (!["client_credentials", "refresh_token"].includes(grant)) return "BAD_GRANT_TYPE";
  if (form.get("client_id") !== CLIENT.id) return "BAD_CLIENT_ID";
  if (form.get("client_secret") !== CLIENT.secret) return "BAD_CLIENT_SECRET";
  return grant === "refresh_token" && form.get("refresh_token") !== CLIENT.refreshToken ? "BAD_REFRESH_TOKEN" : null;
}

/** The tokens of this imitation. */
export interface TokenDesk {
  /** `POST /oauth/v3/token`: a new access token each time; the refresh token is given back and not rotated. */
  grant(request: FastifyRequest, reply: FastifyReply): FastifyReply;
  /** Throws a 401 unless the request carries a token that was granted here and still lives. */
  check(request: FastifyRequest): void;
}

const unauthorised = (category: string, message: string) => new HubSpotError({ status: 401, category, message });

/** Opens the token desk. A reset of the world makes every token unknown. */
export function openTokenDesk({ population, clock, onReset }: World): TokenDesk {
  const tokens = population.keys.opaque("hubspot.tokens", "CIr", TOKEN_LENGTH);
  const grantedAt: number[] = [];
  let firstKnown = 0;
  onReset(() => (firstKnown = grantedAt.length));
  const grant = (request: FastifyRequest, reply: FastifyReply) => {
    const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
    const refusal = refusalOf(form);
    if (refusal !== null) {
      const [error, message] = refusals[refusal];
      return reply
        .code(400)
        .send({ status: refusal, message, correlationId: correlationOf(reply), error, error_description: message });
    }
    grantedAt.push(clock());
    return reply.header("cache-control", "no-store").send({
      access_token: tokens.of(grantedAt.length - 1),
      refresh_token: CLIENT.refreshToken,
      expires_in: TOKEN_LIFE_MS / 1000,
      token_type: "bearer",
      token_use: "access_token",
      hub_id: HUB_ID,
      scopes: ["crm.objects.contacts.read", "crm.objects.contacts.write", "oauth"],
      user_id: USER_ID,
    });
  };
  const check = (request: FastifyRequest) => {
    const [scheme = "", token = ""] = (request.headers.authorization ?? "").split(" ");
    const n = scheme.toLowerCase() === "bearer" ? tokens.indexOf(token) : null;
    const since = n === null || n < firstKnown ? undefined : grantedAt[n];
    if (since === undefined)
      throw unauthorised(
        "INVALID_AUTHENTICATION",
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
      );
    if (clock() - since >= TOKEN_LIFE_MS)
      throw unauthorised(
        "EXPIRED_AUTHENTICATION",
        `The OAuth token used to make this call expired ${clock() - since - TOKEN_LIFE_MS} ms ago.`,
      );
  };
  return { grant, check };
}
