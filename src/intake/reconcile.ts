import type { Change, OnChanges } from "../core/changes.ts";
import { asError, TributaryError } from "../core/errors.ts";
import type { Clock, Logger } from "../core/ports.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { Source } from "../source/define-source.ts";
import type { EventRules } from "../source/events.ts";
import type { Completeness, Reconciliation } from "../store/completeness.ts";
import type { ChangedRecord } from "../store/mirror.ts";
import type { CallContext } from "../upstream/context.ts";
import { readChanges } from "../upstream/listing/changes.ts";
import { fillCollection, type FillParts, type Finding, mirrorRecord } from "./fill.ts";

/** One collection may take this long, in ms. */
const DEADLINE_MS = 1_800_000;
const DEFAULT_LAG_MS = 60_000;
/** Where reading what changed does not show what was deleted, everything is read after so long, in ms. */
const FULL_EVERY_MS = 86_400_000;

export interface ReconcileParts {
  readonly fill: FillParts;
  readonly completeness: Completeness;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Tells of what a reading found: to whoever listens to changes, and, of a source that should have sent word of it, to the measurement of what its
 * webhooks miss. Nothing is missed of a collection that is read for the first time.
 */
export async function tellFindings(
  { completeness, clock, onChanges }: Pick<ReconcileParts, "completeness" | "clock"> & { readonly onChanges: OnChanges },
  entry: CatalogEntry,
  { changed, deleted }: Finding,
  isFirst: boolean,
): Promise<void> {
  const atMs = clock.nowMs();
  const facts = { source: entry.source.name, collection: entry.id, entity: entry.collection.canonical, atMs };
  const ofKind = (kind: Change["kind"], some: readonly ChangedRecord[]) => some.map(each => ({ ...facts, ...each, kind }));
  onChanges([...ofKind("changed", changed), ...ofKind("deleted", deleted)]);
  const isToldOf = isTold(entry);
  if (isToldOf && !isFirst)
    await completeness.note(
      entry.source.name,
      entry.id,
      [...changed, ...deleted].map(({ key }) => key),
      atMs,
    );
}

/** Everything by which a source sends word: its webhooks and its streams. */
export const channelsOf = ({ webhooks, streams = {} }: Source): readonly EventRules[] => [
  ...(webhooks ? [webhooks.events] : []),
  ...Object.values(streams).map(({ events }) => events),
];

const isTold = ({ source, name }: CatalogEntry): boolean =>
  channelsOf(source).some(({ kinds }) => kinds.some(({ collection }) => collection === name));

export interface ReconcileOptions {
  /** Whether everything is read, also where what changed would do. */
  readonly isFull: boolean;
  /** Reads what changed since then at least, in ms since the epoch; since the last time unless given. */
  readonly sinceMs?: number;
  readonly signal: AbortSignal;
}

/**
 * Reads what changed at a source since the last time, or everything, into the mirror: what its webhooks missed is there then, and counted. A failure
 * is in the result; what was read before it stays.
 */
export async function reconcile(
  parts: ReconcileParts,
  source: Source,
  { isFull, sinceMs, signal }: ReconcileOptions,
): Promise<Reconciliation> {
  const startedAtMs = parts.clock.nowMs();
  let [records, found, wasFull] = [0, 0, true];
  let problem: string | null = null;
  const onFound = async (entry: CatalogEntry, finding: Finding, isFirst: boolean) => {
    if (!isFirst) found += finding.changed.length + finding.deleted.length;
    await parts.fill.onFound?.(entry, finding, isFirst);
  };
  const fill = { ...parts.fill, onFound };
  for (const entry of parts.fill.catalog.entries.filter(each => each.source === source && isTold(each))) {
    const context: CallContext = {
      priority: "bulk",
      signal,
      deadlineAtMs: parts.clock.nowMs() + DEADLINE_MS,
      requestId: `reconcile-${source.name}`,
    };
    const part = await reconcileCollection({ ...parts, fill }, entry, { isFull, sinceMs }, context);
    records += part.records;
    wasFull &&= part.isFull;
    problem ??= part.problem;
  }
  const run = { source: source.name, startedAtMs, endedAtMs: parts.clock.nowMs(), isFull: wasFull, records, found, problem };
  await parts.completeness.noteRun(run);
  parts.logger[problem === null ? "info" : "warn"]({ ...run }, "a source was reconciled");
  return run;
}

interface Part {
  readonly records: number;
  readonly isFull: boolean;
  readonly problem: string | null;
}

async function reconcileCollection(
  parts: ReconcileParts,
  entry: CatalogEntry,
  { isFull, sinceMs }: Pick<ReconcileOptions, "isFull"> & { readonly sinceMs: number | undefined },
  context: CallContext,
): Promise<Part> {
  const { watermark } = entry.collection.list;
  const startedAtMs = parts.clock.nowMs();
  const reached = await parts.completeness.reached(entry.id);
  const ofCustomers = entry.collection.canonical === "Customer";
  const isDue = ofCustomers && watermark?.seesDeletions !== true && startedAtMs - (reached?.fullAtMs ?? 0) >= FULL_EVERY_MS;
  const suffices = watermark?.sees === "updates" || watermark?.editsBy === "nothing-changes";
  if (!isFull && suffices) {
    const fromMs = Math.min(reached?.watermarkMs ?? Number.POSITIVE_INFINITY, sinceMs ?? Number.POSITIVE_INFINITY);
    // Of a gap it is known where it begins, and that it is to be closed soon: everything is read another time.
    if (Number.isFinite(fromMs) && (sinceMs !== undefined || !isDue)) return readWhatChanged(parts, entry, fromMs, context);
    if (!ofCustomers) {
      // What customers have may be more than anybody needs to hold: from now on what changes is looked at.
      await parts.completeness.noteReached(entry.id, startedAtMs - (watermark.safetyLagMs ?? DEFAULT_LAG_MS), startedAtMs);
      return { records: 0, isFull: false, problem: null };
    }
  }
  const { records, error } = await fillCollection(parts.fill, entry, context);
  if (error === undefined)
    await parts.completeness.noteReached(entry.id, startedAtMs - (watermark?.safetyLagMs ?? DEFAULT_LAG_MS), startedAtMs);
  return { records, isFull: true, problem: error ? `${entry.id}: ${error.code}: ${error.message}` : null };
}

async function readWhatChanged(
  { fill, completeness, clock }: ReconcileParts,
  entry: CatalogEntry,
  watermarkMs: number,
  context: CallContext,
): Promise<Part> {
  let records = 0;
  try {
    const from = { watermarkMs, boundary: [], isBoundaryKnown: false };
    const options = { context, clock, maxBoundary: 0 };
    for await (const { page, checkpoint } of readChanges(fill.upstreamOf(entry.source.name), entry, from, options)) {
      const read = page.records.map(record => mirrorRecord(fill, entry, record, { context, response: page.response }));
      const changed = await fill.mirror.put(
        entry.id,
        read.flatMap(({ record }) => record ?? []),
      );
      const gone = read.flatMap(({ key, isDeleted }) => (isDeleted && key !== null ? [key] : []));
      const deleted = await fill.mirror.remove(entry.id, gone, page.response.receivedAtMs);
      await fill.onFound?.(entry, { changed, deleted }, false);
      records += read.length;
      if (checkpoint) await completeness.noteReached(entry.id, checkpoint.watermarkMs, null);
    }
    return { records, isFull: false, problem: null };
  } catch (thrown) {
    const error = asError(thrown);
    const code = error instanceof TributaryError ? error.code : "INTERNAL";
    return { records, isFull: false, problem: `${entry.id}: ${code}: ${error.message}` };
  }
}
