import { setTimeout as sleep } from "node:timers/promises";
import { createServer } from "../../server/server.ts";
import { asError, ConfigError } from "../../core/errors.ts";
import { type Config, readConfig } from "../config.ts";
import { createLogger } from "../logger.ts";
import { createProduct, type Product } from "../product.ts";
import type { Refreshed } from "../refresher.ts";
import { discoverSources } from "../registry.ts";
import { exportsOf } from "../exports.ts";
import { doorOf } from "../door.ts";
import { ConfiguredSecrets } from "../secrets.ts";
import { untilStopped } from "../until-stopped.ts";

/** The first reading of the sources may keep the start waiting this long, in ms; then it goes on beside the service. */
const FIRST_FILL_MS = 10_000;

type Environment = Readonly<Record<string, string | undefined>>;

/** Serves the graph over the sources that the environment names, until it is stopped. */
export async function serve(): Promise<void> {
  const config = readConfig(process.env);
  await serveGraph(config, process.env);
}

/** What who starts the graph does beside it. */
export interface ServeHooks {
  /** Once the store is this process's own. */
  readonly onOpen?: () => Promise<void>;
  /** Once it listens, at this address. */
  readonly onListening?: (address: string) => Promise<void>;
}

/** Starts the graph, says when it is ready, and runs it until a signal; then finishes what runs. */
export async function serveGraph(config: Config, environment: Environment, hooks: ServeHooks = {}): Promise<void> {
  const logger = createLogger(config.logLevel, config.logFile);
  const product = await createProduct({ config, catalog: await discoverSources(), environment, logger });
  console.log(`Store: ${product.store.description}`);
  await hooks.onOpen?.();
  const state = { isStopping: false };
  const readiness = () => readinessOf(product, state.isStopping);
  const { deadlineMs, hasExplorer, allowedHosts } = config;
  const jobs = product.store.jobs(logger);
  const server = createServer({
    gateway: product.gateway,
    engine: product.engine,
    meter: product.meter,
    logger,
    deadlineMs,
    hasExplorer,
    allowedHosts,
    readiness,
    exports: exportsOf(config, environment, logger),
    webhooks: {
      receive: (source, delivery) => product.intake.receive(source, delivery),
      publicUrl: () => publicUrlOf(config, server),
    },
    inbox: {
      intake: product.intake,
      door: doorOf(
        { scope: "intake", code: "ACCESS_INTAKE", variable: "INTAKE_TOKEN" },
        config.isLoopback,
        new ConfiguredSecrets(environment, logger),
      ),
    },
  });
  try {
    const stopped = untilStopped();
    void stopped.then(() => (state.isStopping = true));
    await product.intake.start();
    await jobs.start(product.intake.jobs());
    await Promise.race([fillFirst(product), stopped, sleep(FIRST_FILL_MS, undefined, { ref: false })]);
    if (!state.isStopping) {
      const missing = await product.gateway.unindexed();
      if (missing.length > 0) console.log(`Not in the index yet: ${missing.join(", ")}. Answers say so until they are.`);
      const address = await listen(server, config);
      await hooks.onListening?.(address);
      console.log(`Tributary is ready: ${address}/graphql`);
    }
    await stopped;
    console.log("Stopping: finishing what runs.");
  } finally {
    await server.close();
    await jobs.stop();
    await product.close();
  }
}

async function readinessOf(product: Product, isStopping: boolean) {
  const { gateway, store } = product;
  const facts = { store: store.description, budgets: await budgetsOf(product) };
  try {
    await store.query("SELECT 1");
    return { isReady: !isStopping, unindexed: await gateway.unindexed(), ...facts };
  } catch (thrown) {
    return { isReady: false, ...facts, problem: asError(thrown).message };
  }
}

/** How the limits of the sources are kept: the worst of them. */
async function budgetsOf({ catalog, upstreamOf }: Product): Promise<string> {
  const all = await Promise.all(catalog.sources.map(async ({ name }) => (await upstreamOf(name).status()).sharing));
  const lost = all.find(({ mode }) => mode === "fallback");
  if (lost) return `in this process, one part in ${lost.replicas}, because Redis cannot be reached`;
  const shared = all.find(({ mode }) => mode === "shared");
  return shared ? `shared through Redis by ${shared.replicas} processes` : "in this process";
}

/** Reads who is who from every source, and says how that went. A source that is down is tried again in the background. */
async function fillFirst(product: Product): Promise<void> {
  const sources = product.catalog.sources.map(source => source.name).join(", ");
  console.log(`Reading customers from ${sources} …`);
  await product.refresher.start(printResult);
  product.relations.start();
  if (!product.refresher.isStopped) console.log(`${await product.gateway.index.count({})} customers in the index.`);
}

function printResult(result: Refreshed): void {
  if (!("records" in result)) {
    console.log(`  ${result.collection}: another process has read it just now`);
    return;
  }
  const { collection, isComplete, records, broken, dropped, error } = result;
  const odd = [broken > 0 && `${broken} left out: they break their contract`, dropped > 0 && `${dropped} gone`].filter(Boolean);
  const outcome = isComplete
    ? [`${records} records`, ...odd].join(", ")
    : `not readable now (${error?.code}: ${error?.message}); trying again in the background`;
  console.log(`  ${collection}: ${outcome}`);
}

/** Under which sources reach the server: as it was set, else where it listens. */
function publicUrlOf({ publicUrl, host, port }: Config, server: ReturnType<typeof createServer>): string {
  const address = server.server.address();
  return publicUrl ?? `http://${host}:${address !== null && typeof address === "object" ? address.port : port}`;
}

async function listen(server: ReturnType<typeof createServer>, config: Config): Promise<string> {
  try {
    return await server.listen({ host: config.host, port: config.port });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") throw cause;
    throw new ConfigError("CONFIG_INVALID", `port ${config.port} is in use: stop what uses it, or set PORT`, { cause });
  }
}
