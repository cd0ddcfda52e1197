import type { Redis } from "ioredis";
import { type FillParts, learnFields } from "../intake/fill.ts";
import { systemClock, type Logger, type Clock, type Meter } from "../core/ports.ts";
import { datasetViews } from "../pipeline/dataset-views.ts";
import { createEngine, type Engine } from "../gateway/engine.ts";
import { Gateway } from "../gateway/gateway.ts";
import { loadSchema } from "../gateway/schema.ts";
import { resolvers } from "../../resolvers/index.ts";
import type { Catalog } from "../source/catalog.ts";
import { PrometheusMeter } from "../server/metrics.ts";
import { CustomerIndex } from "../store/customer-index.ts";
import { type Database, openDatabase } from "../store/database.ts";
import { FieldShapes } from "../store/field-shapes.ts";
import { IdentityDecisions } from "../store/identity-decisions.ts";
import { Mirror } from "../store/mirror.ts";
import { FileTokenStore } from "../store/file-token-store.ts";
import { RedisLedger } from "../store/redis-ledger.ts";
import { RedisReplicas } from "../store/redis-replicas.ts";
import { RedisTokenStore } from "../store/redis-token-store.ts";
import { DriftLog } from "../upstream/drift/drift-log.ts";
import { Upstream } from "../upstream/upstream.ts";
import { baseUrlOf, type Config, proxyOf } from "./config.ts";
import { Refresher } from "./refresher.ts";
import { openRedis } from "./redis.ts";
import { ConfiguredSecrets } from "./secrets.ts";
import { openStore } from "./store-place.ts";
import { schemaFolder } from "./registry.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Everything of one process, put together. */
export interface Product {
  readonly catalog: Catalog;
  readonly upstreamOf: (source: string) => Upstream;
  readonly gateway: Gateway;
  readonly engine: Engine;
  readonly refresher: Refresher;
  readonly meter: PrometheusMeter;
  readonly store: Pick<Database, "description" | "query">;
  close(): Promise<void>;
}

export interface ProductOptions {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly environment: Environment;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** What replicas share; each is on its own without it. */
  readonly redis?: Redis;
  /** In place of the store that the settings name; null keeps it in memory. */
  readonly storeFolder?: string | null;
}

/** Puts the parts together. Nothing is asked of a source yet, so that a source that is down keeps nobody from starting. */
export async function createProduct(options: ProductOptions): Promise<Product> {
  const { config, catalog, logger } = options;
  const clock = options.clock ?? systemClock;
  const redis = options.redis ?? openRedis(config.redisUrl, logger);
  const meter = new PrometheusMeter();
  const upstreams = createUpstreams({ ...options, ...(redis && { redis }), meter });
  const upstreamOf = (source: string) => upstreams.get(source)!;
  const { storeFolder } = options;
  const database = await (storeFolder === undefined ? openStore(config, options.environment, logger) : openDatabase(storeFolder));
  const mirror = new Mirror(database);
  const index = new CustomerIndex(database);
  const shapes = new FieldShapes(database);
  const drift = { log: new DriftLog({ clock, logger, meter }), shapes };
  await learnFields(drift, catalog.entries);
  const gateway = new Gateway({
    catalog,
    datasets: datasetViews(config.home),
    upstreamOf,
    mirror,
    index,
    clock,
    drift: drift.log,
  });
  const schema = await loadSchema(schemaFolder, resolvers);
  const { limits, hasIntrospection, hasSuggestions } = config;
  const engine = await createEngine({ schema, catalog, limits, logger, hasIntrospection, hasSuggestions });
  const decisions = new IdentityDecisions(config.home);
  const parts: FillParts = { catalog, upstreamOf, mirror, index, drift, clock, logger, decisions: () => decisions.list() };
  const refresher = new Refresher(parts, database, config.refreshMs, ({ collection, error }) =>
    gateway.noteFill(collection, error?.message ?? null),
  );
  return {
    catalog,
    upstreamOf,
    gateway,
    engine,
    refresher,
    meter,
    store: database,
    async close() {
      await refresher.stop();
      await engine.stop();
      await Promise.all([...upstreams.values()].map(upstream => upstream.close()));
      await database.close();
      if (options.redis === undefined) redis?.disconnect();
    },
  };
}

type UpstreamsOptions = Omit<ProductOptions, "storeFolder" | "config"> & {
  readonly config: Pick<Config, "home"> & Partial<Pick<Config, "replicas">>;
  readonly meter?: Meter;
};

/** One upstream for each source, by name. */
export function createUpstreams({
  config,
  catalog,
  environment,
  logger,
  clock,
  redis,
  meter,
}: UpstreamsOptions): Map<string, Upstream> {
  const tokens = redis ? new RedisTokenStore(redis) : new FileTokenStore(config.home);
  const secrets = new ConfiguredSecrets(environment, logger);
  const proxy = proxyOf(environment);
  const replicas = redis && new RedisReplicas(redis, config.replicas);
  return new Map(
    catalog.sources.map(source => {
      const baseUrl = baseUrlOf(source, environment);
      const account = `${source.name}@${new URL(baseUrl).host}`;
      const options = {
        baseUrl,
        proxy,
        secrets,
        tokens,
        clock: clock ?? systemClock,
        random: Math.random,
        logger,
        ...(meter && { meter }),
        ...(replicas && { ledger: new RedisLedger(redis, { account, replicas }) }),
      };
      return [source.name, new Upstream(source, options)];
    }),
  );
}
