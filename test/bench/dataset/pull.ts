import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createUpstreams } from "../../../src/app/product.ts";
import { discoverSources } from "../../../src/app/registry.ts";
import type { Logger } from "../../../src/core/ports.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { createCatalog } from "../../../src/source/catalog.ts";
import type { Source } from "../../../src/source/define-source.ts";

/**
 * What a pull costs when the source is not what it waits for: the sandbox in a process of its own, its quotas and the declared limits lifted. The
 * figure is records for each second of processor time of the pulling process, with compression and encryption, which run beside it.
 */
const customers = Number(process.argv[2] ?? 5_000);
const only = process.argv[3]?.split(",");
const ROUNDS = 3;

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

async function startSandbox() {
  const main = new URL("../../../src/app/main.ts", import.meta.url);
  const settings = { SANDBOX_PORT: "0", SANDBOX_QUOTAS: "off", SANDBOX_CUSTOMERS: String(customers) };
  const child = fork(main, ["sandbox"], { env: { ...process.env, ...settings }, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const [{ environment }] = (await once(child, "message")) as [{ environment: Record<string, string> }];
  return { environment, stop: () => child.kill("SIGTERM") };
}

const withoutLimits = (source: Source): Source => ({ ...source, client: { ...source.client, limits: [], concurrency: 64 } });

async function sizeOf(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true });
  const sizes = await Promise.all(
    names.filter(name => name.includes(".zst")).map(async name => (await stat(`${folder}/${name}`)).size),
  );
  return sizes.reduce((total, size) => total + size, 0);
}

async function round(environment: Record<string, string>) {
  const { sources } = await discoverSources();
  const catalog = createCatalog(sources.map(withoutLimits));
  const home = await mkdtemp(`${tmpdir()}/tributary-bench-`);
  const upstreams = createUpstreams({ config: { home }, catalog, environment, logger: silent });
  const [startedAtMs, cpuBefore] = [performance.now(), process.cpuUsage()];
  const chosen = only === undefined ? {} : { only };
  const { verdicts } = await pull({ catalog, upstreams: name => upstreams.get(name)!, home, ...chosen });
  const { user, system } = process.cpuUsage(cpuBefore);
  const wallS = (performance.now() - startedAtMs) / 1_000;
  await Promise.all([...upstreams.values()].map(upstream => upstream.close()));
  const rawMiB = (await sizeOf(`${home}/raw`)) / 1024 ** 2;
  await rm(home, { recursive: true });
  const sum = (of: (verdict: (typeof verdicts)[number]) => number) => verdicts.reduce((total, each) => total + of(each), 0);
  const [records, pages] = [sum(each => each.records), sum(each => each.pages)];
  const cpuS = (user + system) / 1e6;
  const isComplete = verdicts.every(({ verdict }) => verdict === "complete");
  return {
    records,
    pages,
    isComplete,
    rawMiB,
    wallS,
    cpuS,
    perCoreSecond: Math.round(records / cpuS),
    perSecond: Math.round(records / wallS),
  };
}

const sandbox = await startSandbox();
try {
  for (let number = 1; number <= ROUNDS; number++) console.log(JSON.stringify(await round(sandbox.environment)));
  console.log(`resident memory at most: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
} finally {
  sandbox.stop();
}
