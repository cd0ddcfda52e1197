import { describe, expect, it } from "@jest/globals";
import { beyondLimit, checkLimit, defaultLimits, saturated } from "../../../../src/gateway/limits/limits.ts";
import { refusalOf } from "./graph.ts";

describe("a refusal", () => {
  it("names value, limit and remedy, and has both numbers as details", () => {
    const error = beyondLimit("LIMIT_DEPTH", { fact: "the query is 19 levels deep", value: 19, limit: 12 });
    expect(error.message).toBe("the query is 19 levels deep, the limit is 12. Nest fewer selections.");
    expect(error).toMatchObject({ code: "LIMIT_DEPTH", retryable: false, details: { limit: 12, value: 19 } });
  });

  it("comes above the limit, not at it", () => {
    expect(() => checkLimit("LIMIT_COST", { fact: "it costs 5", value: 5, limit: 5 })).not.toThrow();
    expect(refusalOf(() => checkLimit("LIMIT_COST", { fact: "it costs 6", value: 6, limit: 5 })).code).toBe("LIMIT_COST");
  });
});

describe("saturated", () => {
  it("stops at the largest safe integer", () => {
    expect(saturated(7)).toBe(7);
    expect(saturated(1e300 * 1e300)).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe("default limits", () => {
  it("are whole numbers above zero", () => {
    for (const limit of Object.values(defaultLimits)) expect(Number.isSafeInteger(limit) && limit > 0).toBe(true);
  });
});
