import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DeliveryCounts } from "../../src/sandbox/deliveries.ts";
import { startSandbox } from "../../src/sandbox/server.ts";
import { readConfig } from "../../src/app/config.ts";
import { createProduct, type Product } from "../../src/app/product.ts";
import { discoverImitations, discoverSources } from "../../src/app/registry.ts";
import type { Logger } from "../../src/core/ports.ts";
import { type Catalog, createCatalog } from "../../src/source/catalog.ts";
import { createServer } from "../../src/server/server.ts";

/** A log line as a test sees it. */
export interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Data whose shape a test knows from the query that it sent; the one place where anything goes. */
// oxlint-disable-next-line typescript/no-explicit-any -- answers are walked freely, an expectation checks what is found
export type Loose = any;

/** The answer to a GraphQL request. */
export interface Answer {
  readonly status: number;
  readonly data: Loose;
  readonly errors: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly extensions: Record<string, unknown>;
  }[];
  readonly extensions: Record<string, unknown>;
}

export interface WorldOptions {
  readonly customers?: number;
  readonly seed?: number;
  readonly quotas?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
  readonly hasExplorer?: boolean;
  /** Whether the customer index is filled before the world is given out. */
  readonly isFilled?: boolean;
  /** Whether the sources' streams are read; else only what a test does asks them. */
  readonly hasStreams?: boolean;
  /** In place of what the declarations say. */
  readonly maxMirrored?: number;
  /** Streams that the server keeps open at most. */
  readonly maxStreams?: number;
}

/** With the bound on what the mirror holds of each collection replaced. */
const boundedTo = ({ sources }: Catalog, maxMirrored: number): Catalog =>
  createCatalog(
    sources.map(source => ({
      ...source,
      collections: Object.fromEntries(
        Object.entries(source.collections).map(([name, collection]) => [
          name,
          { ...collection, freshness: { ...collection.freshness, maxMirrored } },
        ]),
      ),
    })),
  );

const withoutStreams = ({ sources }: Catalog): Catalog =>
  createCatalog(sources.map(({ streams: _streams, ...source }) => source));

/** A sandbox and a graph over it, on loopback, with everything kept in memory. */
export async function startWorld(options: WorldOptions = {}) {
  const imitations = await discoverImitations();
  const sandbox = await startSandbox({
    port: 0,
    seed: options.seed ?? 1,
    customers: options.customers ?? 80,
    quotas: options.quotas ?? true,
    imitations,
  });
  const environment = { ...sandbox.environment, ...options.environment };
  const lines: Line[] = [];
  const given = options.environment?.["TRIBUTARY_HOME"];
  const home = given ?? (await mkdtemp(join(tmpdir(), "world-")));
  const config = readConfig({ ...environment, TRIBUTARY_HOME: home, EXPLORER: "off" });
  const declared = await discoverSources();
  const catalog = options.maxMirrored === undefined ? declared : boundedTo(declared, options.maxMirrored);
  const product: Product = await createProduct({
    config,
    catalog: options.hasStreams ? catalog : withoutStreams(catalog),
    environment,
    logger: recorder(lines),
    storeFolder: null,
  });
  if (options.isFilled !== false) await product.refresher.start();
  const readiness = async () => ({ isReady: true });
  await product.intake.start();
  let address = "";
  const { gateway, engine, meter } = product;
  const server = createServer({
    gateway,
    engine,
    meter,
    logger: recorder(lines),
    allowedHosts: config.allowedHosts,
    deadlineMs: config.deadlineMs,
    hasExplorer: options.hasExplorer ?? false,
    readiness,
    ...(options.maxStreams !== undefined && { maxStreams: options.maxStreams }),
    webhooks: { receive: (source, delivery) => product.intake.receive(source, delivery), publicUrl: () => address },
    inbox: {
      intake: product.intake,
      door: { scope: "intake", code: "ACCESS_INTAKE", variable: "INTAKE_TOKEN", token: null, isLoopback: true },
    },
  });
  address = await server.listen({ host: "127.0.0.1", port: 0 });
  const control = (path: string, method = "GET", body?: object) =>
    fetch(`${sandbox.origin}/__control/${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  const calls = async (): Promise<Record<string, number>> => {
    const counts = (await (await control("calls")).json()) as Record<string, Record<string, Record<string, number>>>;
    return Object.fromEntries(
      Object.entries(counts).map(([source, routes]) => [source, sum(Object.values(routes).flatMap(Object.values))]),
    );
  };
  return {
    product,
    sandbox,
    environment,
    lines,
    /** Has a source's webhooks called here. */
    async hear(source: string, more: object = {}): Promise<void> {
      const secret = environment[`${source.toUpperCase()}_WEBHOOK_SECRET`];
      const response = await control(`deliveries/${source}`, "PUT", { url: `${address}/webhooks/${source}`, secret, ...more });
      if (!response.ok) throw new Error(await response.text());
    },
    /** Changes records of a source at random. */
    change: async (source: string, count: number, seed = 1) => void (await control("changes", "POST", { source, count, seed })),
    deliveries: async () => (await (await control("deliveries")).json()) as Record<string, DeliveryCounts>,
    url: `${address}/graphql`,
    address,
    ask: (query: string, variables: object = {}, headers: Record<string, string> = {}) =>
      ask(`${address}/graphql`, query, variables, headers),
    calls,
    /** The requests, by source, that the work caused; sources that got none are there with 0. */
    async callsDuring(work: () => Promise<unknown>): Promise<Record<string, number>> {
      const before = await calls();
      await work();
      return Object.fromEntries(Object.entries(await calls()).map(([source, count]) => [source, count - (before[source] ?? 0)]));
    },
    /** Forgets counts, faults, quotas and tokens of the sandbox. */
    reset: () => control("reset", "POST"),
    async fault(fault: object): Promise<void> {
      const response = await control("faults", "POST", fault);
      if (!response.ok) throw new Error(`fault refused: ${await response.text()}`);
    },
    heal: () => control("faults", "DELETE"),
    async close(): Promise<void> {
      await server.close();
      await product.close();
      await sandbox.close();
      if (given === undefined) await rm(home, { recursive: true, force: true });
    },
  };
}

export type TestWorld = Awaited<ReturnType<typeof startWorld>>;

async function ask(url: string, query: string, variables: object, headers: Record<string, string>): Promise<Answer> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json", ...headers },
    body: JSON.stringify({ query, variables }),
  });
  const body = (await response.json()) as Partial<Answer>;
  return { status: response.status, data: body.data ?? {}, errors: body.errors ?? [], extensions: body.extensions ?? {} };
}

/** A logger that says nothing. */
export const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

function recorder(lines: Line[]): Logger {
  const write = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: { ...fields } });
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
