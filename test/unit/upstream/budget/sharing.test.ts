import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { Redis } from "ioredis";
import { systemClock, type Logger } from "../../../../src/core/ports.ts";
import { concurrency, costBucket, dailyQuota, type Limit, window } from "../../../../src/source/limits.ts";
import { get } from "../../../../src/source/request.ts";
import { RedisLedger } from "../../../../src/store/redis-ledger.ts";
import { RedisReplicas } from "../../../../src/store/redis-replicas.ts";
import { Budget } from "../../../../src/upstream/budget/budget.ts";
import { Sharing } from "../../../../src/upstream/budget/sharing.ts";
import type { CallContext, Priority } from "../../../../src/upstream/context.ts";
import { startRedis } from "../../../support/redis.ts";
import { until } from "../../../support/until.ts";

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const context = (priority: Priority = "live", withinMs = 30_000): CallContext => ({
  priority,
  signal: AbortSignal.timeout(withinMs),
  deadlineAtMs: Date.now() + withinMs,
  requestId: "test",
});
const request = get("things.list", "/things");

let server: Awaited<ReturnType<typeof startRedis>>;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  const redis = new Redis(server.url);
  await redis.flushall();
  redis.disconnect();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map(each => each.close()));
});

/** A process of its own, as far as the ledger can tell. */
async function replica(limits: readonly Limit[], { expected = 1, deadAfterMs = 10_000, newForMs = 0 } = {}) {
  const redis = new Redis(server.url, { retryStrategy: () => 100, maxRetriesPerRequest: 1 });
  redis.on("error", () => undefined); // the tests that take Redis away expect it
  const replicas = new RedisReplicas(redis, expected);
  await replicas.ready;
  const ledger = new RedisLedger(redis, { account: "things@test", replicas, deadAfterMs, newForMs });
  const budget = new Budget(limits, { clock: systemClock, sharing: new Sharing(ledger, { logger: silent, source: "things" }) });
  let isOpen = true;
  const close = async () => {
    if (!isOpen) return;
    isOpen = false;
    await budget.close();
    redis.disconnect();
  };
  open.push({ close });
  return { budget, redis, close };
}

/** The most moments in any window of that length. */
const busiest = (moments: readonly number[], windowMs: number): number =>
  Math.max(0, ...moments.map(start => moments.filter(at => at >= start && at < start + windowMs).length));

/** Sends as often as it is let, until a moment; the moments of sending. */
async function saturate(
  budget: Budget,
  untilMs: number,
  options: { priority?: Priority; askers?: number } = {},
): Promise<number[]> {
  const sent: number[] = [];
  const one = async () => {
    while (Date.now() < untilMs) {
      const left = untilMs - Date.now();
      const permit = await budget.acquire(request, context(options.priority ?? "bulk", left)).catch(() => undefined);
      if (permit === undefined) return;
      sent.push(performance.now());
      await systemClock.sleep(Math.random() * 5);
      permit.settle();
    }
  };
  await Promise.all(Array.from({ length: options.askers ?? 30 }, one));
  return sent;
}

