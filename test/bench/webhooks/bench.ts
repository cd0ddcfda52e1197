import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "undici";
import { discoverImitations } from "../../../src/app/registry.ts";
import { startSandbox } from "../../../src/sandbox/server.ts";
import { freePort } from "../../support/free-port.ts";
import { startPostgres } from "../../support/postgres.ts";
import { runTributary } from "../../support/process.ts";

const seconds = Number(process.argv[2] ?? 20);
const perSecond = Number(process.argv[3] ?? 1_000);
const TICK_MS = 5;
const CUSTOMERS = 2_000;

const at = (sorted: readonly number[], share: number): string =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1);

/** Signed calls at a steady pace, whatever the answers take. Each event is another, about one of some thousand customers. */
async function storm(origin: string, path: string, secret: string | undefined) {
  const pool = new Pool(origin, { connections: 64, pipelining: 1 });
  const times: number[] = [];
  const statuses = new Map<number, number>();
  const going: Promise<void>[] = [];
  const call = async (number: number): Promise<void> => {
    const body = `{"id":"evt_${path.length}_${number}","object":"event","type":"customer.updated","created":${Math.floor(Date.now() / 1_000)},"data":{"object":{"id":"cus_${number % CUSTOMERS}","name":"${"x".repeat(1_500)}"}}}`;
    const t = Math.floor(Date.now() / 1_000);
    const signature = secret && `t=${t},v1=${createHmac("sha256", secret).update(`${t}.${body}`).digest("hex")}`;
    const headers = { "content-type": "application/json", ...(signature && { "stripe-signature": signature }) };
    const startedAt = performance.now();
    const answer = await pool.request({ method: secret ? "POST" : "GET", path, headers, ...(secret && { body }) });
    await answer.body.dump();
    times.push(performance.now() - startedAt);
    statuses.set(answer.statusCode, (statuses.get(answer.statusCode) ?? 0) + 1);
  };
  const startedAt = performance.now();
  for (let sent = 0; sent < seconds * perSecond;) {
    const due = Math.min(seconds * perSecond, Math.floor(((performance.now() - startedAt) / 1_000) * perSecond));
    while (sent < due) going.push(call(sent++));
    await new Promise(resolve => setTimeout(resolve, TICK_MS));
  }
  await Promise.all(going);
  await pool.close();
  const took = (performance.now() - startedAt) / 1_000;
  const sorted = times.toSorted((a, b) => a - b);
  return {
    p50: at(sorted, 0.5),
    p99: at(sorted, 0.99),
    max: at(sorted, 1),
    perSecond: (times.length / took).toFixed(0),
    statuses: JSON.stringify([...statuses]),
  };
}

async function measure(store: string, environment: Record<string, string>) {
  const port = String(await freePort());
  const home = await mkdtemp(join(tmpdir(), "webhooks-"));
  const server = runTributary(["serve"], {
    ...environment,
    TRIBUTARY_HOME: home,
    PORT: port,
    EXPLORER: "off",
    LOG_FILE: join(home, "log"),
  });
  try {
    await server.until(/ready: /);
    const origin = `http://127.0.0.1:${port}`;
    const floor = await storm(origin, "/healthz", undefined);
    const kept = await storm(origin, "/webhooks/stripe", environment["STRIPE_WEBHOOK_SECRET"]);
    console.table({ [`${store}: GET /healthz`]: floor, [`${store}: webhooks`]: kept });
  } finally {
    await server.stop("SIGKILL");
    await rm(home, { recursive: true, force: true });
  }
}

const sandbox = await startSandbox({ port: 0, seed: 1, customers: 50, imitations: await discoverImitations() });
const postgres = await startPostgres();
try {
  await measure("embedded", sandbox.environment);
  await measure("PostgreSQL", { ...sandbox.environment, DATABASE_URL: postgres.url });
} finally {
  await postgres.remove();
  await sandbox.close();
}
