import { describe, expect, it } from "@jest/globals";
import { UpstreamError } from "../../../../src/core/errors.ts";
import { systemClock } from "../../../../src/core/ports.ts";
import { costBucket, type Limit, window } from "../../../../src/source/limits.ts";
import { get } from "../../../../src/source/request.ts";
import { Budget } from "../../../../src/upstream/budget/budget.ts";
import type { CallContext, Priority } from "../../../../src/upstream/context.ts";

const context = (priority: Priority = "live", signal = new AbortController().signal): CallContext => ({
  priority,
  signal,
  deadlineAtMs: Date.now() + 60_000,
  requestId: "test",
});
const request = get("things.list", "/things");

async function withBudget(limits: readonly Limit[], work: (budget: Budget) => Promise<void>): Promise<void> {
  const budget = new Budget(limits, { clock: systemClock });
  try {
    await work(budget);
  } finally {
    await budget.close();
  }
}

/** The most moments in any window of that length. */
function busiest(moments: readonly number[], windowMs: number): number {
  return Math.max(...moments.map(start => moments.filter(at => at >= start && at < start + windowMs).length));
}

describe("Budget", () => {
  it("never lets more than the limit into any window, wherever it starts", async () => {
    await withBudget([window({ requests: 10, windowMs: 200 })], async budget => {
      const sent: number[] = [];
      const one = async () => {
        const permit = await budget.acquire(request, context());
        sent.push(performance.now());
        await systemClock.sleep(Math.random() * 20);
        permit.settle();
      };
      await Promise.all(Array.from({ length: 45 }, one));
      expect(sent).toHaveLength(45);
      expect(busiest(sent, 200)).toBeLessThanOrEqual(10);
    });
  });

  it("keeps several limits at once, each operation's apart from the account's", async () => {
    await withBudget(
      [window({ requests: 4, windowMs: 5_000 }), window({ requests: 2, windowMs: 5_000, per: "operation" })],
      async budget => {
        for (const operation of ["a", "a", "b", "b"]) await budget.acquire(get(operation, "/"), context());
        const left = (await budget.status()).map(limit => limit.left);
        expect(left).toEqual([0, 0]);
      },
    );
  });

  it("lets live calls pass before bulk calls that came earlier", async () => {
    await withBudget([window({ requests: 1, windowMs: 100 })], async budget => {
      const order: string[] = [];
      const call = async (priority: Priority) => {
        const permit = await budget.acquire(request, context(priority));
        order.push(priority);
        permit.settle();
      };
      await Promise.all([call("bulk"), call("bulk"), call("bulk"), call("intake"), call("live")]);
      expect(order.slice(1)).toEqual(["live", "intake", "bulk", "bulk"]);
    });
  });

  it("gives up a place in the queue with the asker's own reason, and takes nothing for it", async () => {
    await withBudget([window({ requests: 1, windowMs: 150 })], async budget => {
      const first = await budget.acquire(request, context());
      const gone = new AbortController();
      const waiting = budget.acquire(request, context("live", gone.signal));
      gone.abort(new UpstreamError("UPSTREAM_DEADLINE", "too late"));
      await expect(waiting).rejects.toMatchObject({ code: "UPSTREAM_DEADLINE" });
      first.settle();
      await budget.acquire(request, context());
      expect(await budget.status()).toMatchObject([{ left: 0, queued: 0 }]);
    });
  });

  it("takes the estimated cost from a bucket and gives back what was not used", async () => {
    await withBudget([costBucket({ capacity: 100, restorePerSecond: 1 })], async budget => {
      const permit = await budget.acquire({ ...request, cost: 60 }, context());
      expect(await budget.status()).toMatchObject([{ unit: "points", left: 40 }]);
      permit.settle(10);
      await systemClock.sleep(50);
      const [bucket] = await budget.status();
      expect(bucket?.left).toBeGreaterThanOrEqual(90);
    });
  });

  it("sends nothing while the source rests", async () => {
    await withBudget([], async budget => {
      const startedAt = Date.now();
      budget.pauseUntil(startedAt + 120);
      await budget.acquire(request, context());
      expect(Date.now() - startedAt).toBeGreaterThanOrEqual(119);
    });
  });

  it("refuses at once, saying when to come back, when the rest outlasts the asker's deadline", async () => {
    await withBudget([window({ requests: 5, windowMs: 1_000 })], async budget => {
      budget.pauseUntil(Date.now() + 90_000);
      const refused = budget.acquire(request, context());
      await expect(refused).rejects.toMatchObject({ code: "UPSTREAM_THROTTLED", retryable: true });
      await expect(refused).rejects.toHaveProperty("details.retryAfterMs", expect.any(Number));
      expect(await budget.status()).toMatchObject([{ left: 5, queued: 0 }]);
    });
  });
});
