import { build, type BuildResult } from "../../pipeline/build.ts";
import type { CheckReport } from "../../pipeline/checks.ts";
import type { RowChange } from "../../pipeline/row-changes.ts";
import type { JoinReport } from "../../pipeline/join-report.ts";
import { type Config, readConfig } from "../config.ts";
import { lineageOption } from "../lineage-endpoint.ts";
import { createLogger } from "../logger.ts";
import { momentsOf } from "../moments.ts";
import { showProgress } from "../progress.ts";
import { rawKeyOption } from "../raw-key.ts";
import { discoverSources } from "../registry.ts";
import { abortOnSignal } from "../until-stopped.ts";

/** Makes the tables from the responses that were pulled; asks no source. */
export async function buildCommand(options: { json?: boolean; asOf?: string; asOfDaily?: string }): Promise<void> {
  const result = await buildTables(readConfig(process.env), abortOnSignal(), momentsOf(options));
  if (options.json) console.log(JSON.stringify(result));
  else printResult(result);
}

/** Builds the tables, with everything that takes put together from the settings; of what was known at the last of the moments, with features of each, or of all. */
export async function buildTables(config: Config, signal: AbortSignal, moments: readonly string[] = []): Promise<BuildResult> {
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
    memoryMib: config.buildMemoryMib,
    parameters: {
      asOf: moments.at(-1) ?? null,
      earlier: moments.slice(0, -1),
      currency: config.featureCurrency,
      join: config.join,
    },
    ...options,
  };
  return build(parts).finally(() => progress.end());
}

export function printResult({
  version,
  path,
  isNew,
  isComplete,
  tables,
  collections,
  join,
  checks,
  rowChanges,
}: BuildResult): void {
  for (const { name, rows } of tables) console.log(`${name}: ${rows} rows`);
  printJoin(join);
  for (const { source, collection, records, matched, unmatched, quarantined, drift } of collections) {
    const left = quarantined > 0 ? `, ${quarantined} in quarantine` : "";
    console.log(`${source}.${collection}: ${records} records, ${matched} matched, ${unmatched} unmatched${left}`);
    for (const { kind, field, policy, count } of drift) console.log(`  ${kind} at ${field}: ${count} records (${policy})`);
  }
  printChecks(checks, rowChanges);
  if (!isComplete) console.log("Some collection was not pulled to its end: the tables hold what came.");
  console.log(`Dataset ${version} ${isNew ? "is built" : "was there already"}: ${path}`);
}

function printJoin({ kind, required, customers, leftOut, sources }: JoinReport): void {
  const left = kind === "inner" ? `; ${leftOut} are not in all of ${required.join(", ")}` : "";
  console.log(`${kind} join: ${customers} customers${left}`);
  for (const { source, records, matched, unmatched, multiplyMatched } of sources)
    console.log(`  ${source}: ${records} records, ${matched} matched, ${unmatched} unmatched, ${multiplyMatched} more than once`);
}

function printChecks(checks: readonly CheckReport[], rowChanges: readonly RowChange[]): void {
  const failing = checks.filter(({ failed }) => failed > 0);
  console.log(`${checks.length} checks, ${checks.length - failing.length} hold of every row`);
  for (const { table, check, kind, severity, expected, rows, failed } of failing) {
    const done = severity === "quarantine" ? "in quarantine" : "left where they are";
    const counted = kind === "freshness" ? "does not hold" : `${failed} of ${rows} rows fail, ${done}`;
    console.log(`  ${table}.${check} (${expected}): ${counted}`);
  }
  for (const { table, since, before, after, maxShare } of rowChanges)
    console.log(`  ${table}: ${after} rows, ${before} in dataset ${since} before: more than ${100 * maxShare} % apart`);
}
