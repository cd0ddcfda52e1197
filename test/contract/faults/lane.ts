import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { baseUrlOf } from "../../../src/app/config.ts";
import { ConfiguredSecrets } from "../../../src/app/secrets.ts";
import { lastDays } from "../../../src/core/days.ts";
import { TributaryError, UpstreamError } from "../../../src/core/errors.ts";
import { type Json, parseJson } from "../../../src/core/json.ts";
import type { Clock } from "../../../src/core/ports.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import type { Imitation } from "../../../src/sandbox/imitation.ts";
import { startSandbox } from "../../../src/sandbox/server.ts";
import { type CatalogEntry, createCatalog } from "../../../src/source/catalog.ts";
import { RawStore } from "../../../src/store/raw/raw-store.ts";
import { linesOf } from "../../../src/store/raw/segment-reader.ts";
import type { CallContext } from "../../../src/upstream/context.ts";
import { contractBreaks, decode } from "../../../src/upstream/decode.ts";
import { lookupRecords } from "../../../src/upstream/lookup.ts";
import { itemsAt } from "../../../src/upstream/records.ts";
import { Upstream } from "../../../src/upstream/upstream.ts";
import { silent } from "../../support/world.ts";
import { type FaultCase, faultFor } from "./cases.ts";

/** What came of one fault at one source on one path. */
export interface Cell {
  readonly outcome: "answered" | "absent" | "error" | "complete" | "partial" | "unknown" | "hang" | "silent" | "crash";
  readonly code?: string;
  /** The most attempts that one request took. */
  readonly attempts: number;
  /** Waits and timeouts, without the time that the work itself takes. */
  readonly waitedMs: number;
  /** For what should not be: what was seen. */
  readonly note?: string;
}

export type Path = "live" | "bulk";

/** The product's own deadline of a query, and its timeouts. */
const LIVE_DEADLINE_MS = 10_000;
const HEADERS_MS = 8_000;
const TOTAL_MS = 30_000;
/** The deadline comes in the middle of a second attempt, with time to spare on both sides. */
const DEADLINE_REAL_MS = 1_400;
/** By how much the timeouts are shortened where nothing but they end a case. */
const shortenedBy: Readonly<Record<Path, number>> = { live: 10, bulk: 40 };
const WATCHDOG_MS = 40_000;
const PAGE_SIZE = 5;

/** A clock on which every wait is over at once, and counts. */
class SkippingClock implements Clock {
  skippedMs = 0;

  nowMs(): number {
    return Date.now() + this.skippedMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    this.skippedMs += Math.max(0, ms);
    await new Promise(resolve => setImmediate(resolve));
  }
}

/** The source with the collection alone, small pages, no limits and, if asked for, shorter timeouts. */
function variantOf(entry: CatalogEntry, shorten: number): CatalogEntry {
  const { source, name, collection } = entry;
  const { pages } = collection.list;
  const small = Number.isFinite(pages.maxPageSize) ? { ...pages, maxPageSize: PAGE_SIZE } : pages;
  const timeouts = { headersMs: HEADERS_MS / shorten, bodyMs: HEADERS_MS / shorten, totalMs: TOTAL_MS / shorten };
  const client = { ...source.client, limits: [], cache: false as const, ...(shorten > 1 && { timeouts }) };
  const collections = { [name]: { ...collection, list: { ...collection.list, pages: small } } };
  return createCatalog([{ ...source, client, collections }]).entries[0]!;
}

/** An upstream that counts the attempts of its requests. */
class CountingUpstream extends Upstream {
  attempts = 0;
  override send(...[request, context, check]: Parameters<Upstream["send"]>): ReturnType<Upstream["send"]> {
    return super.send(request, this.counting(context), check);
  }

  counting(context: CallContext): CallContext {
    return { ...context, onAttempt: attempt => (this.attempts = Math.max(this.attempts, attempt)) };
  }
}

