import type { FastifyReply, FastifyRequest } from "fastify";
import type { World } from "../../src/sandbox/imitation.ts";
import { slidingWindow } from "../../src/sandbox/quota.ts";
import type { Quota } from "../../src/sandbox/quota.ts";
import { StripeError, badParameter } from "./sandbox-errors.ts";
import { API_VERSION } from "./sandbox-events.ts";

const ACCOUNT_LIMIT = { limit: 100, windowMs: 1000 };
const ENDPOINT_LIMIT = { limit: 25, windowMs: 1000 };

/** The only secret key that this imitation accepts; worthless anywhere else. */
export const SECRET_KEY = "sk_test_sandbox_only_4821";

/** The key of a bearer or basic header; undefined when there is none. */
function keyIn(authorization: string | undefined): string | undefined {
  const [scheme = "", credentials = ""] = (authorization ?? "").split(" ");
  if (scheme.toLowerCase() === "bearer") return credentials;
  if (scheme.toLowerCase() !== "basic") return undefined;
  return Buffer.from(credentials, "base64").toString("utf8").split(":")[0];
}

const refusal = (message: string) => new StripeError({ status: 401, type: "invalid_request_error", message });

/** Throws a 401 unless the request carries {@link SECRET_KEY}. */
export function checkKey(request: FastifyRequest): void {
  const key = keyIn(request.headers.authorization);
  if (key === undefined || key === "")
    throw refusal(
      "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
    );
  if (key !== SECRET_KEY) throw refusal(`Invalid API Key provided: ${key.slice(0, 7)}****${key.slice(-4)}`);
}

/** Echoes the version asked for, or the account's own. Throws a 400 for one that cannot be. */
export function checkVersion(request: FastifyRequest, reply: FastifyReply): void {
  const asked = request.headers["stripe-version"] ?? API_VERSION;
  void reply.header("stripe-version", asked);
  if (!/^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$/.test(String(asked)))
    throw badParameter("Stripe-Version", "parameter_invalid_string", `Invalid Stripe API version: ${String(asked)}`);
}

/** The account's limit and each endpoint's. @see https://docs.stripe.com/rate-limits */
export function createGate(world: World) {
  const account = slidingWindow(ACCOUNT_LIMIT);
  const endpoints = new Map<string, Quota>();
  world.onReset(() => {
    account.reset();
    endpoints.clear();
  });
  const endpointOf = (route: string) => {
    const quota = endpoints.get(route) ?? slidingWindow(ENDPOINT_LIMIT);
    endpoints.set(route, quota);
    return quota;
  };
  const refusedBy = (endpoint: Quota, nowMs: number) => {
    if (account.peek(nowMs).remaining === 0) return "global-rate";
    return endpoint.peek(nowMs).remaining === 0 ? "endpoint-rate" : undefined;
  };
  /** Throws a 429 that names the limit in a header; there is no `Retry-After`. A refused request spends nothing. */
  return (request: FastifyRequest, reply: FastifyReply): void => {
    if (!world.quotas) return;
    const nowMs = world.clock();
    const endpoint = endpointOf(`${request.method} ${request.routeOptions.url}`);
    const reason = refusedBy(endpoint, nowMs);
    if (reason === undefined) {
      account.take(nowMs);
      endpoint.take(nowMs);
      return;
    }
    void reply.header("stripe-rate-limited-reason", reason);
    const message = "Request rate limit exceeded. Learn more about rate limits here https://docs.stripe.com/rate-limits.";
    throw new StripeError({ status: 429, type: "invalid_request_error", code: "rate_limit", message });
  };
}
