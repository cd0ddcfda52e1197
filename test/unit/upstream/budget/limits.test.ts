import { afterEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { systemClock } from "../../../../src/core/ports.ts";
import {
  concurrency,
  dailyQuota,
  type Learned,
  type Limit,
  tokenBucket,
  window,
  xRateLimit,
} from "../../../../src/source/limits.ts";
import { get } from "../../../../src/source/request.ts";
import { Budget } from "../../../../src/upstream/budget/budget.ts";
import type { CallContext, Priority } from "../../../../src/upstream/context.ts";

let open: Budget[] = [];
afterEach(async () => {
  await Promise.all(open.map(budget => budget.close()));
  open = [];
});
function budgetOf(limits: readonly Limit[], learned: Learned = {}, clock = systemClock): Budget {
  const budget = new Budget(limits, { clock, learned });
  open.push(budget);
  return budget;
}
const context = (priority: Priority = "live", withinMs = 10_000): CallContext => ({
  priority,
  signal: AbortSignal.timeout(withinMs),
  deadlineAtMs: Date.now() + withinMs,
  requestId: "r",
});
const things = get("things.list", "/things");
/** How many of so many askers get their turn within a while. */
async function grantedWithin(
  budget: Budget,
  ms: number,
  askers: number,
  priority: Priority = "live",
  request = things,
): Promise<number> {
  let granted = 0;
  const all = Array.from({ length: askers }, () =>
    budget.acquire(request, context(priority, ms)).then(
      () => granted++,
      () => undefined,
    ),
  );
  await Promise.all(all);
  return granted;
}

describe("declared limits", () => {
  it("a bucket gives its capacity at once and then its rate", async () => {
    const budget = budgetOf([tokenBucket({ capacity: 5, perSecond: 20 })]);
    const first = await budget.acquire(things, context());
    first.settle();
    expect(await grantedWithin(budget, 200, 40)).toBe(4);
  });

  it("no more requests are under way than are allowed at once", async () => {
    const budget = budgetOf([concurrency({ max: 3 })]);
    let [now, most] = [0, 0];
    const one = async () => {
      const permit = await budget.acquire(things, context());
      most = Math.max(most, ++now);
      await systemClock.sleep(40);
      now--;
      permit.settle();
    };
    await Promise.all(Array.from({ length: 9 }, one));
    expect(most).toBe(3);
  });

  it("several rules hold at once, each for the operations that it counts", async () => {
    const budget = budgetOf([
      window({ requests: 10, windowMs: 60_000 }),
      window({ requests: 2, windowMs: 60_000, operations: ["things.search"] }),
    ]);
    const search = get("things.search", "/search");
    expect(await grantedWithin(budget, 150, 5, "live", search)).toBe(2);
    expect(await grantedWithin(budget, 150, 20)).toBe(8);
  });

  it("a heavy request takes what it weighs", async () => {
    const budget = budgetOf([window({ requests: 10, windowMs: 60_000 })]);
    expect(await grantedWithin(budget, 150, 5, "live", { ...things, weight: 4 })).toBe(2);
  });

  it("a day's quota that is spent is not waited for, and says when it begins anew", async () => {
    const nowMs = Date.UTC(2026, 10, 23, 20);
    const clock = { ...systemClock, nowMs: () => nowMs };
    const budget = budgetOf([dailyQuota({ requests: 2, resetHour: 6 })], {}, clock);
    for (let time = 0; time < 2; time++) await budget.acquire(things, context());
    await expect(budget.acquire(things, context())).rejects.toMatchObject({
      code: "UPSTREAM_QUOTA_SPENT",
      message: expect.stringContaining("paused until 2026-11-24T06:00:00.000Z"),
      details: { retryAfterMs: 10 * 3_600_000, resumesAt: "2026-11-24T06:00:00.000Z" },
    });
  });

  it("a day's quota leaves something when bulk work has had its part", async () => {
    const budget = budgetOf([dailyQuota({ requests: 100 })]);
    expect(await grantedWithin(budget, 1_000, 100, "bulk")).toBe(95);
    await expect(budget.acquire(things, context("live"))).resolves.toBeDefined();
  });

  it("bulk work leaves a share of a window to live reads while there are any, and nearly all when there are none", async () => {
    const quiet = budgetOf([window({ requests: 20, windowMs: 1_000 })]);
    expect(await grantedWithin(quiet, 200, 40, "bulk")).toBe(20);
    const long = budgetOf([window({ requests: 100, windowMs: 60_000 })]);
    expect(await grantedWithin(long, 3_000, 150, "bulk")).toBe(97);
    const busy = budgetOf([window({ requests: 20, windowMs: 60_000 })]);
    await busy.acquire(things, context("live"));
    expect(await grantedWithin(busy, 2_000, 40, "bulk")).toBe(18);
    expect(await grantedWithin(busy, 200, 5, "live")).toBe(1);
  });

  it("never lets more than the limit into any window, whatever comes when and however long answers take", async () => {
    const arrivals = fc.array(
      fc.record({ afterMs: fc.nat(60), takesMs: fc.nat(30), priority: fc.constantFrom("live", "bulk") }),
      {
        minLength: 5,
        maxLength: 25,
      },
    );
    await fc.assert(
      fc.asyncProperty(arrivals, async plan => {
        const budget = budgetOf([window({ requests: 4, windowMs: 80 })]);
        const counted: number[] = [];
        const one = async ({ afterMs, takesMs, priority }: (typeof plan)[number]) => {
          await systemClock.sleep(afterMs);
          const permit = await budget.acquire(things, context(priority));
          await systemClock.sleep(takesMs / 2);
          counted.push(performance.now()); // somewhere between sending and answer the provider counts
          await systemClock.sleep(takesMs / 2);
          permit.settle();
        };
        await Promise.all(plan.map(one));
        const busiest = Math.max(...counted.map(start => counted.filter(at => at >= start && at < start + 80).length));
        expect(busiest).toBeLessThanOrEqual(4);
      }),
      { numRuns: 12 },
    );
  });
});

describe("learned limits", () => {
  const learned: Learned = { headers: [xRateLimit("delta-seconds")] };
  const answer = (left: number, resetS: number) => ({
    "x-ratelimit-remaining": String(left),
    "x-ratelimit-reset": String(resetS),
  });

  it("what somebody else has used of the account is not used again", async () => {
    const budget = budgetOf([window({ requests: 10, windowMs: 60_000 })], learned);
    (await budget.acquire(things, context())).settle();
    budget.learn(answer(3, 60), undefined);
    expect(await grantedWithin(budget, 150, 20)).toBe(3);
  });

  it("of one operation slow that one down, and give nobody else a rest", async () => {
    const endpoints = [{ header: "x-search-limit", operations: ["things.search"] }];
    const limits = [
      window({ requests: 10, windowMs: 60_000 }),
      window({ requests: 5, windowMs: 60_000, operations: ["things.search"] }),
    ];
    const budget = budgetOf(limits, { endpoints });
    (await budget.acquire(things, context())).settle();
    budget.learn({ "x-search-limit": "total=5; remaining=0; resets=41" }, undefined);
    expect(budget.pausedUntilMs()).toBeNull();
    expect(await grantedWithin(budget, 150, 20, "live", get("things.search", "/search"))).toBe(0);
    expect(await grantedWithin(budget, 150, 20)).toBe(9);
  });

  it("more being left than we believe changes nothing", async () => {
    const budget = budgetOf([window({ requests: 3, windowMs: 60_000 })], learned);
    budget.learn(answer(500, 60), undefined);
    expect(await grantedWithin(budget, 150, 20)).toBe(3);
  });

  it("nothing left means rest until it starts anew", async () => {
    const budget = budgetOf([window({ requests: 10, windowMs: 1_000 })], learned);
    budget.learn(answer(0, 3_600), undefined);
    expect(budget.pausedUntilMs()).toBeGreaterThan(Date.now() + 3_500_000);
    await expect(budget.acquire(things, context())).rejects.toMatchObject({
      code: "UPSTREAM_THROTTLED",
      details: { retryAfterMs: expect.any(Number) },
    });
    expect(budget.said()).toMatchObject([{ origin: "X-RateLimit-Remaining", left: 0 }]);
  });

  it("an absurd rest is told truly, and tried out all the same", async () => {
    let nowMs = Date.now();
    const budget = budgetOf([], {}, { ...systemClock, nowMs: () => nowMs });
    budget.pauseUntil(nowMs + 365 * 86_400_000);
    const refused = budget.acquire(things, context());
    await expect(refused).rejects.toMatchObject({ details: { retryAfterMs: 365 * 86_400_000 } });
    nowMs += 300_000;
    await expect(budget.acquire(things, { ...context(), deadlineAtMs: nowMs + 1_000 })).resolves.toBeDefined();
  });
});

describe("a permit to spare", () => {
  it("is there while there is plenty and nobody waits", async () => {
    const budget = budgetOf([window({ requests: 4, windowMs: 60_000 })]);
    expect(budget.spare(things)).toBeDefined();
    expect(budget.spare(things)).toBeDefined();
    expect(budget.spare(things)).toBeUndefined();
    expect(await grantedWithin(budget, 150, 10)).toBe(2);
  });

  it("is not there while the source rests", () => {
    const budget = budgetOf([]);
    budget.pauseUntil(Date.now() + 1_000);
    expect(budget.spare(things)).toBeUndefined();
  });
});
