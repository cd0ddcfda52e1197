import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { discoverImitations } from "../../src/app/registry.ts";
import { startSandbox } from "../../src/sandbox/server.ts";
import { postgresPassword, startPostgres } from "../support/postgres.ts";
import { type Running, runTributary, tributary } from "../support/process.ts";

const REPLICAS = 3;
const question = `{
  customers(first: 20) { totalCount nodes { id name identities { source key } } }
  customer(id: "4821") { id name }
}`;

let folder: string;
let postgres: Awaited<ReturnType<typeof startPostgres>>;
let sandbox: Awaited<ReturnType<typeof startSandbox>>;
let environment: Record<string, string>;
let replicas: readonly Running[];
let origins: readonly string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "replicas-"));
  postgres = await startPostgres();
  sandbox = await startSandbox({ port: 0, seed: 1, customers: 40, quotas: false, imitations: await discoverImitations() });
  environment = { ...sandbox.environment, DATABASE_URL: postgres.url, PORT: "0", EXPLORER: "off" };
  replicas = Array.from({ length: REPLICAS }, (_each, number) =>
    runTributary(["serve"], { ...environment, TRIBUTARY_HOME: join(folder, String(number)) }),
  );
  origins = await Promise.all(replicas.map(async replica => (await replica.until(/ready: (\S+)\/graphql/))[1]!));
}, 120_000);
afterAll(async () => {
  for (const { process } of replicas) if (process.exitCode === null) process.kill("SIGKILL");
  await sandbox.close();
  await postgres.remove();
  await rm(folder, { recursive: true });
});

async function ask(origin: string, query: string) {
  const response = await fetch(`${origin}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  return (await response.json()) as { data?: Record<string, unknown>; errors?: { extensions: { code: string } }[] };
}

async function readiness(origin: string) {
  const response = await fetch(`${origin}/readyz`);
  return { status: response.status, body: await response.text() };
}

/** Asks until the status is this one; the last answer counts. */
async function readinessOnce(origin: string, status: number) {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await readiness(origin);
    if (answer.status === status) return answer;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  return readiness(origin);
}

describe("three processes over one PostgreSQL that start at once", () => {
  it("read every collection once between them", () => {
    const outputs = replicas.map(replica => replica.output());
    const read = outputs.flatMap(output => [...output.matchAll(/^ {2}(\S+): \d+ records/gm)].map(match => match[1]!));
    const adopted = outputs.flatMap(output => [...output.matchAll(/^ {2}(\S+): another process/gm)].map(match => match[1]!));
    expect(read.length).toBeGreaterThan(3);
    expect(new Set(read).size).toBe(read.length);
    expect(adopted).toHaveLength(read.length * (REPLICAS - 1));
  });

  it("all answer the same", async () => {
    const [first, ...others] = await Promise.all(origins.map(origin => ask(origin, question)));
    expect(first!.errors).toBeUndefined();
    expect(first!.data).toMatchObject({ customers: { totalCount: expect.any(Number) }, customer: { id: expect.any(String) } });
    for (const other of others) expect(other.data).toEqual(first!.data);
  });

  it("say what they run on, without its password", async () => {
    const place = `PostgreSQL at ${postgres.place}, schema tributary`;
    for (const replica of replicas) expect(replica.output()).toContain(`Store: ${place}`);
    expect((await readiness(origins[0]!)).body).toContain(place);
    const { output } = await tributary(["doctor"], environment);
    expect(output).toContain(`Store: ${place} answers.`);
    for (const text of [output, ...replicas.map(replica => replica.output())]) expect(text).not.toContain(postgresPassword);
  });

  it("are not ready while the store is away, say so, and are again when it is back", async () => {
    await postgres.stop();
    const away = await readinessOnce(origins[0]!, 503);
    expect(away).toMatchObject({ status: 503, body: expect.stringContaining("the store cannot be reached") });
    expect(away.body).toContain(postgres.place);
    expect(away.body).not.toContain(postgresPassword);
    expect((await ask(origins[1]!, `{ customer(id: "nobody") { id } }`)).errors?.[0]?.extensions.code).toBe("STORE_UNAVAILABLE");
    await postgres.start();
    for (const origin of origins) expect((await readinessOnce(origin, 200)).status).toBe(200);
    expect((await ask(origins[1]!, question)).errors).toBeUndefined();
  });

  it("end when they are told to", async () => {
    expect(await Promise.all(replicas.map(replica => replica.stop()))).toEqual(Array.from({ length: REPLICAS }, () => 0));
  });
});

it("an address that is none is a wrong setting, and is not shown", async () => {
  const { code, output } = await tributary(["doctor"], { ...environment, DATABASE_URL: `mysql://u:${postgresPassword}@h/d` });
  expect(code).not.toBe(0);
  expect(output).toContain("DATABASE_URL is not an address");
  expect(output).not.toContain(postgresPassword);
});
