import type { CatalogEntry } from "../source/catalog.ts";
import type { InboxEvent } from "../store/inbox.ts";
import type { ChangedRecord, Mirror } from "../store/mirror.ts";
import type { OnChanges } from "../core/changes.ts";
import { asError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import type { CallContext } from "../upstream/context.ts";
import { lookupRecords } from "../upstream/lookup.ts";
import { type Fetched, isDeleted, type Outcomes, versionOf } from "../upstream/reads.ts";
import { readRecord } from "../upstream/decode.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { Json } from "../core/json.ts";
import { changesOf } from "./reconcile.ts";
import type { UpdateKeeper } from "./update-book.ts";

/** What came of an object: how its record stands now, or why that could not be found out. */
export type Applied = "changed" | "unchanged" | "deleted" | "absent" | Error;

export interface ApplyParts {
  readonly upstreamOf: (source: string) => Upstream;
  readonly mirror: Pick<Mirror, "put" | "remove">;
  readonly keeperOf: (entry: CatalogEntry) => UpdateKeeper;
  /** The record that an event carries; undefined when it carries none. */
  readonly recordIn: (entry: CatalogEntry, event: InboxEvent) => Json | undefined;
  readonly onChanges: OnChanges;
  readonly clock: Clock;
}

type Found = Outcomes<Fetched | null>;

/**
 * Brings the records up to date that events were about. An event is a hint: the source is asked how the record stands now, so that neither the
 * order of events nor one that is missing matters. Where a record cannot be asked for, the newest event that carries it is taken. Failures stay
 * with the keys that they concern; throws `STORE_UNAVAILABLE`.
 */
export async function applyEvents(
  parts: ApplyParts,
  entry: CatalogEntry,
  objects: ReadonlyMap<string, readonly InboxEvent[]>,
  context: CallContext,
): Promise<ReadonlyMap<string, Applied>> {
  const keeper = parts.keeperOf(entry);
  const { found, goneAtMs, raw } = await findRecords(parts, entry, { objects, keeper, context });
  const gone = [...found].flatMap(([key, outcome]) => (outcome === null ? [key] : []));
  const records = [...found].flatMap(([key, outcome]) =>
    outcome === null || outcome instanceof Error ? [] : { ...outcome, eventAtMs: lastOf(objects.get(key) ?? []), raw },
  );
  const changed = await parts.mirror.put(entry.id, records);
  const deleted: ChangedRecord[] = [];
  for (const [atMs, keys] of Map.groupBy(gone, goneAtMs)) deleted.push(...(await parts.mirror.remove(entry.id, keys, atMs)));
  parts.onChanges(changesOf(entry, { changed, deleted }, parts.clock.nowMs()));
  const others = new Set([...changed, ...deleted].map(({ key }) => key));
  return new Map([...found].map(([key, outcome]) => [key, applied(outcome, others.has(key))]));
}

/** When the latest of events happened, as far as they say; null when none does. */
const lastOf = (events: readonly InboxEvent[]): number | null =>
  events.reduce<number | null>((last, { occurredAtMs }) => Math.max(last ?? -Infinity, occurredAtMs ?? -Infinity), null);

function applied(outcome: Fetched | Error | null, isAnother: boolean): Applied {
  if (outcome instanceof Error) return outcome;
  if (outcome === null) return isAnother ? "deleted" : "absent";
  return isAnother ? "changed" : "unchanged";
}

interface Task {
  readonly objects: ReadonlyMap<string, readonly InboxEvent[]>;
  readonly keeper: UpdateKeeper;
  readonly context: CallContext;
}

/** How records stand, what is known of that being durable. */
interface Standing {
  readonly found: Found;
  /** From when on it holds, in ms since the epoch, that there is no record of a key. */
  readonly goneAtMs: (key: string) => number;
  /** The update that keeps what is known. */
  readonly raw: string | null;
}

function findRecords(parts: ApplyParts, entry: CatalogEntry, task: Task): Promise<Standing> {
  return entry.collection.lookup ? askSource(parts, entry, task) : takeNewest(parts, entry, task);
}

async function askSource(parts: ApplyParts, entry: CatalogEntry, { objects, keeper, context }: Task): Promise<Standing> {
  const askedAtMs = parts.clock.nowMs();
  const upstream = keeper.over(parts.upstreamOf(entry.source.name));
  const found = await lookupRecords(upstream, entry, [...objects.keys()], context);
  const raw = await keeper.durable([...found].flatMap(([key, outcome]) => (outcome === null ? [key] : [])));
  return { found, goneAtMs: () => askedAtMs, raw };
}

/** An event holds from when it happened on, however late it came. */
async function takeNewest(parts: ApplyParts, entry: CatalogEntry, { objects, keeper, context }: Task): Promise<Standing> {
  const found = new Map<string, Fetched | Error | null>();
  const moments = new Map<string, number>();
  for (const [key, events] of objects) {
    const newest = events.reduce((latest, each) => (momentOf(each) >= momentOf(latest) ? each : latest));
    const outcome = read(parts, entry, newest, context);
    if (!(outcome instanceof Error)) keeper.event(newest, momentOf(newest), outcome === null);
    found.set(key, outcome);
    moments.set(key, momentOf(newest));
  }
  const raw = await keeper.durable([]);
  return { found, goneAtMs: key => moments.get(key) ?? 0, raw };
}

const momentOf = ({ occurredAtMs, receivedAtMs }: InboxEvent): number => occurredAtMs ?? receivedAtMs;

function read({ recordIn }: ApplyParts, entry: CatalogEntry, event: InboxEvent, { drift }: CallContext): Fetched | Error | null {
  if (event.isDeletion) return null;
  const record = recordIn(entry, event);
  if (record === undefined) return new Error(`${entry.id} has no lookup by key, and the event carries no record`);
  if (isDeleted(entry, record)) return null;
  try {
    const decoded = readRecord(entry, record, drift);
    if (decoded === null) return new Error("the record is left out: the collection's drift policy says so");
    if (decoded.entity.key !== event.key) return new Error("the event names one key and carries the record of another");
    return { ...decoded, fetchedAtMs: momentOf(event), ...versionOf(entry, record) };
  } catch (thrown) {
    return asError(thrown);
  }
}
