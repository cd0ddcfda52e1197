import { fork } from "node:child_process";
import { once } from "node:events";
import { createUpstreams } from "../../../src/app/product.ts";
import { discoverSources } from "../../../src/app/registry.ts";
import type { Logger } from "../../../src/core/ports.ts";
import { pull, type PullResult } from "../../../src/pipeline/pull.ts";
import { createCatalog } from "../../../src/source/catalog.ts";
import type { Source } from "../../../src/source/define-source.ts";

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** A sandbox in a process of its own, its quotas lifted. */
export async function startSandbox(customers: number) {
  const main = new URL("../../../src/app/main.ts", import.meta.url);
  const settings = { SANDBOX_PORT: "0", SANDBOX_QUOTAS: "off", SANDBOX_CUSTOMERS: String(customers) };
  const child = fork(main, ["sandbox"], { env: { ...process.env, ...settings }, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const [{ environment }] = (await once(child, "message")) as [{ environment: Record<string, string> }];
  return { environment, stop: () => child.kill("SIGTERM") };
}

const withoutLimits = (source: Source): Source => ({ ...source, client: { ...source.client, limits: [], concurrency: 64 } });

/** Every source as it is declared, but for the limits of its client. */
export async function unlimitedCatalog() {
  const { sources } = await discoverSources();
  return createCatalog(sources.map(withoutLimits));
}

/** Pulls a sandbox into a home: every source, unless some are named. */
export async function pullSandbox(
  environment: Record<string, string>,
  home: string,
  only?: readonly string[],
): Promise<PullResult> {
  const catalog = await unlimitedCatalog();
  const upstreams = createUpstreams({ config: { home }, catalog, environment, logger: silent });
  try {
    return await pull({ catalog, upstreams: name => upstreams.get(name)!, home, ...(only && { only }) });
  } finally {
    await Promise.all([...upstreams.values()].map(upstream => upstream.close()));
  }
}
