import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { discoverImitations } from "../../src/app/registry.ts";
import { startSandbox } from "../../src/sandbox/server.ts";
import { freePort } from "../support/free-port.ts";
import { startPostgres } from "../support/postgres.ts";
import { type Running, runTributary } from "../support/process.ts";
import { startRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const REPLICAS = 3;
let folder: string;
let postgres: Awaited<ReturnType<typeof startPostgres>>;
let redis: Awaited<ReturnType<typeof startRedis>>;
let sandbox: Awaited<ReturnType<typeof startSandbox>>;
let environment: Record<string, string>;
let replicas: readonly Running[];
let origins: readonly string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "intake-"));
  [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  sandbox = await startSandbox({ port: 0, seed: 3, customers: 60, imitations: await discoverImitations() });
  const shared = { DATABASE_URL: postgres.url, REDIS_URL: redis.url, REPLICAS: String(REPLICAS), TRIBUTARY_HOME: folder };
  environment = { ...sandbox.environment, ...shared, EXPLORER: "off" };
  const ports = await Promise.all(Array.from({ length: REPLICAS }, freePort));
  replicas = ports.map(port =>
    runTributary(["serve"], { ...environment, PORT: String(port), LOG_FILE: join(folder, `${port}.log`) }),
  );
  await Promise.all(replicas.map(replica => replica.until(/ready: /)));
  origins = ports.map(port => `http://127.0.0.1:${port}`);
}, 120_000);
afterAll(async () => {
  for (const { process } of replicas) if (process.exitCode === null) process.kill("SIGKILL");
  await sandbox.close();
  await redis.stop();
  await postgres.remove();
  await rm(folder, { recursive: true, force: true });
});

async function ask(origin: string, query: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${origin}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  return ((await response.json()) as { data: Record<string, unknown> }).data;
}

/** What a subscriber was told so far, as it came. */
async function subscribe(origin: string, query: string): Promise<{ text: () => string; stop: () => void }> {
  const left = new AbortController();
  const response = await fetch(`${origin}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({ query }),
    signal: left.signal,
  });
  let text = "";
  void response
    .body!.pipeThrough(new TextDecoderStream())
    .pipeTo(
      new WritableStream({
        write: part => {
          text += part;
        },
      }),
    )
    .catch((thrown: unknown) => {
      if (!left.signal.aborted) throw thrown;
    });
  return { text: () => text, stop: () => left.abort() };
}

async function control<Answer>(path: string, method: string, body?: object): Promise<Answer> {
  const response = await fetch(`${sandbox.origin}/__control/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  if (!response.ok) throw new Error(await response.text());
  return (response.status === 204 ? undefined : await response.json()) as Answer;
}

interface Event {
  readonly state: string;
  readonly attempts: number;
  readonly outcome: string;
}
const events = async (origin: string) =>
  ((await (await fetch(`${origin}/intake/events?limit=1000`)).json()) as { events: Event[] }).events;

/** A customer whose name and phone are this source's. */
async function customerOfStripe(): Promise<string> {
  const { customers } = await ask(origins[0]!, "{ customers(first: 60) { nodes { provenance { field source key } } } }");
  const nodes = (customers as { nodes: { provenance: { field: string; source: string; key: string }[] }[] }).nodes;
  const all = nodes.map(node =>
    node.provenance.filter(({ field, source }) => source === "stripe" && (field === "name" || field === "phone")),
  );
  return all.find(({ length }) => length === 2)![0]!.key;
}

describe("three processes that share PostgreSQL and Redis", () => {
  it("see a change that one of them was told of and one of them processed", async () => {
    const secret = environment["STRIPE_WEBHOOK_SECRET"];
    await control("deliveries/stripe", "PUT", { url: `${origins[1]}/webhooks/stripe`, secret });
    const key = await customerOfStripe();
    const read = (origin: string) => ask(origin, `{ customer(id: "${key}") { name phone } }`);
    for (const origin of origins) await read(origin);
    const told = await Promise.all(
      origins.map(origin => subscribe(origin, `subscription { customerChanged(id: "${key}") { customer { name } } }`)),
    );
    const response = await fetch(`${environment["STRIPE_BASE_URL"]}/v1/customers/${key}`, {
      method: "POST",
      headers: { authorization: `Bearer ${environment["STRIPE_API_KEY"]}` },
      body: new URLSearchParams({ name: "Ada Changed", phone: "+493012345678" }),
    });
    expect(response.status).toBe(200);
    for (const origin of origins)
      await until(
        async () => JSON.stringify(await read(origin)) === '{"customer":{"name":"Ada Changed","phone":"+493012345678"}}',
      );
    for (const { text, stop } of told) {
      await until(() => text().includes('{"data":{"customerChanged":{"customer":{"name":"Ada Changed"}}}}'));
      stop();
    }
  }, 60_000);

  it("process each event once between them, whoever it came to", async () => {
    const secret = environment["HUBSPOT_WEBHOOK_SECRET"];
    for (const [number, origin] of origins.entries()) {
      await control("deliveries/hubspot", "PUT", { url: `${origin}/webhooks/hubspot`, secret, duplicates: 0.2, reorder: 0.2 });
      await control("changes", "POST", { source: "hubspot", count: 100, seed: number + 1 });
      await until(async () => {
        const { hubspot } = await control<Record<string, { made: number; open: number }>>("deliveries", "GET");
        return hubspot!.made > 0 && hubspot!.open === 0;
      });
    }
    await until(async () => (await events(origins[0]!)).every(({ state }) => state === "done"));
    const all = await events(origins[2]!);
    expect(all.length).toBeGreaterThan(300);
    expect(all.filter(({ attempts }) => attempts !== 1)).toEqual([]);
  }, 60_000);
});
