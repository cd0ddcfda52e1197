import { asError, TributaryError } from "../../core/errors.ts";
import { systemClock } from "../../core/ports.ts";
import { baseUrlVariable, secretVariables, type Source } from "../../source/define-source.ts";
import type { CatalogEntry } from "../../source/catalog.ts";
import { readPages } from "../../upstream/listing.ts";
import type { Upstream } from "../../upstream/upstream.ts";
import { baseUrlOf, readConfig } from "../config.ts";
import { createLogger } from "../logger.ts";
import { createUpstreams } from "../product.ts";
import { discoverSources } from "../registry.ts";

const CHECK_MS = 10_000;

/** Says for every source what is set, what is missing, and whether it answers; exits with 1 when something is wrong. Never prints a value of a secret. */
export async function doctor(): Promise<void> {
  readConfig(process.env);
  const catalog = await discoverSources();
  const upstreams = createUpstreams({ catalog, environment: process.env, logger: createLogger("silent") });
  console.log(`Settings are sound. Node ${process.version}.`);
  let isWell = true;
  for (const source of catalog.sources) {
    const entry = catalog.entries.find(each => each.source === source)!;
    const findings = await examine(source, entry, upstreams.get(source.name)!);
    isWell &&= findings.isWell;
    console.log(`\n${source.title} (${source.name})`);
    for (const line of findings.lines) console.log(`  ${line}`);
  }
  await Promise.all([...upstreams.values()].map(upstream => upstream.close()));
  if (!isWell) process.exitCode = 1;
}

async function examine(source: Source, entry: CatalogEntry, upstream: Upstream): Promise<{ isWell: boolean; lines: string[] }> {
  const names = secretVariables(source);
  const missing = names.filter(name => !process.env[name]);
  const origin = new URL(baseUrlOf(source, process.env)).origin;
  const lines = [
    `address: ${origin}${process.env[baseUrlVariable(source)] ? "" : ` (declared; ${baseUrlVariable(source)} replaces it)`}`,
  ];
  if (missing.length > 0) return { isWell: false, lines: [...lines, `missing: set ${missing.join(" and ")}`] };
  const problem = await firstPageProblem(entry, upstream);
  return {
    isWell: problem === null,
    lines: [
      ...lines,
      `secrets: ${names.length === 0 ? "none needed" : `${names.join(", ")} set`}`,
      problem ?? `answers: one page of ${entry.name} read`,
    ],
  };
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
