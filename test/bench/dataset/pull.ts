import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { pullSandbox, startSandbox } from "./sandbox.ts";

/**
 * What a pull costs when the source is not what it waits for: the sandbox in a process of its own, its quotas and the declared limits lifted. The
 * figure is records for each second of processor time of the pulling process, with compression and encryption, which run beside it.
 */
const customers = Number(process.argv[2] ?? 5_000);
const only = process.argv[3]?.split(",");
const ROUNDS = 3;

async function sizeOf(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true });
  const sizes = await Promise.all(
    names.filter(name => name.includes(".zst")).map(async name => (await stat(`${folder}/${name}`)).size),
  );
  return sizes.reduce((total, size) => total + size, 0);
}

async function round(environment: Record<string, string>) {
  const home = await mkdtemp(`${tmpdir()}/tributary-bench-`);
  const [startedAtMs, cpuBefore] = [performance.now(), process.cpuUsage()];
  const { verdicts } = await pullSandbox(environment, home, only);
  const { user, system } = process.cpuUsage(cpuBefore);
  const wallS = (performance.now() - startedAtMs) / 1_000;
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

const sandbox = await startSandbox(customers);
try {
  for (let number = 1; number <= ROUNDS; number++) console.log(JSON.stringify(await round(sandbox.environment)));
  console.log(`resident memory at most: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
} finally {
  sandbox.stop();
}
