/**
 * Requests per second, latency and CPU of the graph with all its policies on, against a plain Apollo Server with DataLoader over the same sandbox, in
 * turns in one run. `node test/bench/gateway/run.ts [--seconds 6] [--rounds 3]`; prints Markdown.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import autocannon from "autocannon";
import { projectFolder, runTributary } from "../../support/process.ts";
import type { Loose } from "../../support/world.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "6" }, rounds: { type: "string", default: "3" } },
});
const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];
const CONNECTIONS = 32;
const WARM_UP_SECONDS = 2;
/** What ten minutes at 100 requests per second bring. */
const MEMORY_REQUESTS = 60_000;

const queries: Readonly<Record<string, string>> = {
  "{ __typename }": "{ __typename }",
  "one customer": `query { customer(id: "4821") { name invoices(last: 5) { amount status } tickets(open: true) { subject createdAt } } }`,
  "25 customers": `{ customers(first: 25) { nodes { id name email country status invoices(last: 5) { amount currency status } tickets(last: 5) { subject status } usageSummary { sessions } } } }`,
};

interface Served {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
}
interface Figures {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuMs: number;
}

const post = async (url: string, body: object): Promise<Loose> =>
  (await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })).json();

/** User and system time of a process so far, in ms; Linux counts in hundredths of a second. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
const residentMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

async function load(url: string, query: string, forSeconds: number): Promise<Loose> {
  const body = JSON.stringify({ query });
  return autocannon({
    url,
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
    connections: CONNECTIONS,
    duration: forSeconds,
  });
}

async function measure({ url, pid }: Served, query: string): Promise<Figures> {
  await load(url, query, WARM_UP_SECONDS);
  const before = cpuOf(pid);
  const result = await load(url, query, seconds);
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${url}: ${result.non2xx} refused, ${result.errors} failed`);
  return {
    perSecond: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
    cpuMs: (cpuOf(pid) - before) / result.requests.total,
  };
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
const medianOf = (all: readonly Figures[]): Figures => ({
  perSecond: median(all.map(each => each.perSecond)),
  p50: median(all.map(each => each.p50)),
  p99: median(all.map(each => each.p99)),
  cpuMs: median(all.map(each => each.cpuMs)),
});

/** Both servers must say the same of the customer that both know by number, and as much of the others. */
async function compareAnswers([ours, plain]: readonly [Served, Served]): Promise<void> {
  const one = { query: queries["one customer"]! };
  const [a, b] = [await post(ours.url, one), await post(plain.url, one)];
  if (JSON.stringify(a.data) !== JSON.stringify(b.data))
    throw new Error(`answers differ: ${JSON.stringify(a)} and ${JSON.stringify(b)}`);
  for (const { url, name } of [ours, plain]) {
    const { data, errors } = await post(url, { query: queries["25 customers"]! });
    if (errors || data.customers.nodes.length !== 25) throw new Error(`${name}: ${JSON.stringify(errors)}`);
  }
}

async function compareSpeed(servers: readonly [Served, Served], sandbox: string): Promise<void> {
  console.log(`| query | upstream latency | server | requests/s | p50 ms | p99 ms | CPU ms/request | ratio |`);
  console.log(`| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |`);
  for (const delayMs of [0, 25]) {
    await fetch(`${sandbox}/__control/faults`, { method: "DELETE" });
    for (const source of ["hubspot", "stripe", "zendesk", "product"])
      if (delayMs > 0) await post(`${sandbox}/__control/faults`, { source, kind: "delay", delayMs });
    for (const [label, query] of Object.entries(queries)) {
      const figures = new Map<string, Figures[]>(servers.map(({ name }) => [name, []]));
      for (let round = 0; round < rounds; round++)
        for (const server of servers) figures.get(server.name)!.push(await measure(server, query));
      const [ours, plain] = servers.map(({ name }) => medianOf(figures.get(name)!)) as [Figures, Figures];
      for (const [index, each] of [ours, plain].entries()) {
        const cells = [
          label.replace("|", "\\|"),
          `${delayMs} ms`,
          servers[index]!.name,
          each.perSecond.toFixed(0),
          each.p50,
          each.p99,
          each.cpuMs.toFixed(2),
        ];
        console.log(`| ${cells.join(" | ")} | ${index === 0 ? (ours.perSecond / plain.perSecond).toFixed(1) : ""} |`);
      }
    }
  }
}

/** Resident memory while 200 different customers are asked for, over and over. */
async function watchMemory({ url, pid }: Served): Promise<void> {
  const { data } = await post(url, { query: "{ customers(first: 200) { nodes { id } } }" });
  const requests = data.customers.nodes.map(({ id }: Loose) => ({
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      query: `{ customer(id: "${id}") { name email invoices(last: 5) { amount } tickets(last: 5) { subject } usageSummary { sessions } } }`,
    }),
  }));
  const curve = [residentMiB(pid)];
  for (let part = 0; part < 10; part++) {
    await autocannon({ url, connections: CONNECTIONS, amount: MEMORY_REQUESTS / 10, requests });
    curve.push(residentMiB(pid));
  }
  console.log(
    `\nResident memory, MiB, at the start and after each tenth of ${MEMORY_REQUESTS} requests: ${curve.map(mib => mib.toFixed(0)).join(", ")}`,
  );
}

async function startPlain(environment: Readonly<Record<string, string>>): Promise<{ served: Served; process: ChildProcess }> {
  const child = spawn(process.execPath, ["test/bench/gateway/plain-apollo.ts"], {
    cwd: projectFolder,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      const found = /is ready: (\S+)/.exec((text += chunk.toString()));
      if (found) resolve(found[1]!);
    });
    child.once("exit", () => reject(new Error(`the plain server ended: ${text}`)));
  });
  return { served: { name: "plain Apollo Server", url, pid: child.pid! }, process: child };
}

const home = await mkdtemp(join(tmpdir(), "tributary-bench-"));
const sandbox = runTributary(["sandbox"], { SANDBOX_PORT: "0", SANDBOX_QUOTAS: "off" });
const [, origin] = await sandbox.until(/Sandbox is ready: (\S+)/);
const environment = Object.fromEntries(
  [...sandbox.output().matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]),
);
const tributary = runTributary(["serve"], { ...environment, PORT: "0", TRIBUTARY_HOME: home, LOG_FILE: join(home, "log") });
const [, url] = await tributary.until(/Tributary is ready: (\S+)/);
const plain = await startPlain(environment);
try {
  const servers = [{ name: "Tributary", url: url!, pid: tributary.process.pid! }, plain.served] as const;
  await compareAnswers(servers);
  await compareSpeed(servers, origin!);
  await watchMemory(servers[0]);
} finally {
  plain.process.kill();
  await tributary.stop();
  await sandbox.stop();
  await rm(home, { recursive: true, force: true });
}
