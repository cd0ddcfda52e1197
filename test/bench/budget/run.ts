import { fork } from "node:child_process";
import { once } from "node:events";
import { discoverSources } from "../../../src/app/registry.ts";
import type { SandboxReady } from "../../../src/app/commands/sandbox.ts";
import type { Source } from "../../../src/source/define-source.ts";
import { startRedis } from "../../support/redis.ts";
import { projectFolder } from "../../support/process.ts";
import type { Done, Job } from "../../support/budget-worker.ts";

/** What of each source's allowance a saturated minute uses, how often it is refused, and what bulk work costs the live reads beside it. */
const SATURATED_MS = 60_000;
/** Live reads come at this part of the pace at which bulk work leaves room for them. */
const LIVE_PACE = 0.8;
const LIVE_READS = 100;
const MOST_LIVE_MS = 120_000;
/** The pull begins while people are already asking: what it leaves to them it leaves from the first read on. */
const PULL_AFTER_MS = 2_000;

const catalog = await discoverSources();

async function startSandbox() {
  const child = fork(`${projectFolder}src/app/main.ts`, ["sandbox"], {
    env: { ...process.env, SANDBOX_PORT: "0", SANDBOX_CUSTOMERS: "2000" },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const [ready] = (await once(child, "message")) as [SandboxReady];
  return { ...ready, stop: () => child.kill("SIGTERM") };
}

async function run(job: Job): Promise<Done> {
  const child = fork(`${projectFolder}test/support/budget-worker.ts`, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  child.send(job);
  const [done] = (await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => Promise.reject(new Error("a worker ended without a result"))),
  ])) as [Done];
  return done;
}

/** What a minute allows, in the unit that the tightest limit counts. */
function allowedIn({ client }: Source, operations: number, ms: number): { amount: number; unit: "requests" | "points" } {
  const cost = client.limits.find(limit => limit.type === "cost");
  if (cost) return { amount: cost.capacity + (cost.restorePerSecond * ms) / 1000, unit: "points" };
  const amounts = client.limits.flatMap(limit => {
    if (limit.type === "bucket") return [limit.capacity + (limit.perSecond * ms) / 1000];
    // A limit on some operations leaves the others all the rest.
    if (limit.type !== "window" || limit.operations) return [];
    return [limit.requests * Math.ceil(ms / limit.windowMs) * (limit.per === "operation" ? operations : 1)];
  });
  return { amount: Math.min(...amounts), unit: "requests" };
}

/** How often live reads come: within what bulk work leaves to them. */
function liveEveryMsOf({ client }: Source): number {
  const perSecond = client.limits.flatMap(limit => {
    if (limit.type === "window" && !limit.operations)
      return [(Math.max(1, Math.floor(limit.requests * 0.1)) * 1000) / limit.windowMs];
    return limit.type === "cost" ? [limit.restorePerSecond / 50] : [];
  });
  return 1000 / (Math.min(10, ...perSecond) * LIVE_PACE);
}

function p99(tookMs: readonly number[]): number {
  const sorted = tookMs.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}

type Part = Omit<Job, "environment" | "redisUrl">;

/** Runs processes side by side over a sandbox, and a Redis where they are several, that nobody has used before. */
async function together(parts: readonly Part[]): Promise<Done[]> {
  const [sandbox, redis] = [await startSandbox(), parts.length > 1 ? await startRedis() : undefined];
  const rest = { environment: sandbox.environment, redisUrl: redis?.url ?? null };
  const done = await Promise.all(parts.map(part => run({ ...part, ...rest })));
  await redis?.stop();
  sandbox.stop();
  return done;
}

async function measure(source: Source, processes: number) {
  const base: Part = { source: source.name, ms: SATURATED_MS, isPulling: true, liveEveryMs: null };
  const full = await together(Array.from({ length: processes }, () => base));
  const allowed = allowedIn(source, full[0]!.operations, SATURATED_MS);
  const liveEveryMs = liveEveryMsOf(source);
  const ms = Math.min(MOST_LIVE_MS, LIVE_READS * liveEveryMs);
  const reader = { ...base, ms, liveEveryMs };
  const others = Array.from({ length: processes - 1 }, () => ({ ...base, ms, pullAfterMs: PULL_AFTER_MS }));
  const [idle] = await together([reader, ...others].map(part => ({ ...part, isPulling: false })));
  const busy = await together([{ ...reader, isPulling: processes === 1, pullAfterMs: PULL_AFTER_MS }, ...others]);
  const sum = (pick: (done: Done) => number, dones: readonly Done[]) => dones.reduce((total, done) => total + pick(done), 0);
  const used = sum(({ cost, granted }) => (allowed.unit === "points" ? cost : granted), full);
  const [alone, beside] = [p99(idle!.tookMs), p99(busy[0]!.tookMs)];
  return {
    source: source.name,
    processes,
    "used / allowed": `${used} / ${allowed.amount} ${allowed.unit}`,
    share: (used / allowed.amount).toFixed(3),
    refused: sum(({ throttled }) => throttled, [...full, idle!, ...busy]),
    "live reads": busy[0]!.tookMs.length,
    "live p99 idle, ms": alone.toFixed(0),
    "beside a pull": beside.toFixed(0),
    times: (beside / alone).toFixed(2),
  };
}

const names = process.argv.slice(2);
const limited = catalog.sources.filter(
  ({ name, client }) => client.limits.length > 0 && (names.length === 0 || names.includes(name)),
);
const rows = [];
for (const source of limited)
  for (const processes of [1, 3]) {
    const row = await measure(source, processes);
    console.error(JSON.stringify(row));
    rows.push(row);
  }
console.table(rows);
