import { mkdir, writeFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import { pruneRaw } from "../../../src/pipeline/retention.ts";
import { listRuns } from "../../../src/pipeline/runs.ts";
import type { PullFacts } from "../../../src/store/raw/manifest.ts";
import { RawStore } from "../../../src/store/raw/raw-store.ts";
import { facts, request, responseOf, start } from "../store/raw/stage.ts";
import { catalog, newHome, NOW_MS, removeHomes } from "./stage.ts";

afterEach(removeHomes);

const DAY_MS = 86_400_000;
const people = { source: "crm", collection: "people" };
const entries = catalog.entries.filter(({ name }) => name === "people");

/** Keeps a pull that began so many days ago, and returns its name. */
async function keep(store: RawStore, daysAgo: number, more: Partial<PullFacts> = {}): Promise<string> {
  const atMs = NOW_MS - daysAgo * DAY_MS;
  const raw = await store.begin(people, { ...start, startedAt: new Date(atMs).toISOString() }, atMs);
  await raw.append(request, responseOf("{}"));
  await raw.finish({ ...facts, ...more });
  return raw.pull;
}

async function left(home: string, retention: { keepPulls?: number; keepDays?: number }): Promise<string[]> {
  const store = new RawStore(home);
  await pruneRaw(store, entries, { home, retention, nowMs: NOW_MS });
  return (await store.pulls("crm", "people")).map(({ manifest }) => manifest.pull);
}

describe("old pulls", () => {
  it("go when there are too many newer ones, or when they are too old", async () => {
    const home = await newHome();
    const store = new RawStore(home);
    const [oldest, old, newer, newest] = [
      await keep(store, 30),
      await keep(store, 20),
      await keep(store, 10),
      await keep(store, 1),
    ];
    expect(await left(home, { keepPulls: 4, keepDays: 40 })).toEqual([newest, newer, old, oldest]);
    expect(await left(home, { keepPulls: 3, keepDays: 40 })).toEqual([newest, newer, old]);
    expect(await left(home, { keepPulls: 3, keepDays: 15 })).toEqual([newest, newer]);
  });

  it("stay when a dataset was built from them", async () => {
    const home = await newHome();
    const store = new RawStore(home);
    const [oldest, old] = [await keep(store, 30), await keep(store, 25), await keep(store, 20)];
    const kept = [await keep(store, 10), await keep(store, 1)].toReversed();
    await mkdir(`${home}/dataset/v1`, { recursive: true });
    const inputOf = (pull: string) => ({ ...people, entity: "Customer", pull, verdict: "complete", window: null });
    const [inputs, history] = [[inputOf(old)], [{ moments: [], decisions: [], inputs: [inputOf(oldest)] }]];
    const manifest = { version: "v1", isComplete: true, inputs, history, tables: [] };
    await writeFile(`${home}/dataset/v1/manifest.json`, JSON.stringify(manifest));
    expect(await left(home, { keepPulls: 1, keepDays: 1 })).toEqual([...kept, old, oldest]);
  });

  it("stay when the next build would take them, or the next pull would go on with them", async () => {
    const home = await newHome();
    const store = new RawStore(home);
    const complete = await keep(store, 30);
    await keep(store, 20, { verdict: "partial" });
    const newest = await keep(store, 10, { verdict: "partial", mayGoOn: true });
    expect(await left(home, { keepPulls: 1, keepDays: 1 })).toEqual([newest, complete]);
    const killed = await store.begin(people, start, NOW_MS);
    await killed.append(request, responseOf(JSON.stringify("x".repeat(5 * 1024 ** 2))));
    await killed.leave();
    await left(home, { keepPulls: 1, keepDays: 1 });
    expect(await store.unfinished(people)).toMatchObject({ pull: killed.pull });
  });
});

describe("the list of runs", () => {
  it("has every pull, finished or not, and every build, with verdicts and sizes", async () => {
    const home = await newHome();
    expect(await listRuns(home)).toEqual({ pulls: [], builds: [] });
    const store = new RawStore(home);
    const reason = { code: "UPSTREAM_UNAVAILABLE", message: "down" };
    const [first, second] = [await keep(store, 2), await keep(store, 1, { verdict: "partial", reason, mayGoOn: true })];
    const killed = await store.begin(people, start, NOW_MS);
    await killed.append(request, responseOf(JSON.stringify("x".repeat(5 * 1024 ** 2))));
    await killed.leave();
    await mkdir(`${home}/dataset/v1`, { recursive: true });
    const tables = [{ name: "customers", rows: 3, files: [{ name: "customers.parquet", sizeBytes: 70, sha256: "" }] }];
    await writeFile(`${home}/dataset/v1/manifest.json`, JSON.stringify({ version: "v1", isComplete: true, inputs: [], tables }));
    await writeFile(`${home}/dataset/current`, "v1\n");
    const { pulls, builds } = await listRuns(home);
    expect(pulls.map(({ pull, verdict, mayGoOn }) => [pull, verdict, mayGoOn])).toEqual([
      [killed.pull, "unfinished", true],
      [second, "partial", true],
      [first, "complete", false],
    ]);
    for (const { sizeBytes } of pulls) expect(sizeBytes).toBeGreaterThan(50);
    expect(builds).toEqual([
      expect.objectContaining({ version: "v1", isComplete: true, isCurrent: true, rows: 3, sizeBytes: 70 }),
    ]);
  });
});
