import { type CollectionVerdict, pull } from "../../pipeline/pull.ts";
import { readConfig } from "../config.ts";
import { createLogger } from "../logger.ts";
import { createUpstreams } from "../product.ts";
import { openRedis } from "../redis.ts";
import { discoverSources } from "../registry.ts";
import { abortOnSignal } from "../until-stopped.ts";
import { showProgress } from "../progress.ts";

/** Some collection could not be read to its end. */
const EXIT_PARTIAL = 2;

/** Lists every collection of the named sources (all unless named) and keeps the responses; exits with 2 when one is not complete. */
export async function pullCommand(names: readonly string[], options: { json?: boolean }): Promise<void> {
  const config = readConfig(process.env);
  const catalog = await discoverSources();
  const logger = createLogger(config.logLevel, config.logFile ?? `${config.home}/tributary.log`);
  const redis = openRedis(config.redisUrl, logger);
  const upstreams = createUpstreams({ config, catalog, environment: process.env, logger, ...(redis && { redis }) });
  const only = names.length === 0 ? {} : { only: names };
  try {
    const signal = abortOnSignal();
    const { verdicts } = await pull({
      catalog,
      upstreams: source => upstreams.get(source)!,
      home: config.home,
      signal,
      onProgress: showProgress,
      ...only,
    });
    if (options.json) console.log(JSON.stringify({ verdicts }));
    else for (const verdict of verdicts) console.log(lineOf(verdict));
    if (verdicts.some(({ verdict }) => verdict !== "complete")) process.exitCode = EXIT_PARTIAL;
  } finally {
    await Promise.all([...upstreams.values()].map(upstream => upstream.close()));
    redis?.disconnect();
  }
}

function lineOf({ source, collection, verdict, records, pages, reason }: CollectionVerdict): string {
  const why = reason === undefined ? "" : ` (${reason.code}: ${reason.message})`;
  return `${source}.${collection}: ${verdict}, ${records} records in ${pages} pages${why}`;
}
