import { readFileSync } from "node:fs";
import { buildSchema, parse } from "graphql";
import { RequestError } from "../../../../src/core/errors.ts";
import { type CostEstimate, estimateCost, type EstimateOptions } from "../../../../src/gateway/limits/cost.ts";
import { defaultLimits, type QueryLimits } from "../../../../src/gateway/limits/limits.ts";

const directives = readFileSync(new URL("../../../../schema/directives.graphql", import.meta.url), "utf8");

/** A schema with the cost directives. */
export const schemaOf = (types: string) => buildSchema(`${directives}\n${types}`);

/** Limits that let everything pass but for those that are given. */
export const only = (limits: Partial<QueryLimits>): QueryLimits => {
  const open = Object.keys(defaultLimits).map(name => [name, 1_000_000_000]);
  return { ...(Object.fromEntries(open) as unknown as QueryLimits), ...limits };
};

/** The refusal that a call ends in; fails when there is none. */
export function refusalOf(call: () => unknown): RequestError {
  try {
    call();
  } catch (thrown) {
    if (thrown instanceof RequestError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was refused");
}

type Options = Partial<Pick<EstimateOptions, "operationName" | "variables" | "calls" | "maxListSize">>;

/** Estimates a query; one call for each parent unless stated. */
export const estimator =
  (schema: EstimateOptions["schema"]) =>
  (query: string, options: Options = {}): CostEstimate =>
    estimateCost({
      schema,
      document: parse(query),
      variables: {},
      calls: (_entity, parents) => parents,
      maxListSize: 1_000_000,
      ...options,
    });
