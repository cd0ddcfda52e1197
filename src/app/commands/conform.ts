import { ConfigError, RequestError } from "../../core/errors.ts";
import { type Logger, systemClock } from "../../core/ports.ts";
import { createCatalog } from "../../source/catalog.ts";
import { type Source, secretVariables } from "../../source/define-source.ts";
import { MemoryTokenStore } from "../../upstream/auth/token-store.ts";
import { conform } from "../../upstream/conform/conform.ts";
import type { CheckResult, ConformReport } from "../../upstream/conform/report.ts";
import { Upstream } from "../../upstream/upstream.ts";
import { baseUrlOf, type Config, proxyOf, readConfig } from "../config.ts";
import { createUpstreams } from "../product.ts";
import { openRedis } from "../redis.ts";
import { discoverSources } from "../registry.ts";
import { ConfiguredSecrets } from "../secrets.ts";
import { abortOnSignal } from "../until-stopped.ts";

interface ConformFlags {
  readonly json?: boolean;
  readonly sample: string;
  readonly maxCalls: string;
}

/** Reads a source as its declaration says and reports, check by check, where the two differ; exits with 1 when a check fails. */
export async function conformCommand(name: string, flags: ConformFlags): Promise<void> {
  const config = readConfig(process.env);
  const catalog = await discoverSources();
  const source = catalog.sources.find(each => each.name === name);
  if (source === undefined)
    throw new RequestError(
      "SOURCE_UNKNOWN",
      `there is no source ${name}; there are ${catalog.sources.map(each => each.name).join(", ")}`,
    );
  const report = await conform(source, {
    entries: catalog.entries.filter(entry => entry.source === source),
    open: (logger, hasWrongSecrets) => (hasWrongSecrets ? strangerTo(source, logger) : upstreamTo(source, config, logger)),
    clock: systemClock,
    signal: abortOnSignal(),
    sample: countIn("--sample", flags.sample),
    maxCalls: countIn("--max-calls", flags.maxCalls),
  });
  if (flags.json) console.log(JSON.stringify(report));
  else print(source, report);
  if (report.failed > 0) process.exitCode = 1;
}

function countIn(flag: string, text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new ConfigError("CONFIG_INVALID", `${flag} is "${text}": give a whole number, 1 or more`);
}

function upstreamTo(source: Source, config: Config, logger: Logger): Upstream {
  const redis = openRedis(config.redisUrl, logger);
  const catalog = createCatalog([source]);
  const upstream = createUpstreams({ config, catalog, environment: process.env, logger, ...(redis && { redis }) }).get(
    source.name,
  )!;
  const close = upstream.close.bind(upstream);
  upstream.close = () => close().finally(() => redis?.disconnect());
  return upstream;
}

/** An upstream whose every secret is made up, and that keeps away from the tokens that are kept. */
function strangerTo(source: Source, logger: Logger): Upstream {
  const wrong = Object.fromEntries(secretVariables(source).map(name => [name, `wrong-${name.toLowerCase()}`]));
  return new Upstream(source, {
    baseUrl: baseUrlOf(source, process.env),
    proxy: proxyOf(process.env),
    secrets: new ConfiguredSecrets(wrong, logger),
    tokens: new MemoryTokenStore(),
    clock: systemClock,
    random: Math.random,
    logger,
  });
}

function print(source: Source, { checks, passed, failed, skipped, calls }: ConformReport): void {
  console.log(`${source.title} (${source.name}) at ${new URL(baseUrlOf(source, process.env)).origin}`);
  for (const [collection, results] of Map.groupBy(checks, check => check.collection)) {
    console.log(`\n${collection ?? "the source as a whole"}`);
    for (const result of results) console.log(linesOf(result).join("\n"));
  }
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped; ${calls} requests`);
}

function linesOf({ check, status, expected, seen, remedy }: CheckResult): string[] {
  const head = `  ${(status === "fail" ? "FAIL" : status).padEnd(8)} ${check}`;
  const todo = remedy === null ? [] : [`           to do:    ${remedy}`];
  if (status !== "fail") return [`${head}: ${seen}`, ...todo];
  return [head, `           expected: ${expected}`, `           seen:     ${seen}`, ...todo];
}