/** One source's imitation on its own, so that its cells do not meet those of others. */
export async function openLane(entry: CatalogEntry, imitations: readonly Imitation[], path: Path) {
  const { source } = entry;
  const own = imitations.filter(({ name }) => name === source.name);
  const sandbox = await startSandbox({ port: 0, seed: 7, customers: 12, quotas: false, imitations: own });
  const home = await mkdtemp(join(tmpdir(), "tributary-faults-"));
  const control = async (what: string, body?: object) => {
    const init = body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const response = await fetch(`${sandbox.origin}/__control/${what}`, { method: "POST", ...init });
    if (!response.ok) throw new Error(`${what}: ${await response.text()}`);
    await response.arrayBuffer();
  };
  const upstreamTo = (variant: CatalogEntry, clock: Clock) =>
    new CountingUpstream(variant.source, {
      baseUrl: baseUrlOf(source, sandbox.environment),
      secrets: new ConfiguredSecrets(sandbox.environment, silent),
      clock,
      random: () => 0.5,
      logger: silent,
    });
  const truth = await readTruth(entry, clock => upstreamTo(variantOf(entry, 1), clock), join(home, "truth"));
  let cells = 0;
  return {
    /** Breaks the source, reads, and compares what came with what is true. */
    async run(faultCase: FaultCase): Promise<Cell> {
      const shorten = faultCase.isTimed ? shortenedBy[path] : 1;
      const variant = variantOf(entry, shorten);
      const clock = new SkippingClock();
      const upstream = upstreamTo(variant, clock);
      await upstream.send(entry.collection.list.request(lastDays(entry.collection.list.days ?? 30, Date.now())), patient(clock));
      upstream.attempts = 0;
      await control("faults", faultFor(faultCase, entry, truth.records[0]!));
      const startedAtMs = Date.now();
      const folder = join(home, `${cells++}`);
      const read =
        path === "live"
          ? readLive(variant, upstream, { clock, truth, faultCase })
          : readBulk(variant, upstream, { clock, truth, folder });
      try {
        const found = await orHang(read);
        const tookMs = clock.skippedMs + (faultCase.isTimed ? (Date.now() - startedAtMs) * shorten : 0);
        const waitedMs = found.code === "UPSTREAM_DEADLINE" ? Math.min(tookMs, LIVE_DEADLINE_MS) : tookMs;
        return { ...found, attempts: upstream.attempts, waitedMs };
      } finally {
        await upstream.close();
        await control("reset");
      }
    },
    async close(): Promise<void> {
      await sandbox.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}

const patient = (clock: Clock): CallContext => ({
  priority: "live",
  signal: new AbortController().signal,
  deadlineAtMs: clock.nowMs() + 3_600_000,
  requestId: "faults",
});

type Found = Pick<Cell, "outcome" | "code" | "note">;

interface Truth {
  readonly records: readonly Json[];
  /** Entities by key, as text. */
  readonly byKey: ReadonlyMap<string, string>;
}

const textOf = (entity: unknown): string =>
  JSON.stringify(entity, (_name, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));

/** A pull of the sound source. */
async function readTruth(entry: CatalogEntry, open: (clock: Clock) => CountingUpstream, home: string): Promise<Truth> {
  const upstream = open(new SkippingClock());
  const variant = variantOf(entry, 1);
  await pull({ catalog: createCatalog([variant.source]), upstreams: () => upstream, home });
  await upstream.close();
  const records = await keptRecords(variant, home);
  const entities = records.map(record => decode(variant, record).entity);
  return { records, byKey: new Map(entities.map(entity => [entity.key, textOf(entity)])) };
}

async function keptRecords({ source, name, collection }: CatalogEntry, home: string): Promise<Json[]> {
  const records: Json[] = [];
  for (const { paths } of await new RawStore(home).pulls(source.name, name)) {
    const files = paths.map(path => ({ path, sizeBytes: Number.POSITIVE_INFINITY, isOpen: false }));
    for await (const { body } of linesOf(files, undefined))
      records.push(...itemsAt(parseJson(body), collection.list.items, name));
  }
  return records.filter(record => record !== null);
}

/** One record by its key, with the deadline of a query. */
async function readLive(
  entry: CatalogEntry,
  upstream: CountingUpstream,
  { clock, truth, faultCase }: { clock: SkippingClock; truth: Truth; faultCase: FaultCase },
): Promise<Found> {
  const [key] = truth.byKey.keys();
  const stop = new AbortController();
  const over = () => stop.abort(new UpstreamError("UPSTREAM_DEADLINE", "no answer within the deadline"));
  const timer = faultCase.isTimed ? setTimeout(over, DEADLINE_REAL_MS) : undefined;
  const context = { ...patient(clock), signal: stop.signal, deadlineAtMs: clock.nowMs() + LIVE_DEADLINE_MS };
  try {
    const outcome = (await lookupRecords(upstream, entry, [key!], upstream.counting(context))).get(key!);
    if (outcome instanceof Error) return failed(outcome);
    if (!outcome && faultCase.saysAbsent) return { outcome: "absent" };
    if (!outcome) return { outcome: "silent", note: "a record that is there is said to be absent" };
    const isTrue = textOf(outcome.entity) === truth.byKey.get(key!);
    return isTrue ? { outcome: "answered" } : { outcome: "silent", note: `${key}: ${textOf(outcome.entity)}` };
  } finally {
    clearTimeout(timer);
  }
}

/** The whole listing, as a pull keeps it. */
async function readBulk(
  entry: CatalogEntry,
  upstream: CountingUpstream,
  { clock, truth, folder }: { clock: SkippingClock; truth: Truth; folder: string },
): Promise<Found> {
  const { verdicts } = await pull({ catalog: createCatalog([entry.source]), upstreams: () => upstream, home: folder, clock });
  const { verdict, reason, brokenRecords } = verdicts[0]!;
  const records = await keptRecords(entry, folder).catch(() => []);
  const sound = records.filter(record => contractBreaks(entry, record).length === 0).map(record => decode(entry, record).entity);
  const wrong = sound.find(entity => truth.byKey.get(entity.key) !== textOf(entity));
  if (wrong) return { outcome: "silent", note: textOf(wrong) };
  const isWhole = sound.length + brokenRecords === truth.byKey.size;
  if (verdict === "complete" && !(isWhole && brokenRecords === 0))
    return { outcome: "silent", note: `complete with ${sound.length} of ${truth.byKey.size} records, ${brokenRecords} broken` };
  return { outcome: verdict, ...(reason && { code: reason.code }) };
}

const failed = (error: Error): Found =>
  error instanceof TributaryError && error.code !== "INTERNAL"
    ? { outcome: "error", code: error.code }
    : { outcome: "crash", note: error.stack ?? error.message };

/** Ends what does not end by itself. */
async function orHang(read: Promise<Found>): Promise<Found> {
  const watch = Promise.withResolvers<Found>();
  const timer = setTimeout(() => watch.resolve({ outcome: "hang", note: `not over after ${WATCHDOG_MS} ms` }), WATCHDOG_MS);
  try {
    return await Promise.race([read.catch((error: Error) => failed(error)), watch.promise]);
  } finally {
    clearTimeout(timer);
  }
}
