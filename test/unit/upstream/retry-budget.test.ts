import { describe, expect, it } from "@jest/globals";
import { RetryBudget } from "../../../src/upstream/retry-budget.ts";

const policy = { ratio: 0.1, floor: 2, windowMs: 1_000 };
const granted = (budget: RetryBudget, times: number, atMs: number): number =>
  Array.from({ length: times }, () => budget.takeRetry(atMs)).filter(Boolean).length;

describe("RetryBudget", () => {
  it("grants a quiet source its floor, and no more", () => {
    expect(granted(new RetryBudget(policy), 10, 0)).toBe(2);
  });

  it("grants a busy source a tenth of its requests, however often it fails", () => {
    const budget = new RetryBudget(policy);
    for (let request = 0; request < 300; request++) budget.countRequest(request);
    expect(granted(budget, 300, 300)).toBe(30);
  });

  it("forgets what is older than its window", () => {
    const budget = new RetryBudget(policy);
    for (let request = 0; request < 300; request++) budget.countRequest(0);
    expect(granted(budget, 100, 0)).toBe(30);
    expect(granted(budget, 100, 999)).toBe(0);
    expect(granted(budget, 100, 1_000)).toBe(2);
  });

  it("is not misled by a clock that goes back", () => {
    const budget = new RetryBudget(policy);
    for (let request = 0; request < 300; request++) budget.countRequest(5_000);
    expect(granted(budget, 100, 1_000)).toBe(2);
    expect(granted(budget, 100, 5_000)).toBe(2);
  });
});
