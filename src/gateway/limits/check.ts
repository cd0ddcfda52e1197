import { type CostEstimate, estimateCost, type UpstreamCalls } from "./cost.ts";
import { checkLimit, type QueryLimits } from "./limits.ts";
import type { Operation } from "./plan.ts";

interface CheckOptions extends Operation {
  readonly limits: QueryLimits;
  readonly calls: UpstreamCalls;
}

/**
 * Refuses an operation whose static cost, estimated requests to sources or lists are too large; else tells the estimate, for `extensions.cost`.
 * The result depends on the arguments only, so the caller may keep it. Throws `LIMIT_LIST_SIZE`, `LIMIT_COST`, `LIMIT_UPSTREAM_CALLS`, and what
 * `estimateCost` throws.
 */
export function checkOperation({ limits, ...operation }: CheckOptions): CostEstimate {
  const { maxCost, maxUpstreamCalls, maxListSize } = limits;
  const estimate = estimateCost({ ...operation, maxListSize });
  const { cost, upstreamCalls } = estimate;
  checkLimit("LIMIT_COST", { fact: `the query costs ${cost}`, value: cost, limit: maxCost });
  const fact = `the query needs up to ${upstreamCalls} requests to sources`;
  checkLimit("LIMIT_UPSTREAM_CALLS", { fact, value: upstreamCalls, limit: maxUpstreamCalls });
  return estimate;
}
