import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../../../src/app/config.ts";
import { createProduct, type Product } from "../../../src/app/product.ts";
import { discoverSources } from "../../../src/app/registry.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { createServer } from "../../../src/server/server.ts";
import { tableOf } from "../../unit/docs/tables.ts";
import { type Loose, silent } from "../../support/world.ts";
import { startSoakSandbox } from "./sandbox.ts";
import { type Held, held, medianOf } from "./vitals.ts";

/** Minutes, as the first argument; 30 unless given. */
const minutes = Number(process.argv[2] ?? 30);
const WORKERS = 12;
const SAMPLES = 30;
/** A query's own deadline, in ms. */
const DEADLINE_MS = "5000";
const PAUSE_BETWEEN_PULLS_MS = 2_000;
/** The collected heap may grow by so much between the first and the last third. */
const FLAT_SHARE = 0.1;
const FLAT_MIB = 12;

/** One text for all customers: each text is compiled, and some are kept. */
const customerQuery = `query ($id: ID!) {
  customer(id: $id) { name email invoices(last: 3) { amount } tickets(last: 3) { subject } usage { day } }
}`;

const tally: Record<string, number> = {};
const count = (what: string, times = 1) => void (tally[what] = (tally[what] ?? 0) + times);
const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

const sandbox = await startSoakSandbox();
const home = await mkdtemp(join(tmpdir(), "tributary-soak-"));
await pause(200);
const atStart = held();
const product = await openProduct();
await product.refresher.start();
const server = createServer({
  gateway: product.gateway,
  engine: product.engine,
  meter: product.meter,
  logger: silent,
  allowedHosts: null,
  deadlineMs: 10_000,
  hasExplorer: false,
  readiness: async () => ({ isReady: true }),
});

const endsAtMs = Date.now() + minutes * 60_000;
const isOver = () => Date.now() >= endsAtMs;
const samples: Held[] = [];
await Promise.all([...Array.from({ length: WORKERS }, (_, at) => askOn(at)), pullOn(), forgetOn(), sampleOn()]);
const outcomes = await sandbox.outcomes();
await server.close();
await product.close();
const atEnd = await settled();
await sandbox.stop();
await rm(home, { recursive: true, force: true });
report();

async function openProduct(): Promise<Product> {
  const environment = { ...sandbox.environment, TRIBUTARY_HOME: home };
  const config = readConfig({ ...environment, REFRESH_MS: "60000" });
  return createProduct({ config, catalog: await discoverSources(), environment, logger: silent });
}

/** Asks one query after another for customers in turn. */
async function askOn(worker: number): Promise<void> {
  const { data } = (await ask(`{ customers(first: 200) { nodes { id } } }`)) as Loose;
  const ids: string[] = data.customers.nodes.map(({ id }: Loose) => id);
  for (let at = worker; !isOver(); at += WORKERS) {
    const { errors = [] } = (await ask(customerQuery, { id: ids[at % ids.length] })) as Loose;
    count("queries");
    for (const { extensions } of errors) count(`error ${extensions.code}`);
  }
}

async function ask(query: string, variables: object = {}): Promise<unknown> {
  const headers = { "content-type": "application/json", "x-tributary-deadline-ms": DEADLINE_MS };
  const response = await server.inject({ method: "POST", url: "/graphql", headers, payload: { query, variables } });
  if (response.statusCode !== 200) count(`HTTP ${response.statusCode}`);
  return response.json();
}

async function pullOn(): Promise<void> {
  while (!isOver()) {
    const signal = AbortSignal.timeout(Math.max(1, endsAtMs - Date.now()));
    const { verdicts } = await pull({ catalog: product.catalog, upstreams: product.upstreamOf, home, signal });
    for (const { verdict, reason } of verdicts) count(`listing ${verdict}${reason && !signal.aborted ? ` ${reason.code}` : ""}`);
    await pause(Math.min(PAUSE_BETWEEN_PULLS_MS, Math.max(0, endsAtMs - Date.now())));
  }
}

/** Keeps queries going to the sources instead of to what is kept of their answers. */
async function forgetOn(): Promise<void> {
  while (!isOver()) {
    product.gateway.clear();
    await pause(Math.min(500, Math.max(0, endsAtMs - Date.now())));
  }
}

async function sampleOn(): Promise<void> {
  for (let sample = 0; sample < SAMPLES; sample++) {
    await pause(Math.max(0, endsAtMs - Date.now()) / (SAMPLES - sample));
    samples.push(held());
  }
}

/** What is held once everything is closed; connections take a moment to go. */
async function settled(): Promise<Held> {
  for (let round = 0; round < 20; round++) {
    const now = held();
    if (now.sockets <= atStart.sockets && now.timers <= atStart.timers) return now;
    await pause(250);
  }
  return held();
}

function report(): void {
  const rowOf = (name: string, { residentMiB, heapMiB, sockets, timers, others }: Held) => [
    name,
    residentMiB.toFixed(0),
    heapMiB.toFixed(1),
    ...[sockets, timers, others].map(String),
  ];
  const every = samples.flatMap((sample, at) =>
    at % 3 === 2 ? [rowOf(`${(((at + 1) * minutes) / SAMPLES).toFixed(1)} min`, sample)] : [],
  );
  const head = ["", "resident MiB", "collected heap MiB", "sockets", "timers", "others"];
  console.log(tableOf(head, [rowOf("before", atStart), ...every, rowOf("closed", atEnd)]));
  console.log(`\n${JSON.stringify(tally)}\nrequests by outcome: ${JSON.stringify(outcomes)}`);
  const third = Math.floor(samples.length / 3);
  const [first, last] = [samples.slice(0, third), samples.slice(-third)].map(part =>
    medianOf(part.map(({ heapMiB }) => heapMiB)),
  );
  const isFlat = last! - first! <= Math.max(FLAT_MIB, FLAT_SHARE * first!);
  const isClean = atEnd.sockets <= atStart.sockets && atEnd.timers <= atStart.timers;
  console.log(
    `collected heap, median of the first third ${first!.toFixed(1)} MiB, of the last ${last!.toFixed(1)}: ${isFlat ? "flat" : "IT GROWS"}`,
  );
  console.log(
    `left over: ${atEnd.sockets - atStart.sockets} sockets, ${atEnd.timers - atStart.timers} timers: ${isClean ? "none" : "SOMETHING IS"}`,
  );
  if (!isFlat || !isClean) process.exitCode = 1;
}
