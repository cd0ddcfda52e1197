import { discoverImitations, discoverSources } from "../../../src/app/registry.ts";
import { baseUrlOf } from "../../../src/app/config.ts";
import { ConfiguredSecrets } from "../../../src/app/secrets.ts";
import { lastDays } from "../../../src/core/days.ts";
import { type Logger, systemClock } from "../../../src/core/ports.ts";
import { startSandbox } from "../../../src/sandbox/server.ts";
import type { CatalogEntry } from "../../../src/source/catalog.ts";
import type { Source } from "../../../src/source/define-source.ts";
import type { Limit } from "../../../src/source/limits.ts";
import type { UpstreamRequest } from "../../../src/source/request.ts";
import type { Priority } from "../../../src/upstream/context.ts";
import { Upstream } from "../../../src/upstream/upstream.ts";

/** What of each source's allowance a saturated minute uses, how often it is refused, and what bulk work costs the live reads beside it. */
const SATURATED_MS = 60_000;
const LIVE_MS = 30_000;
const LIVE_EVERY_MS = 400;
/** Askers at once: more than any of the sources lets through. */
const ASKERS = 48;

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const catalog = await discoverSources();
const imitations = await discoverImitations();

function contextOf(priority: Priority, endsAtMs: number) {
  return {
    priority,
    signal: AbortSignal.timeout(Math.max(1, endsAtMs - Date.now())),
    deadlineAtMs: endsAtMs,
    requestId: "bench",
  };
}

/** The requests that a pull and lookups would make, one kind after another, so that limits by endpoint are all felt. */
function requestsOf(entries: readonly CatalogEntry[]): UpstreamRequest[] {
  const window = lastDays(30, Date.now());
  return entries.flatMap(({ collection: { list, lookup } }) => {
    const key = "4821";
    const byKey = lookup === undefined ? [] : [lookup.mode === "batch" ? lookup.request([key]) : lookup.request(key)];
    return [list.request(window), ...byKey].map(request => ({ ...request, mayBeAbsent: true }));
  });
}

/** What a minute allows, in the unit that the tightest limit counts. */
function allowedIn(limits: readonly Limit[], operations: number, ms: number): { amount: number; unit: "requests" | "points" } {
  const cost = limits.find(limit => limit.type === "cost");
  if (cost) return { amount: cost.capacity + (cost.restorePerSecond * ms) / 1000, unit: "points" };
  const amounts = limits.flatMap(limit =>
    limit.type === "window"
      ? [limit.requests * Math.ceil(ms / limit.windowMs) * (limit.per === "operation" ? operations : 1)]
      : [],
  );
  return { amount: Math.min(...amounts), unit: "requests" };
}

interface World {
  readonly upstream: Upstream;
  readonly requests: readonly UpstreamRequest[];
}

/** Asks as fast as it is let, until a moment; resolves with how many answers came, and what they cost. */
async function saturate(
  { upstream, requests }: World,
  priority: Priority,
  endsAtMs: number,
): Promise<{ granted: number; cost: number }> {
  let [granted, cost, next] = [0, 0, 0];
  const one = async () => {
    while (Date.now() < endsAtMs) {
      const request = requests[next++ % requests.length]!;
      try {
        const { body } = await upstream.send(request, contextOf(priority, endsAtMs));
        cost += costIn(body);
        granted++;
      } catch (thrown) {
        const code = (thrown as { code?: string }).code;
        if (code === "UPSTREAM_NOT_FOUND") granted++;
        else if (Date.now() < endsAtMs - 100 && code !== "UPSTREAM_DEADLINE" && code !== "UPSTREAM_THROTTLED") throw thrown;
      }
    }
  };
  await Promise.all(Array.from({ length: ASKERS }, one));
  return { granted, cost };
}

function costIn(body: unknown): number {
  const { extensions } = (body ?? {}) as { extensions?: { cost?: { actualQueryCost?: number } } };
  return extensions?.cost?.actualQueryCost ?? 0;
}

/** Live reads at a steady pace; their latencies in ms, sorted, and how many got no answer. */
async function liveReads({ upstream, requests }: World, endsAtMs: number): Promise<{ p99Ms: number; failed: number }> {
  const tookMs: number[] = [];
  let failed = 0;
  const request = requests.find(({ operation }) => !operation.endsWith(".list")) ?? requests[0]!;
  while (Date.now() < endsAtMs) {
    const startedAt = performance.now();
    await upstream.send(request, contextOf("live", Date.now() + 20_000)).catch((thrown: { code?: string }) => {
      if (thrown.code === "UPSTREAM_THROTTLED" || thrown.code === "UPSTREAM_DEADLINE") failed++;
      else if (thrown.code !== "UPSTREAM_NOT_FOUND") throw thrown;
    });
    tookMs.push(performance.now() - startedAt);
    await systemClock.sleep(LIVE_EVERY_MS);
  }
  tookMs.sort((a, b) => a - b);
  return { p99Ms: tookMs[Math.ceil(tookMs.length * 0.99) - 1] ?? Number.NaN, failed };
}

async function measure(source: Source) {
  const sandbox = await startSandbox({ port: 0, seed: 1, customers: 2_000, imitations });
  const entries = catalog.entries.filter(entry => entry.source === source);
  const worldOf = (): World => ({
    upstream: new Upstream(source, {
      baseUrl: baseUrlOf(source, sandbox.environment),
      secrets: new ConfiguredSecrets(sandbox.environment, silent),
      clock: systemClock,
      random: Math.random,
      logger: silent,
    }),
    requests: requestsOf(entries),
  });
  const idle = worldOf();
  const alone = await liveReads(idle, Date.now() + LIVE_MS);
  await idle.upstream.close();
  await fetch(`${sandbox.origin}/__control/reset`, { method: "POST" });
  const full = worldOf();
  const { granted, cost } = await saturate(full, "bulk", Date.now() + SATURATED_MS);
  const { throttled } = await full.upstream.status();
  const allowed = allowedIn(source.client.limits, new Set(full.requests.map(({ operation }) => operation)).size, SATURATED_MS);
  const busyUntilMs = Date.now() + LIVE_MS;
  const [beside] = await Promise.all([liveReads(full, busyUntilMs), saturate(full, "bulk", busyUntilMs)]);
  await full.upstream.close();
  await sandbox.close();
  const used = allowed.unit === "points" ? cost : granted;
  return {
    source: source.name,
    "used / allowed": `${used} / ${allowed.amount} ${allowed.unit}`,
    share: (used / allowed.amount).toFixed(3),
    refused: throttled,
    "live p99 idle": alone.p99Ms.toFixed(0),
    "live p99 beside a pull": beside.p99Ms.toFixed(0),
    "live without an answer": beside.failed,
  };
}

const names = process.argv.slice(2);
const limited = catalog.sources.filter(
  ({ name, client }) => client.limits.length > 0 && (names.length === 0 || names.includes(name)),
);
const rows = [];
for (const source of limited) rows.push(await measure(source));
console.table(rows);
