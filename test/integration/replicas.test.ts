import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { fork } from "node:child_process";
import { once } from "node:events";
import { discoverImitations } from "../../src/app/registry.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.ts";
import { projectFolder } from "../support/process.ts";
import { startRedis } from "../support/redis.ts";
import type { Done, Job } from "../support/budget-worker.ts";

const PROCESSES = 3;
const SATURATED_MS = 6_000;
/** What the tightest window of this source lets through in the time: its burst at the start, and each second again. */
const SOURCE = "stripe";
const PER_SECOND = 100;

let sandbox: Sandbox;
let redis: Awaited<ReturnType<typeof startRedis>>;
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0, seed: 1, customers: 200, imitations: await discoverImitations() });
  redis = await startRedis();
});
afterAll(async () => {
  await redis.stop();
  await sandbox.close();
});

async function runReplica(job: Job): Promise<Done> {
  const child = fork(`${projectFolder}test/support/budget-worker.ts`, { stdio: "inherit", execArgv: [] });
  child.send(job);
  const ended = once(child, "exit").then(() => Promise.reject(new Error("the process ended without a result")));
  const [done] = (await Promise.race([once(child, "message"), ended])) as [Done];
  return done;
}

it("three processes that share a Redis use what a source allows one account, and are never refused", async () => {
  const { environment } = sandbox;
  const job: Job = { source: SOURCE, environment, redisUrl: redis.url, ms: SATURATED_MS, isPulling: true, liveEveryMs: null };
  const done = await Promise.all(Array.from({ length: PROCESSES }, () => runReplica(job)));
  const granted = done.reduce((sum, each) => sum + each.granted, 0);
  expect(done.map(({ throttled }) => throttled)).toEqual([0, 0, 0]);
  expect(granted).toBeGreaterThan(PER_SECOND * (SATURATED_MS / 1000) * 0.8);
  for (const each of done) expect(each.granted).toBeGreaterThan(granted / PROCESSES / 3);
}, 60_000);
