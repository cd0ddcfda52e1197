import type { Change, OnChanges } from "../core/changes.ts";
import { asError, TributaryError } from "../core/errors.ts";
import type { Clock, Logger } from "../core/ports.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import { isMirrored } from "../source/collection.ts";
import type { Source } from "../source/define-source.ts";
import { safetyLagOf, seesEveryEdit } from "../source/increment.ts";
import type { EventRules } from "../source/events.ts";
import type { Completeness, Reconciliation } from "../store/completeness.ts";
import type { ChangedRecord } from "../store/mirror.ts";
import type { CallContext } from "../upstream/context.ts";
import { readChanges } from "../upstream/listing/changes.ts";
import { fillCollection, type FillParts, type Finding, mirrorRecord } from "./fill.ts";

/** One collection may take this long, in ms. */
const DEADLINE_MS = 1_800_000;
/** Where reading what changed does not show what was deleted, or does not go, everything is read after so long, in ms. */
const FULL_EVERY_MS = 86_400_000;

export interface ReconcileParts {
  readonly fill: FillParts;
  readonly completeness: Completeness;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Tells of what a reading found: to whoever listens to changes, and, of a source that should have sent word of it, to the measurement of what its
 * webhooks miss. Nothing has changed, and nothing was missed, of a collection that is read for the first time.
 */
export async function tellFindings(
  { completeness, clock, onChanges }: Pick<ReconcileParts, "completeness" | "clock"> & { readonly onChanges: OnChanges },
  entry: CatalogEntry,
  finding: Finding,
  isFirst: boolean,
): Promise<void> {
  if (isFirst) return;
  const atMs = clock.nowMs();
  onChanges(changesOf(entry, finding, atMs));
  const keys = [...finding.changed, ...finding.deleted].map(({ key }) => key);
  if (isTold(entry)) await completeness.note(entry.source.name, entry.id, keys, atMs);
}

/** What a reading found, as changes. */
export function changesOf(entry: CatalogEntry, { changed, deleted }: Finding, atMs: number): readonly Change[] {
  const facts = { source: entry.source.name, collection: entry.id, entity: entry.collection.canonical, atMs };
  const ofKind = (kind: Change["kind"], some: readonly ChangedRecord[]) => some.map(each => ({ ...facts, ...each, kind }));
  return [...ofKind("changed", changed), ...ofKind("deleted", deleted)];
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
      ...(fill.drift && { drift: fill.drift.log }),
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

/** How the reading of one collection ended. */
export interface Part {
  readonly records: number;
  readonly isFull: boolean;
  readonly problem: string | null;
}

/** Reads what changed in a collection, or everything: where that does not go, where it was not done before, or once a day where it does not show what is gone. */
export async function reconcileCollection(
  parts: ReconcileParts,
  entry: CatalogEntry,
  { isFull: isWanted, sinceMs }: Pick<ReconcileOptions, "isFull"> & { readonly sinceMs: number | undefined },
  context: CallContext,
): Promise<Part> {
  const { watermark } = entry.collection.list;
  const { mirror } = parts.fill;
  const startedAtMs = parts.clock.nowMs();
  const reached = await parts.completeness.reached(entry.id);
  const isHeld = isMirrored(entry.collection) && !mirror.isGivenUp(entry.id, startedAtMs);
  const isFull = isWanted || (isHeld && (await mirror.asOf(entry.id)) === undefined);
  const sinceFullMs = startedAtMs - (reached?.fullAtMs ?? Number.NEGATIVE_INFINITY);
  if (!isFull && watermark !== undefined && seesEveryEdit(watermark)) {
    const fromMs = Math.min(reached?.watermarkMs ?? Number.POSITIVE_INFINITY, sinceMs ?? Number.POSITIVE_INFINITY);
    const isDue = isHeld && watermark.seesDeletions !== true && sinceFullMs >= FULL_EVERY_MS;
    // Of a gap it is known where it begins, and that it is to be closed soon: everything is read another time.
    if (Number.isFinite(fromMs) && (sinceMs !== undefined || !isDue)) {
      const part = await readWhatChanged(parts, entry, fromMs, context);
      if (part.problem === null && watermark.seesDeletions === true)
        await mirror.noteAsOf(entry.id, startedAtMs - safetyLagOf(watermark));
      return part;
    }
  }
  if (!isFull && !isHeld && sinceMs === undefined && !(reached && sinceFullMs >= FULL_EVERY_MS)) {
    // What nobody needs to hold may be more than anybody can read every time: from now on what changes is looked at, and everything once a day.
    if (reached === null) await parts.completeness.noteReached(entry.id, startedAtMs - safetyLagOf(watermark), startedAtMs);
    return { records: 0, isFull: false, problem: null };
  }
  const { records, error } = await fillCollection(parts.fill, entry, context);
  if (error === undefined) await parts.completeness.noteReached(entry.id, startedAtMs - safetyLagOf(watermark), startedAtMs);
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
