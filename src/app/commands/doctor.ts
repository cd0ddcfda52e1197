import { asError, TributaryError } from "../../core/errors.ts";
import { type Logger, systemClock } from "../../core/ports.ts";
import { baseUrlVariable, secretVariables, type Source } from "../../source/define-source.ts";
import type { CatalogEntry } from "../../source/catalog.ts";
import { reachServer } from "../../store/database.ts";
import { readPages } from "../../upstream/listing.ts";
import type { Upstream } from "../../upstream/upstream.ts";
import { baseUrlOf, type Config, readConfig } from "../config.ts";
import { createLogger } from "../logger.ts";
import { createUpstreams } from "../product.ts";
import { openRedis } from "../redis.ts";
import { examineSecrets } from "../secret-findings.ts";
import { ConfiguredSecrets } from "../secrets.ts";
import { discoverSources } from "../registry.ts";
import { storePlace } from "../store-place.ts";

const CHECK_MS = 10_000;

/** Says for every source what is set, what is missing, and whether it answers; exits with 1 when something is wrong. Never prints a value of a secret. */
export async function doctor(): Promise<void> {
  const config = readConfig(process.env);
  const catalog = await discoverSources();
  const logger = createLogger("silent");
  const secrets = new ConfiguredSecrets(process.env, logger);
  const redis = openRedis(config.redisUrl, logger);
  const upstreams = createUpstreams({ config, catalog, environment: process.env, logger, ...(redis && { redis }) });
  console.log(`Settings are sound. Node ${process.version}.`);
  let isWell = await examineStore(config, logger);
  for (const source of catalog.sources) {
    const entry = catalog.entries.find(each => each.source === source)!;
    const findings = await examine(source, entry, { upstream: upstreams.get(source.name)!, secrets });
    isWell &&= findings.isWell;
    console.log(`\n${source.title} (${source.name})`);
    for (const line of findings.lines) console.log(`  ${line}`);
  }
  await Promise.all([...upstreams.values()].map(upstream => upstream.close()));
  redis?.disconnect();
  if (!isWell) process.exitCode = 1;
}

/** Says what the store is, and whether a server answers. An embedded one may be in use: it is left alone. */
async function examineStore(config: Config, logger: Logger): Promise<boolean> {
  try {
    const { place, schema } = storePlace(config, process.env, logger);
    const isFolder = typeof place === "string";
    console.log(`Store: ${isFolder ? `embedded PostgreSQL in ${place}` : `${await reachServer(place, schema)} answers`}.`);
    return true;
  } catch (thrown) {
    console.log(`Store: ${asError(thrown).message}`);
    return false;
  }
}

async function examine(
  source: Source,
  entry: CatalogEntry,
  { upstream, secrets }: { upstream: Upstream; secrets: ConfiguredSecrets },
): Promise<{ isWell: boolean; lines: string[] }> {
  const origin = new URL(baseUrlOf(source, process.env)).origin;
  const address = `address: ${origin}${process.env[baseUrlVariable(source)] ? "" : ` (declared; ${baseUrlVariable(source)} replaces it)`}`;
  const findings = examineSecrets(secretVariables(source), secrets, systemClock.nowMs());
  const lines = [address, ...(findings.length === 0 ? ["secrets: none needed"] : findings.map(({ text }) => `secret: ${text}`))];
  if (findings.some(({ text }) => text.startsWith("missing"))) return { isWell: false, lines };
  const problem = await firstPageProblem(entry, upstream);
  const isWell = problem === null && findings.every(({ isSound }) => isSound);
  return { isWell, lines: [...lines, problem ?? `answers: one page of ${entry.name} read`] };
}

async function firstPageProblem(entry: CatalogEntry, upstream: Upstream): Promise<string | null> {
  const signal = AbortSignal.timeout(CHECK_MS);
  const context = { priority: "live", signal, deadlineAtMs: systemClock.nowMs() + CHECK_MS, requestId: "doctor" } as const;
  const { list } = entry.collection;
  const today = new Date(systemClock.nowMs()).toISOString().slice(0, 10);
  try {
    const walk = { request: list.request({ from: today, to: today }), items: list.items, pages: list.pages, pageSize: 1 };
    for await (const page of readPages(upstream, walk, context)) return page.response.problems[0]?.message ?? null;
    return null;
  } catch (thrown) {
    const error = asError(thrown);
    const remedy = error instanceof TributaryError ? `${error.code}: ${error.message}. ${error.remedy}` : error.message;
    return `does not answer: ${remedy}`;
  }
}
