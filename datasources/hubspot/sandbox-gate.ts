import type { FastifyReply, FastifyRequest } from "fastify";
import type { World } from "../../src/sandbox/imitation.ts";
import { slidingWindow } from "../../src/sandbox/quota.ts";
import { correlationOf } from "./sandbox-errors.ts";

const APP_LIMIT = { limit: 190, windowMs: 10_000 };
const SEARCH_LIMIT = { limit: 5, windowMs: 1000 };

const policies = { TEN_SECONDLY_ROLLING: "ten_secondly_rolling", SECONDLY: "secondly" } as const;

function refuse(reply: FastifyReply, policyName: keyof typeof policies): FastifyReply {
  const correlationId = correlationOf(reply);
  const message = `You have reached your ${policies[policyName]} limit.`;
  return reply
    .code(429)
    .send({ status: "error", message, errorType: "RATE_LIMIT", correlationId, policyName, requestId: correlationId });
}

/**
 * The application's limit with its headers, and the search's own, whose answers carry none.
 * @see https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
 */
export function createGate(world: World) {
  const app = slidingWindow(APP_LIMIT);
  const search = slidingWindow(SEARCH_LIMIT);
  world.onReset(() => [app, search].forEach(quota => quota.reset()));
  /** Spends one request; the reply when it is refused, undefined when it may go on. A refused request spends nothing. */
  return (request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined => {
    if (!world.quotas) return undefined;
    const nowMs = world.clock();
    const isSearch = request.routeOptions.url?.endsWith("/search") ?? false;
    if (isSearch && search.peek(nowMs).remaining === 0) return refuse(reply, "SECONDLY");
    const { granted, remaining } = app.take(nowMs);
    if (isSearch && granted) search.take(nowMs);
    if (!isSearch)
      void reply.headers({
        "x-hubspot-ratelimit-max": APP_LIMIT.limit,
        "x-hubspot-ratelimit-remaining": remaining,
        "x-hubspot-ratelimit-interval-milliseconds": APP_LIMIT.windowMs,
      });
    return granted ? undefined : refuse(reply, "TEN_SECONDLY_ROLLING");
  };
}
