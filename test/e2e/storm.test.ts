import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createUpstreams } from "../../src/app/product.ts";
import { discoverImitations, discoverSources } from "../../src/app/registry.ts";
import type { DeliveryCounts } from "../../src/sandbox/deliveries.ts";
import { startSandbox } from "../../src/sandbox/server.ts";
import { openDatabase } from "../../src/store/database.ts";
import { Inbox } from "../../src/store/inbox.ts";
import { Mirror } from "../../src/store/mirror.ts";
import { freePort } from "../support/free-port.ts";
import { calledCollections, differencesOf } from "../support/mirror-truth.ts";
import { type Running, runTributary } from "../support/process.ts";

const sources = ["stripe", "hubspot", "zendesk"];
const EVENTS = 20_000;

let home: string;
let sandbox: Awaited<ReturnType<typeof startSandbox>>;
let environment: Record<string, string>;
let server: Running;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "storm-"));
  sandbox = await startSandbox({ port: 0, seed: 5, customers: 300, imitations: await discoverImitations() });
  const port = String(await freePort());
  environment = { ...sandbox.environment, TRIBUTARY_HOME: home, PORT: port, EXPLORER: "off", LOG_FILE: join(home, "log") };
  server = await serve();
}, 60_000);
afterAll(async () => {
  if (server.process.exitCode === null) await server.stop("SIGKILL");
  await sandbox.close();
  await rm(home, { recursive: true });
});

async function serve(): Promise<Running> {
  const running = runTributary(["serve"], environment);
  await running.until(/ready: /);
  return running;
}

async function control<Answer>(path: string, method = "GET", body?: object): Promise<Answer> {
  const response = await fetch(`${sandbox.origin}/__control/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  if (!response.ok) throw new Error(await response.text());
  return (response.status === 204 ? undefined : await response.json()) as Answer;
}

const deliveries = () => control<Record<string, DeliveryCounts>>("deliveries");
const total = (counts: Record<string, DeliveryCounts>, name: keyof DeliveryCounts) =>
  Object.values(counts).reduce((sum, each) => sum + each[name], 0);
const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

async function waiting(): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${environment["PORT"]}/intake/events?state=waiting&limit=1`);
  return ((await response.json()) as { events: unknown[] }).events.length;
}

describe("a storm of events, twice, late and in any order, while the process is killed", () => {
  it("leaves the mirror equal to the truth", async () => {
    for (const source of sources) {
      const url = `http://127.0.0.1:${environment["PORT"]}/webhooks/${source}`;
      const secret = environment[`${source.toUpperCase()}_WEBHOOK_SECRET`];
      await control(`deliveries/${source}`, "PUT", { url, secret, duplicates: 0.2, reorder: 0.2, seed: 3 });
    }
    for (let round = 1; total(await deliveries(), "made") < EVENTS; round++) {
      for (const source of sources) await control("changes", "POST", { source, count: 400, seed: round });
      if (round === 3 || round === 8) {
        await pause(300);
        await server.stop("SIGKILL");
        server = await serve();
      }
      while (total(await deliveries(), "open") > 4_000) await pause(50);
    }
    while (total(await deliveries(), "open") > 0) await pause(100);
    const counts = await deliveries();
    expect([total(counts, "givenUp"), total(counts, "lost")]).toEqual([0, 0]);
    while ((await waiting()) > 0) await pause(200);
    await server.stop();

    const database = await openDatabase(`${home}/store`);
    try {
      const mirror = new Mirror(database);
      const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
      const catalog = await discoverSources();
      const upstreams = createUpstreams({ config: { home }, catalog, environment, logger });
      const states = await new Inbox(database).counts();
      expect(states.filter(({ state }) => state !== "done")).toEqual([]);
      expect(states.reduce((sum, { events }) => sum + events, 0)).toBe(total(counts, "made"));
      for (const collection of calledCollections) {
        const { records, different } = await differencesOf(
          { catalog, mirror, upstreamOf: name => upstreams.get(name)! },
          collection,
        );
        expect([collection, different]).toEqual([collection, []]);
        expect(records).toBeGreaterThan(100);
      }
      await Promise.all([...upstreams.values()].map(upstream => upstream.close()));
    } finally {
      await database.close();
    }
  }, 600_000);
});
