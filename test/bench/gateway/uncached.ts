/**
 * The graph with nothing kept in memory from one request to the next: what its policies cost without what they save. Every call is really made, so the
 * sources' declared budgets bound how often it can be asked.
 */
import { readConfig } from "../../../src/app/config.ts";
import { createLogger } from "../../../src/app/logger.ts";
import { createProduct } from "../../../src/app/product.ts";
import { discoverSources } from "../../../src/app/registry.ts";
import { untilStopped } from "../../../src/app/until-stopped.ts";
import { createServer } from "../../../src/server/server.ts";

const config = readConfig(process.env);
const logger = createLogger(config.logLevel, config.logFile);
const product = await createProduct({ config, catalog: await discoverSources(), environment: process.env, logger });
await product.refresher.start();
const { gateway, engine } = product;
const { deadlineMs } = config;
const readiness = async () => ({ isReady: true });
const server = createServer({ gateway, engine, logger, deadlineMs, allowedHosts: null, hasExplorer: false, readiness });
server.addHook("onRequest", async () => gateway.clear());
const address = await server.listen({ host: config.host, port: config.port });
const stopped = untilStopped();
console.log(`The uncached graph is ready: ${address}/graphql`);
await stopped;
await server.close();
await product.close();
