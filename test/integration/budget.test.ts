import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { discoverSources } from "../../src/app/registry.ts";
import { lastDays } from "../../src/core/days.ts";
import { valueAt } from "../../src/core/json.ts";
import type { CatalogEntry } from "../../src/source/catalog.ts";
import type { Source } from "../../src/source/define-source.ts";
import type { Limit } from "../../src/source/limits.ts";
import type { UpstreamRequest } from "../../src/source/request.ts";
import type { CallContext } from "../../src/upstream/context.ts";
import type { UpstreamResponse } from "../../src/upstream/upstream.ts";
import { startWorld, type TestWorld } from "../support/world.ts";

/** Distinct lookups that each source gets at once. */
const LOOKUPS = 500;
/** Reads by owner beside them, each of which is a listing of its own; more would make a limit by the minute last for minutes. */
const LISTINGS = 150;
/** Days that a read of dated records covers: long, so that a budget of points is felt. */
const WINDOW_DAYS = 90;
const DEADLINE_MS = 150_000;
/** The share of what the provider allows that a burst must use, on a machine with other things to do; `test/bench/budget` measures it. */
const LEAST_USE = 0.8;

const catalog = await discoverSources();
/** A source that declares no limit has no budget to be held to. */
const limited = catalog.sources.filter(({ client }) => client.limits.length > 0);

/** What a burst against one source came to. */
interface Outcome {
  /** What was sent, each with the cost that the source counted for it, where it says so. */
  readonly requests: readonly UpstreamRequest[];
  readonly succeeded: number;
  readonly tookMs: number;
  readonly throttled: number;
  /** Requests that the source has answered, by status. */
  readonly statuses: Readonly<Record<string, number>>;
}

let world: TestWorld;
let outcomes: ReadonlyMap<string, Outcome>;

beforeAll(async () => {
  world = await startWorld({ customers: 1_000, isFilled: false });
  const keys = await keysByCollection();
  const bursts = limited.map(async source => [source.name, await burst(source, keys)] as const);
  outcomes = new Map(await Promise.all(bursts));
}, 200_000);
afterAll(() => world.close());

/** Whose keys there are, from the sandbox's own knowledge: reading listings would use up the budgets that are under test. */
async function keysByCollection(): Promise<ReadonlyMap<string, string[]>> {
  interface Truth {
    readonly people: readonly { readonly records: readonly { source: string; collection: string; key: string }[] }[];
  }
  const { people } = (await (await fetch(`${world.sandbox.origin}/__control/truth`)).json()) as Truth;
  const records = people.flatMap(person => person.records);
  const byCollection = Map.groupBy(records, ({ source, collection }) => `${source}.${collection}`);
  return new Map([...byCollection].map(([id, found]) => [id, found.map(({ key }) => key)]));
}

/** One request for each key, however many the declaration would put into one. */
function requestsOf(entry: CatalogEntry, keys: ReadonlyMap<string, string[]>): UpstreamRequest[] {
  const { lookup, related, owner } = entry.collection;
  const window = lastDays(WINDOW_DAYS, Date.now());
  const own = (keys.get(entry.id) ?? []).slice(0, LOOKUPS);
  const owners = (keys.get(`${entry.source.name}.${owner ?? ""}`) ?? []).slice(0, related?.mode === "each" ? LISTINGS : LOOKUPS);
  const lookups = lookup ? own.map(key => (lookup.mode === "batch" ? lookup.request([key]) : lookup.request(key))) : [];
  const reads = related
    ? owners.map(key => (related.mode === "batch" ? related.request([key], window) : related.request(key)))
    : [];
  return [...lookups, ...reads];
}

async function burst(source: Source, keys: ReadonlyMap<string, string[]>): Promise<Outcome> {
  const upstream = world.product.upstreamOf(source.name);
  const requests = catalog.entries.filter(entry => entry.source === source).flatMap(entry => requestsOf(entry, keys));
  const context: CallContext = {
    priority: "live",
    signal: new AbortController().signal,
    deadlineAtMs: Date.now() + DEADLINE_MS,
    requestId: "burst",
  };
  const startedAtMs = performance.now();
  const answers = await Promise.allSettled(requests.map(request => upstream.send(request, context)));
  const tookMs = performance.now() - startedAtMs;
  return {
    requests: requests.map((request, index) => ({ ...request, cost: costOf(source, answers[index]) ?? request.cost ?? 1 })),
    succeeded: answers.filter(answer => answer.status === "fulfilled").length,
    tookMs,
    throttled: (await upstream.status()).throttled,
    statuses: await statusesOf(source),
  };
}

