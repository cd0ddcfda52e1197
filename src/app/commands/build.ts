import { build, type BuildResult } from "../../pipeline/build.ts";
import { RequestError } from "../../core/errors.ts";
import { type Config, readConfig } from "../config.ts";
import { lineageOption } from "../lineage-endpoint.ts";
import { createLogger } from "../logger.ts";
import { showProgress } from "../progress.ts";
import { rawKeyOption } from "../raw-key.ts";
import { discoverSources } from "../registry.ts";
import { abortOnSignal } from "../until-stopped.ts";

/** Makes the tables from the responses that were pulled; asks no source. */
export async function buildCommand(options: { json?: boolean; asOf?: string }): Promise<void> {
  const asOf = options.asOf === undefined ? null : momentOf(options.asOf);
  const result = await buildTables(readConfig(process.env), abortOnSignal(), asOf);
  if (options.json) console.log(JSON.stringify(result));
  else printResult(result);
}

/** A day means its end, UTC. Throws `REQUEST_INVALID` for what is no moment, and for one that is still to come. */
function momentOf(text: string): string {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const atMs = /^\d{4}-\d{2}-\d{2}(T.*(Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? Date.parse(isDay ? `${text}T23:59:59.999Z` : text)
    : Number.NaN;
  if (Number.isNaN(atMs))
    throw new RequestError("REQUEST_INVALID", "--as-of takes a day such as 2026-10-01 or a moment such as 2026-10-01T09:00:00Z");
  if (atMs > Date.now())
    throw new RequestError("REQUEST_INVALID", "--as-of lies in the future: what will be known then is not known");
  return new Date(atMs).toISOString();
}

/** Builds the tables, with everything that takes put together from the settings; of what was known at a moment, or of all. */
export async function buildTables(config: Config, signal: AbortSignal, asOf: string | null = null): Promise<BuildResult> {
  const { home, logLevel, logFile, versions: retention } = config;
  const logger = createLogger(logLevel, logFile ?? `${home}/tributary.log`);
  const options = { ...rawKeyOption(process.env, logger), ...lineageOption(config, process.env, logger) };
  const progress = showProgress();
  const parts = {
    catalog: await discoverSources(),
    home,
    signal,
    onProgress: progress.show,
    retention,
    parameters: { asOf, currency: config.featureCurrency },
    ...options,
  };
  return build(parts).finally(() => progress.end());
}

export function printResult({ version, path, isNew, isComplete, tables, collections }: BuildResult): void {
  for (const { name, rows } of tables) console.log(`${name}: ${rows} rows`);
  for (const { source, collection, records, matched, unmatched, quarantined, drift } of collections) {
    const left = quarantined > 0 ? `, ${quarantined} in quarantine` : "";
    console.log(`${source}.${collection}: ${records} records, ${matched} matched, ${unmatched} unmatched${left}`);
    for (const { kind, field, policy, count } of drift) console.log(`  ${kind} at ${field}: ${count} records (${policy})`);
  }
  if (!isComplete) console.log("Some collection was not pulled to its end: the tables hold what came.");
  console.log(`Dataset ${version} ${isNew ? "is built" : "was there already"}: ${path}`);
}
