import type { Clock } from "../../core/ports.ts";
import type { CatalogEntry } from "../../source/catalog.ts";
import { type Source, secretVariables } from "../../source/define-source.ts";
import type { Upstream } from "../upstream.ts";
import { listingChecks } from "./listing-checks.ts";
import { lookupChecks } from "./lookup-checks.ts";
import { type CheckResult, type ConformReport, reportOf, resultOf } from "./report.ts";
import { readSample } from "./sample.ts";
import { CallLog, failureOf, makeChecks, Session } from "./session.ts";
import { sourceChecks } from "./source-checks.ts";

export interface ConformOptions {
  readonly entries: readonly CatalogEntry[];
  /** An upstream of the source that writes to this log; with made-up secrets if asked for. Closed at the end. */
  readonly open: (log: CallLog, hasWrongSecrets: boolean) => Upstream;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Records of each collection that are looked at; 20 unless given. */
  readonly sample?: number;
  /** Requests for each collection; 40 unless given. */
  readonly maxCalls?: number;
}

/** Reads a source as its declaration says and tells where the two differ. Only reads, after live queries and within the declared limits. */
export async function conform(source: Source, options: ConformOptions): Promise<ConformReport> {
  const log = new CallLog();
  const upstream = options.open(log, false);
  const sessions: Session[] = [];
  const results: CheckResult[] = [];
  try {
    for (const entry of options.entries) {
      const session = sessionOf(upstream, options);
      sessions.push(session);
      results.push(...(await checkCollection(entry, session, options)));
    }
    const checks = sourceChecks({
      upstream,
      sessions,
      log,
      readWithWrongCredentials: secretVariables(source).length === 0 ? null : () => readWithWrongSecrets(options),
    });
    results.push(...(await makeChecks(null, checks, options.signal)));
    return reportOf(source.name, results, (await upstream.status()).calls);
  } finally {
    await upstream.close();
  }
}

const sessionOf = (upstream: Upstream, { clock, signal, maxCalls = 40 }: ConformOptions): Session =>
  new Session(upstream, { clock, signal, maxCalls });

const answers = { check: "answers", expected: "the listing's first page comes, with the credentials that are set" };

/** The first page is what everything else is held against: without it nothing is. */
async function checkCollection(entry: CatalogEntry, session: Session, options: ConformOptions): Promise<CheckResult[]> {
  const nowMs = options.clock.nowMs();
  try {
    const sample = await readSample(session, entry, { size: options.sample ?? 20, nowMs });
    const first = resultOf(answers, entry.name, { pass: `${sample.records.length} records in ${sample.pages} page(s)` });
    const subject = { entry, session, sample, nowMs };
    const checks = [...listingChecks(subject), ...lookupChecks(subject)];
    return [first, ...(await makeChecks(entry.name, checks, options.signal))];
  } catch (thrown) {
    options.signal.throwIfAborted();
    return [resultOf(answers, entry.name, failureOf(thrown))];
  }
}

async function readWithWrongSecrets(options: ConformOptions): Promise<void> {
  const upstream = options.open(new CallLog(), true);
  try {
    const session = sessionOf(upstream, options);
    await readSample(session, options.entries[0]!, { size: 1, pageSize: 1, nowMs: options.clock.nowMs() });
  } finally {
    await upstream.close();
  }
}