describe("limits that replicas share", () => {
  it("never let more than the limit into any window, from all replicas together, and leave nearly nothing unused", async () => {
    const limits = [window({ requests: 40, windowMs: 400 })];
    const replicas = await Promise.all([replica(limits), replica(limits), replica(limits)]);
    const untilMs = Date.now() + 2_400;
    const sent = (await Promise.all(replicas.map(({ budget }) => saturate(budget, untilMs)))).flat();
    expect(busiest(sent, 400)).toBeLessThanOrEqual(40);
    expect(sent.length).toBeGreaterThanOrEqual(40 * 6 * 0.8);
  });

  it("give every replica a part while all of them want more than there is", async () => {
    const limits = [window({ requests: 30, windowMs: 300 })];
    const replicas = await Promise.all([replica(limits), replica(limits), replica(limits)]);
    const untilMs = Date.now() + 1_800;
    const sent = await Promise.all(replicas.map(({ budget }) => saturate(budget, untilMs)));
    const all = sent.flat().length;
    expect(Math.min(...sent.map(({ length }) => length))).toBeGreaterThan(all / 6);
  });

  it("are used whole by one replica while the others want nothing", async () => {
    const limits = [window({ requests: 20, windowMs: 2_000 })];
    const [busy] = await Promise.all([replica(limits), replica(limits), replica(limits)]);
    const permits = await Promise.all(Array.from({ length: 20 }, () => busy.budget.acquire(request, context("live", 1_000))));
    expect(permits).toHaveLength(20);
    expect(await busy.budget.status()).toMatchObject([{ left: 0 }]);
  });

  it("serve another replica's live reads before bulk work, and keep a part for them", async () => {
    const limits = [window({ requests: 20, windowMs: 500 })];
    const [bulk, live] = await Promise.all([replica(limits), replica(limits)]);
    (await live.budget.acquire(request, context("live"))).settle();
    const pulling = saturate(bulk.budget, Date.now() + 3_000);
    await systemClock.sleep(1_200);
    const waits: number[] = [];
    for (let read = 0; read < 10; read++) {
      const startedAt = performance.now();
      (await live.budget.acquire(request, context("live"))).settle();
      waits.push(performance.now() - startedAt);
      await systemClock.sleep(150);
    }
    await pulling;
    expect(waits.toSorted((a, b) => a - b)[4]).toBeLessThan(100);
  });

  it("hold at once, together, only so many", async () => {
    const limits = [concurrency({ max: 4 })];
    const replicas = await Promise.all([replica(limits), replica(limits)]);
    let [underWay, most] = [0, 0];
    const one = async (budget: Budget) => {
      const permit = await budget.acquire(request, context());
      most = Math.max(most, ++underWay);
      await systemClock.sleep(15);
      underWay--;
      permit.settle();
    };
    await Promise.all(replicas.flatMap(({ budget }) => Array.from({ length: 15 }, () => one(budget))));
    expect(most).toBe(4);
  });

  it("spend one bucket, and share what an answer gives back", async () => {
    const limits = [costBucket({ capacity: 100, restorePerSecond: 20 })];
    const [first, second] = await Promise.all([replica(limits), replica(limits)]);
    const costly = { ...request, cost: 60 };
    const permit = await first.budget.acquire(costly, context());
    await expect(second.budget.acquire(costly, context("live", 400))).rejects.toBeDefined();
    permit.settle(10);
    const startedAt = performance.now();
    await second.budget.acquire(costly, context("live", 3_000));
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await expect(first.budget.acquire(costly, context("live", 300))).rejects.toBeDefined();
  });

  it("count one day's quota", async () => {
    const limits = [dailyQuota({ requests: 5 })];
    const [first, second] = await Promise.all([replica(limits), replica(limits)]);
    for (const { budget } of [first, second, first, second, first]) await budget.acquire(request, context());
    await expect(first.budget.acquire(request, context())).rejects.toMatchObject({ code: "UPSTREAM_QUOTA_SPENT" });
    await expect(second.budget.acquire(request, context())).rejects.toMatchObject({ code: "UPSTREAM_QUOTA_SPENT" });
  });

  it("rest for all where one was refused", async () => {
    const limits = [window({ requests: 20, windowMs: 100 })];
    const [first, second] = await Promise.all([replica(limits), replica(limits)]);
    await second.budget.acquire(request, context());
    first.budget.pauseUntil(Date.now() + 600);
    await systemClock.sleep(50);
    const startedAt = performance.now();
    await second.budget.acquire(request, context());
    expect(performance.now() - startedAt).toBeGreaterThan(200);
  });

  it("get back what a replica held that has died", async () => {
    const limits = [concurrency({ max: 2 })];
    const [dying, other] = await Promise.all([replica(limits, { deadAfterMs: 1_500 }), replica(limits, { deadAfterMs: 1_500 })]);
    for (let place = 0; place < 2; place++) await dying.budget.acquire(request, context());
    await dying.close();
    const startedAt = performance.now();
    await other.budget.acquire(request, context("live", 10_000));
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThan(1_000);
    expect(tookMs).toBeLessThan(4_000);
  });
});

describe("limits of replicas that lose their Redis", () => {
  it("are kept by each in part, and together again without a double burst when it is back", async () => {
    const limits = [window({ requests: 30, windowMs: 500 })];
    const options = { expected: 3, newForMs: 3_000 };
    const replicas = [await replica(limits, options), await replica(limits, options), await replica(limits, options)];
    const untilMs = Date.now() + 9_000;
    const working = Promise.all(replicas.map(({ budget }) => saturate(budget, untilMs)));
    await systemClock.sleep(1_000);
    expect(replicas[0]!.budget.sharing).toEqual({ mode: "shared", replicas: 3, share: 1 });
    await server.kill();
    const lostAt = performance.now();
    await until(() => replicas.every(({ budget }) => budget.sharing.mode === "fallback"));
    expect(replicas[0]!.budget.sharing).toEqual({ mode: "fallback", replicas: 3, share: 1 / 3 });
    await systemClock.sleep(2_000);
    await server.start();
    const backAt = performance.now();
    await until(() => replicas.every(({ budget }) => budget.sharing.mode === "shared"));
    const sent = await working;
    expect(busiest(sent.flat(), 500)).toBeLessThanOrEqual(30);
    const alone = sent.map(each => each.filter(at => at > lostAt + 1_500 && at < backAt));
    for (const each of alone) expect(busiest(each, 500)).toBeLessThanOrEqual(10);
    expect(alone.flat().length).toBeGreaterThan(10);
    expect(sent.flat().filter(at => at > backAt + 4_000).length).toBeGreaterThan(20);
  }, 30_000);

  it("tell on return what they have used meanwhile, so that nobody uses it again", async () => {
    const limits = [window({ requests: 12, windowMs: 20_000 })];
    const options = { expected: 3, newForMs: 200 };
    const replicas = [await replica(limits, options), await replica(limits, options), await replica(limits, options)];
    for (const { budget } of replicas) (await budget.acquire(request, context())).settle();
    await server.kill();
    const used = await Promise.all(replicas.map(({ budget }) => saturate(budget, Date.now() + 1_500, { priority: "live" })));
    expect(used.map(({ length }) => length)).toEqual([3, 3, 3]);
    await server.start();
    await until(() => replicas.every(({ budget }) => budget.sharing.mode === "shared"));
    await systemClock.sleep(500);
    const more = await Promise.all(replicas.map(({ budget }) => saturate(budget, Date.now() + 500, { priority: "live" })));
    expect(more.flat()).toEqual([]);
  }, 15_000);

  it("begin in part where Redis is not there at the start", async () => {
    await server.kill();
    const { budget } = await replica([window({ requests: 9, windowMs: 2_000 })], { expected: 3 });
    const permits = await saturate(budget, Date.now() + 1_900, { priority: "live", askers: 9 });
    await server.start();
    expect(permits.length).toBe(3);
    expect(budget.sharing).toEqual({ mode: "fallback", replicas: 3, share: 1 / 3 });
  }, 15_000);
});