function costOf(source: Source, answer: PromiseSettledResult<UpstreamResponse> | undefined): number | undefined {
  const path = source.client.learned?.cost?.actual;
  if (path === undefined || answer?.status !== "fulfilled") return undefined;
  return Number(valueAt(answer.value.body, path));
}

async function statusesOf(source: Source): Promise<Readonly<Record<string, number>>> {
  type Counts = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>;
  const counts = (await (await fetch(`${world.sandbox.origin}/__control/calls`)).json()) as Counts;
  const total: Record<string, number> = {};
  for (const route of Object.values(counts[source.name] ?? {}))
    for (const [status, count] of Object.entries(route)) total[status] = (total[status] ?? 0) + count;
  return total;
}

/** The requests that a limit counts together. */
function groupsUnder(limit: Limit, requests: readonly UpstreamRequest[]): readonly (readonly UpstreamRequest[])[] {
  if (limit.type === "cost" || limit.per === "account") return [requests];
  return [...Map.groupBy(requests, request => request.operation).values()];
}

/** The least time, in ms, in which a limit lets so many requests through: a full burst at once, the rest as it refills. */
function leastMs(limit: Limit, requests: readonly UpstreamRequest[]): number {
  if (limit.type === "window") return Math.floor((requests.length - 1) / limit.requests) * limit.windowMs;
  if (limit.type === "concurrency") return 0;
  if (limit.type === "quota" && requests.length <= limit.requests) return 0;
  if (limit.type !== "cost") throw new Error(`how long a ${limit.type} limit takes is not worked out here`);
  const points = requests.reduce((sum, request) => sum + (request.cost ?? 1), 0);
  return (Math.max(0, points - limit.capacity) / limit.restorePerSecond) * 1000;
}

/** The least time that all declared limits together allow: the tightest one's, for the operations that it counts. */
const allowedMs = ({ client }: Source, requests: readonly UpstreamRequest[]): number =>
  Math.max(...client.limits.flatMap(limit => groupsUnder(limit, requests).map(group => leastMs(limit, group))));

/** What the declared limits let through in so much time, at most as many as were asked for. */
function allowedRequests(source: Source, requests: readonly UpstreamRequest[], tookMs: number): number {
  let allowed = requests.length;
  while (allowed > 0 && allowedMs(source, requests.slice(0, allowed)) > tookMs) allowed--;
  return allowed;
}

it("the bursts are larger than what most of the sources allow at once", () => {
  const paced = limited.filter(source => allowedMs(source, outcomes.get(source.name)!.requests) > 0);
  expect(paced.length).toBeGreaterThan(limited.length / 2);
});

describe.each(limited.map(source => [source.name, source] as const))("a burst against %s", (name, source) => {
  const outcome = () => outcomes.get(name)!;

  it("is of 500 distinct lookups at least, one request each", () => {
    expect(outcome().requests.length).toBeGreaterThanOrEqual(LOOKUPS);
    expect(new Set(outcome().requests.map(({ cost: _cost, ...request }) => JSON.stringify(request))).size).toBe(
      outcome().requests.length,
    );
  });

  it("is answered in full", () => {
    expect(outcome().succeeded).toBe(outcome().requests.length);
  });

  it("is never refused", () => {
    const { statuses, requests, throttled } = outcome();
    expect(throttled).toBe(0);
    expect(Object.keys(statuses).filter(status => !status.startsWith("2"))).toEqual([]);
    expect(Object.values(statuses).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(requests.length);
  });

  /**
   * Requests granted ÷ requests allowed in the time taken is 1 by itself once all are through, however slow that was: more is allowed the longer
   * it takes. So the pace is held against the allowed one too, where the burst is larger than what is allowed at once.
   */
  it("uses what the source allows", () => {
    const { requests, succeeded, tookMs } = outcome();
    const leastTimeMs = allowedMs(source, requests);
    expect(succeeded / allowedRequests(source, requests, tookMs)).toBeGreaterThanOrEqual(LEAST_USE);
    if (leastTimeMs > 0) expect(leastTimeMs / tookMs).toBeGreaterThanOrEqual(LEAST_USE);
  });
});
