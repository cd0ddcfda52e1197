import { Redis } from "ioredis";
import { createUpstreams } from "../../src/app/product.ts";
import { discoverSources } from "../../src/app/registry.ts";
import { lastDays } from "../../src/core/days.ts";
import { type Json, valueAt } from "../../src/core/json.ts";
import { type Logger, systemClock } from "../../src/core/ports.ts";
import type { Catalog } from "../../src/source/catalog.ts";
import type { Source } from "../../src/source/define-source.ts";
import type { UpstreamRequest } from "../../src/source/request.ts";
import type { Listing } from "../../src/source/collection.ts";
import type { Priority } from "../../src/upstream/context.ts";
import { readPages } from "../../src/upstream/listing.ts";
import type { ListingUpstream } from "../../src/upstream/listing/listing-upstream.ts";
import { walkOf } from "../../src/upstream/listing/read-listing.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";

/** What one process of the bench is to do. */
export interface Job {
  readonly source: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly redisUrl: string | null;
  readonly ms: number;
  readonly isPulling: boolean;
  /** Pulling begins so much later; 0 unless given. */
  readonly pullAfterMs?: number;
  /** Time between two live reads; null for none. */
  readonly liveEveryMs: number | null;
}

/** What came of it. */
export interface Done {
  readonly granted: number;
  readonly cost: number;
  readonly operations: number;
  readonly throttled: number;
  /** Latencies of the live reads in ms; those that failed are infinitely late. */
  readonly tookMs: readonly number[];
}

/** Askers at once: more than any of the sources lets through. */
const ASKERS = 48;
const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * The request for the first page of a listing, as a pull sends it: caught before it is sent. A page of one record, for it is the limits that are measured,
 * not how long an imitation takes to write a hundred records; a whole one where its points are what is limited.
 */
async function firstPageOf(source: Source, list: Listing): Promise<UpstreamRequest> {
  let caught: UpstreamRequest | undefined;
  const catcher: ListingUpstream = {
    source,
    send: request => {
      caught = request;
      return Promise.reject(new Error("caught"));
    },
  };
  const hasCost = source.client.limits.some(({ type }) => type === "cost");
  const context = { priority: "bulk" as const, signal: AbortSignal.timeout(1_000), deadlineAtMs: 0, requestId: "bench" };
  const [page] = await Promise.allSettled([
    readPages(catcher, { ...walkOf(list, lastDays(30, Date.now())), ...(hasCost ? {} : { pageSize: 1 }) }, context).next(),
  ]);
  if (caught === undefined) throw new Error(`a listing that sends nothing: ${page.status}`);
  return caught;
}

/** The requests that a pull and lookups would make, one kind after another, so that limits by endpoint are all felt. */
async function requestsOf({ entries }: Catalog, source: Source): Promise<UpstreamRequest[]> {
  const own = entries.filter(entry => entry.source === source);
  const perCollection = own.map(async ({ collection: { list, lookup } }) => {
    const byKey = lookup === undefined ? [] : [lookup.mode === "batch" ? lookup.request(["4821"]) : lookup.request("4821")];
    return [await firstPageOf(source, list), ...byKey].map(request => ({ ...request, mayBeAbsent: true }));
  });
  return (await Promise.all(perCollection)).flat();
}

/** The body of an answer, null where there is no such record; undefined when none came in time. */
async function ask(
  upstream: Upstream,
  request: UpstreamRequest,
  priority: Priority,
  endsAtMs: number,
): Promise<Json | undefined> {
  const signal = AbortSignal.timeout(Math.ceil(Math.max(1, endsAtMs - Date.now())));
  try {
    return (await upstream.send(request, { priority, signal, deadlineAtMs: endsAtMs, requestId: "bench" })).body;
  } catch (thrown) {
    const { code } = thrown as { code?: string };
    if (code === "UPSTREAM_NOT_FOUND") return null;
    if (Date.now() < endsAtMs - 100 && code !== "UPSTREAM_DEADLINE") throw thrown;
    return undefined;
  }
}

/** Asks as fast as it is let, until a moment: as many askers for each kind of request, so that those of a narrow limit keep nobody from the rest. */
async function pull(upstream: Upstream, requests: readonly UpstreamRequest[], endsAtMs: number) {
  let [granted, cost] = [0, 0];
  const path = upstream.source.client.learned?.cost?.actual;
  const costIn = (body: Json) => (path === undefined ? 0 : Number(valueAt(body, path)));
  const one = async (request: UpstreamRequest) => {
    while (Date.now() < endsAtMs) {
      const answer = await ask(upstream, request, "bulk", endsAtMs);
      if (answer === undefined) continue;
      granted++;
      cost += costIn(answer);
    }
  };
  const askers = Array.from({ length: Math.ceil(ASKERS / requests.length) }, () => requests).flat();
  await Promise.all(askers.map(one));
  return { granted, cost };
}

/** Live reads at a steady pace, whatever becomes of the earlier ones. */
async function readLive(upstream: Upstream, request: UpstreamRequest, endsAtMs: number, everyMs: number): Promise<number[]> {
  const reads: Promise<number>[] = [];
  const one = async () => {
    const startedAt = performance.now();
    const answer = await ask(upstream, request, "live", Date.now() + 20_000);
    return answer === undefined ? Number.POSITIVE_INFINITY : performance.now() - startedAt;
  };
  // The first readies the connection and the credentials.
  await one();
  while (Date.now() < endsAtMs) {
    reads.push(one());
    await systemClock.sleep(everyMs);
  }
  return Promise.all(reads);
}

async function work({ source: name, environment, redisUrl, ms, isPulling, pullAfterMs = 0, liveEveryMs }: Job): Promise<Done> {
  const catalog = await discoverSources();
  const source = catalog.sources.find(each => each.name === name)!;
  const redis = redisUrl === null ? undefined : new Redis(redisUrl);
  const options = { config: { home: `/tmp/bench-budget-${process.pid}` }, catalog, environment, logger: silent };
  const upstream = createUpstreams({ ...options, ...(redis && { redis }) }).get(name)!;
  const requests = await requestsOf(catalog, source);
  const lookup = requests.find(({ operation }) => !operation.endsWith(".list")) ?? requests[0]!;
  const endsAtMs = Date.now() + ms;
  const none = { granted: 0, cost: 0 };
  const [pulled, tookMs] = await Promise.all([
    isPulling ? systemClock.sleep(pullAfterMs).then(() => pull(upstream, requests, endsAtMs)) : none,
    liveEveryMs === null ? [] : readLive(upstream, lookup, endsAtMs, liveEveryMs),
  ]);
  const { throttled } = await upstream.status();
  await upstream.close();
  redis?.disconnect();
  return { ...pulled, tookMs, throttled, operations: new Set(requests.map(({ operation }) => operation)).size };
}

process.once("message", (job: Job) => {
  const report = async () => {
    const done = await work(job);
    process.send!(done, () => process.exit(0));
  };
  report().catch((thrown: unknown) => {
    console.error(thrown);
    process.exit(1);
  });
});
