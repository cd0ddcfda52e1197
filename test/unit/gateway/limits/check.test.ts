import { describe, expect, it } from "@jest/globals";
import { parse } from "graphql";
import { checkOperation } from "../../../../src/gateway/limits/check.ts";
import type { QueryLimits } from "../../../../src/gateway/limits/limits.ts";
import { only, refusalOf, schemaOf } from "./graph.ts";

const schema = schemaOf(`
  type Query { customers(first: Int): [Customer] @listSize(slicingArguments: ["first"]) }
  type Customer { name: String @upstream(entity: "Customer") }
`);
const check = (first: number, limits: Partial<QueryLimits>) =>
  checkOperation({
    schema,
    document: parse("query ($n: Int) { customers(first: $n) { name } }"),
    operationName: null,
    variables: { n: first },
    limits: only(limits),
    calls: (_entity, parents) => Math.ceil(parents / 10),
  });

describe("checkOperation", () => {
  it("tells the estimate", () => {
    expect(check(25, {})).toEqual({ cost: 26, upstreamCalls: 3, largestList: 25 });
  });

  it.each([
    ["maxCost", 26, 26, "LIMIT_COST", "the query costs 27, the limit is 26. Ask for smaller lists or fewer fields."],
    [
      "maxUpstreamCalls",
      3,
      31,
      "LIMIT_UPSTREAM_CALLS",
      "the query needs up to 4 requests to sources, the limit is 3. Ask for fewer customers at once, or fewer fields that cannot be batched.",
    ],
    [
      "maxListSize",
      25,
      26,
      "LIMIT_LIST_SIZE",
      "Query.customers(first:) is 26, the limit is 25. Ask for fewer items and follow the page cursor.",
    ],
  ] as const)("%s: passes at the limit, is refused above", (name, limit, above, code, message) => {
    expect(() => check(25, { [name]: limit })).not.toThrow();
    const error = refusalOf(() => check(above, { [name]: limit }));
    expect(error.code).toBe(code);
    expect(error.message).toBe(message);
    expect(error.details["limit"]).toBe(limit);
  });
});
