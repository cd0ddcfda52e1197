import type { Redis } from "ioredis";
import { type FillParts, learnFields } from "../intake/fill.ts";
import { Intake } from "../intake/intake.ts";
import { tellFindings } from "../intake/reconcile.ts";
import { Relations } from "../intake/relations.ts";
import { Completeness } from "../store/completeness.ts";
import { type Change, type ChangeFeed, LocalChanges } from "../core/changes.ts";
import { Secret } from "../core/secret.ts";
import type { Source } from "../source/define-source.ts";
import { kafkaBrokersVariable } from "../source/streams.ts";
import type { ExchangeOptions } from "../upstream/exchange.ts";
import { createStreamExchange } from "../upstream/stream-exchange.ts";
import { webhookSecretVariable } from "../source/webhooks.ts";
import { Inbox } from "../store/inbox.ts";
import { RawStore } from "../store/raw/raw-store.ts";
import { RedisChanges } from "../store/redis-changes.ts";
import { rawKeyOption } from "./raw-key.ts";
import { systemClock, type Logger, type Clock, type Meter } from "../core/ports.ts";
import { datasetViews } from "../pipeline/dataset-views.ts";
import { createEngine, type Engine } from "../gateway/engine.ts";
import { Gateway } from "../gateway/gateway.ts";
import { WriteBehind } from "../gateway/write-behind.ts";
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
  readonly relations: Relations;
  readonly intake: Intake;
  readonly changes: ChangeFeed;
  readonly meter: PrometheusMeter;
  readonly store: Pick<Database, "description" | "query" | "jobs">;
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
  const changes = redis ? new RedisChanges(redis, logger) : new LocalChanges();
  const completeness = new Completeness(database);
  const writeBehind = new WriteBehind({
    mirror,
    clock,
    logger,
    onFound: async (entry, changed) => {
      const isFirst = (await mirror.asOf(entry.id)) === undefined;
      await tellFindings({ completeness, clock, onChanges }, entry, { changed, deleted: [] }, isFirst);
    },
  });
  const datasets = datasetViews(config.home);
  const gateway = new Gateway({
    completeness,
    changes,
    onRead: (entry, records) => writeBehind.add(entry, records),
    catalog,
    datasets,
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
  const onChanges = (some: readonly Change[]) => {
    changes.publish(some);
    if (some.some(({ entity }) => entity === "Customer")) refresher.reindexSoon();
  };
  const parts: FillParts = {
    catalog,
    upstreamOf,
    mirror,
    index,
    drift,
    clock,
    logger,
    decisions: () => decisions.list(),
    onFound: (entry, finding, isFirst) => tellFindings({ completeness, clock, onChanges }, entry, finding, isFirst),
  };
  changes.subscribe(
    some => gateway.forget(some),
    () => gateway.clear(),
  );
  const refresher = new Refresher(parts, database, config.refreshMs, ({ collection, error }) =>
    gateway.noteFill(collection, error?.message ?? null),
  );
  const exclusively = <T>(name: string, work: () => Promise<T>) => database.exclusively(name, work);
  const exchangeOf = exchangeOptions({ ...options, ...(redis && { redis }) });
  const intake = new Intake({
    catalog,
    upstreamOf,
    mirror,
    inbox: new Inbox(database),
    isShared: database.isShared,
    raw: new RawStore(config.home, rawKeyOption(options.environment, logger).rawKey),
    webhookSecrets: webhookSecretsOf(options.environment, logger),
    streamExchangeOf: source => createStreamExchange(source, exchangeOf(source)),
    kafkaOf: source => ({
      brokers: (options.environment[kafkaBrokersVariable(source.name)] ?? "").split(",").flatMap(broker => broker.trim() || []),
      secrets: new ConfiguredSecrets(options.environment, logger),
    }),
    onChanges,
    fill: parts,
    completeness,
    exclusively,
    clock,
    random: Math.random,
    logger,
    meter,
  });
  const relations = new Relations({ fill: parts, completeness, clock, logger, exclusively });
  return {
    catalog,
    upstreamOf,
    gateway,
    engine,
    refresher,
    relations,
    intake,
    changes,
    meter,
    store: database,
    async close() {
      await intake.stop();
      await relations.stop();
      await refresher.stop();
      await writeBehind.stop();
      await changes.close();
      await engine.stop();
      await datasets.close();
      await Promise.all([...upstreams.values()].map(upstream => upstream.close()));
      await database.close();
      if (options.redis === undefined) redis?.disconnect();
    },
  };
}

/** The secrets of a source's webhooks: several, with commas between, while one is replaced. */
function webhookSecretsOf(environment: Environment, logger: Logger): (source: Source) => readonly Secret[] {
  const secrets = new ConfiguredSecrets(environment, logger);
  return ({ name }) => {
    const variable = webhookSecretVariable(name);
    if (secrets.originOf(variable) === undefined) return [];
    const texts = secrets.read(variable).reveal().split(",");
    return texts.flatMap(text => (text.trim() === "" ? [] : new Secret(text.trim())));
  };
}

type UpstreamsOptions = Omit<ProductOptions, "storeFolder" | "config"> & {
  readonly config: Pick<Config, "home"> & Partial<Pick<Config, "replicas">>;
  readonly meter?: Meter;
};

/** How each source is spoken to: where it is, with which secrets, tokens and proxy. */
function exchangeOptions({
  config,
  environment,
  logger,
  clock = systemClock,
  redis,
}: Pick<UpstreamsOptions, "config" | "environment" | "logger" | "clock" | "redis">): (source: Source) => ExchangeOptions {
  const tokens = redis ? new RedisTokenStore(redis) : new FileTokenStore(config.home);
  const secrets = new ConfiguredSecrets(environment, logger);
  const proxy = proxyOf(environment);
  return source => ({ baseUrl: baseUrlOf(source, environment), proxy, secrets, tokens, clock, logger });
}

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
  const exchangeOf = exchangeOptions({ config, environment, logger, ...(clock && { clock }), ...(redis && { redis }) });
  const replicas = redis && new RedisReplicas(redis, config.replicas);
  return new Map(
    catalog.sources.map(source => {
      const exchange = exchangeOf(source);
      const account = `${source.name}@${new URL(exchange.baseUrl).host}`;
      const options = {
        ...exchange,
        random: Math.random,
        ...(meter && { meter }),
        ...(replicas && { ledger: new RedisLedger(redis, { account, replicas }) }),
      };
      return [source.name, new Upstream(source, options)];
    }),
  );
}
