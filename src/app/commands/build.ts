import { build, type BuildResult } from "../../pipeline/build.ts";
import { type Config, readConfig } from "../config.ts";
import { lineageOption } from "../lineage-endpoint.ts";
import { createLogger } from "../logger.ts";
import { showProgress } from "../progress.ts";
import { rawKeyOption } from "../raw-key.ts";
import { discoverSources } from "../registry.ts";
import { abortOnSignal } from "../until-stopped.ts";

/** Makes the tables from the responses that were pulled; asks no source. */
export async function buildCommand(options: { json?: boolean }): Promise<void> {
  const result = await buildTables(readConfig(process.env), abortOnSignal());
  if (options.json) console.log(JSON.stringify(result));
  else printResult(result);
}

/** Builds the tables, with everything that takes put together from the settings. */
export async function buildTables(config: Config, signal: AbortSignal): Promise<BuildResult> {
  const { home, logLevel, logFile, versions: retention } = config;
  const logger = createLogger(logLevel, logFile ?? `${home}/tributary.log`);
  const options = { ...rawKeyOption(process.env, logger), ...lineageOption(config, process.env, logger) };
  const progress = showProgress();
  const parts = { catalog: await discoverSources(), home, signal, onProgress: progress.show, retention, ...options };
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
