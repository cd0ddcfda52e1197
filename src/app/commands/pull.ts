import { type CollectionVerdict, pull } from "../../pipeline/pull.ts";
import { type Config, readConfig } from "../config.ts";
import { exitCodeOf } from "../exit-codes.ts";
import { createLogger } from "../logger.ts";
import { createUpstreams } from "../product.ts";
import { showProgress } from "../progress.ts";
import { rawKeyOption } from "../raw-key.ts";
import { openRedis } from "../redis.ts";
import { discoverSources } from "../registry.ts";
import { abortOnSignal } from "../until-stopped.ts";

/** What may be asked of a pull. */
export interface PullFlags {
  /** Everything is listed, also where what changed would do. */
  readonly full?: boolean;
  /** What is not listed any more is gone, however much that is. */
  readonly acceptDeletions?: boolean;
}

/** Lists every collection of the named sources (all unless named) and keeps the responses; exits with 2 when one is not complete, 3 when only quotas are spent. */
export async function pullCommand(names: readonly string[], options: PullFlags & { json?: boolean }): Promise<void> {
  const verdicts = await pullSources(readConfig(process.env), { ...options, names, signal: abortOnSignal() });
  if (options.json) console.log(JSON.stringify({ verdicts }));
  else printVerdicts(verdicts);
  process.exitCode = exitCodeOf(verdicts);
}

export function printVerdicts(verdicts: readonly CollectionVerdict[]): void {
  for (const verdict of verdicts) console.log(lineOf(verdict));
}

/** Pulls the named sources (all when none is named), with everything that takes put together from the settings. */
export async function pullSources(
  config: Config,
  {
    names,
    signal,
    full = false,
    acceptDeletions = false,
  }: PullFlags & { readonly names: readonly string[]; readonly signal: AbortSignal },
): Promise<readonly CollectionVerdict[]> {
  const catalog = await discoverSources();
  const logger = createLogger(config.logLevel, config.logFile ?? `${config.home}/tributary.log`);
  const key = rawKeyOption(process.env, logger);
  const redis = openRedis(config.redisUrl, logger);
  const upstreams = createUpstreams({ config, catalog, environment: process.env, logger, ...(redis && { redis }) });
  const progress = showProgress();
  signal.addEventListener("abort", () =>
    process.stderr.write("Stopping: what came is kept, and the next pull goes on from there.\n"),
  );
  try {
    const wanted = { isFull: full, acceptsDeletions: acceptDeletions };
    const only = names.length === 0 ? {} : { only: names };
    const { home, retention } = config;
    const parts = { catalog, upstreams: (source: string) => upstreams.get(source)!, home, retention, ...wanted, ...key, ...only };
    return (await pull({ ...parts, signal, onProgress: progress.show })).verdicts;
  } finally {
    progress.end();
    await Promise.all([...upstreams.values()].map(upstream => upstream.close()));
    redis?.disconnect();
  }
}

function lineOf({ source, collection, verdict, records, pages, reason, ...more }: CollectionVerdict): string {
  const why = reason === undefined ? "" : ` (${reason.code}: ${reason.message})`;
  const kept = more.keptPages === 0 ? "" : `, ${more.keptPages} of them kept from the pull that broke off`;
  const anew = more.startedAnew === undefined ? "" : `; read anew, not from where the last pull broke off: ${more.startedAnew}`;
  const pause = more.pausedUntil === undefined ? "" : `, paused until ${more.pausedUntil}`;
  const next = more.mayGoOn && pages > 0 ? "; the next pull goes on from here" : "";
  const since =
    more.increment === undefined ? "" : ` that changed since ${more.increment.since}${blindTo(more.increment.mayMiss)}`;
  const full = more.fullBecause === undefined ? "" : `; all of it, because ${more.fullBecause}`;
  return `${source}.${collection}: ${verdict}, ${records} records in ${pages} pages${since}${kept}${pause}${why}${full}${anew}${next}`;
}

const blindTo = (things: readonly string[]): string =>
  things.length === 0 ? "" : ` (${things.join(", ")} are seen by the next full pull)`;
