/** Anything whose last change shows on it. */
export interface Dated {
  readonly id: number;
  /** RFC 3339. */
  readonly updated_at: string;
}

/** Records in ascending order of id, reached by index, made when asked for. */
export interface Listing<R> {
  readonly length: number;
  at(index: number): R;
  idAt(index: number): number;
  /** The index of an id as it stands in a URL, or -1. */
  indexOf(id: string): number;
}

/** A listing before anyone changed anything: a pure function of the population. */
export interface SeededListing<R> extends Listing<R> {
  /** When the record at an index was last changed in its seeded history, epoch seconds. */
  changedAtSeconds(index: number): number;
}

/** One page of the records in the order of their last change. */
interface ChangePage<R> {
  readonly records: readonly R[];
  /** The place after the last record. */
  readonly after: number;
  readonly isEnd: boolean;
}

/** What to read of the changes. */
interface ChangeWindow {
  /** A place from {@link Records.placeBefore} or an earlier page. */
  readonly after: number;
  readonly size: number;
  /** Changes at or after this instant are held back, epoch seconds. */
  readonly beforeSeconds: number;
}

/** A listing that can be changed, and read in the order of its changes. */
export interface Records<R> extends Listing<R> {
  /** Lays changes over a record and moves its `updated_at` to the present. */
  change(index: number, changes: Partial<R>): R;
  /** The indices of records that were changed since the last reset. */
  changedIndices(): readonly number[];
  /** The place just before every change made at `seconds` or later, epoch seconds. */
  placeBefore(seconds: number): number;
  changes(window: ChangeWindow): ChangePage<R>;
  /** Forgets every change. */
  reset(): void;
}

const EPOCH_SECONDS = Date.UTC(2020, 0, 1) / 1000;

/** Writes an instant as the vendor does: whole seconds, UTC. */
export const isoSeconds = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

function firstAbove(sorted: Float64Array, value: number): number {
  let low = 0;
  for (let high = sorted.length; low < high;) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Two ascending streams as one, with at most `limit` places. */
function merge(seeded: () => number | undefined, fresh: readonly number[], limit: number): number[] {
  const places: number[] = [];
  let at = 0;
  for (let next = seeded(); places.length < limit;) {
    const other = fresh[at];
    if (next === undefined && other === undefined) break;
    if (other === undefined || (next !== undefined && next < other)) {
      places.push(next as number);
      next = seeded();
    } else {
      places.push(other);
      at++;
    }
  }
  return places;
}

/** Makes a changeable listing of a seeded one. A place packs seconds and index into one exact number, so a million records need no objects. */
export function createRecords<R extends Dated>(
  seeded: SeededListing<R>,
  clock: () => number,
  onChange: (record: R) => void = () => undefined,
): Records<R> {
  const changed = new Map<number, R>();
  const placeOf = (seconds: number, index: number) => (seconds - EPOCH_SECONDS) * seeded.length + index;
  const placeBefore = (seconds: number) => placeOf(Math.max(seconds, EPOCH_SECONDS), 0) - 1;
  const at = (index: number) => changed.get(index) ?? seeded.at(index);
  let order: Float64Array | undefined;
  const seededOrder = () => {
    order ??= Float64Array.from({ length: seeded.length }, (_empty, index) =>
      placeOf(seeded.changedAtSeconds(index), index),
    ).sort();
    return order;
  };
  const freshPlaces = ({ after }: ChangeWindow, end: number) =>
    [...changed]
      .map(([index, record]) => placeOf(Date.parse(record.updated_at) / 1000, index))
      .filter(place => place > after && place < end)
      .sort((a, b) => a - b);
  const seededPlaces = ({ after }: ChangeWindow, end: number) => {
    const sorted = seededOrder();
    let next = firstAbove(sorted, after);
    return () => {
      while (next < sorted.length && changed.has((sorted[next] ?? 0) % seeded.length)) next++;
      const place = sorted[next++];
      return place === undefined || place >= end ? undefined : place;
    };
  };
  const changes = (window: ChangeWindow): ChangePage<R> => {
    const end = placeOf(window.beforeSeconds, 0);
    const places = merge(seededPlaces(window, end), freshPlaces(window, end), window.size + 1);
    const kept = places.slice(0, window.size);
    const records = kept.map(place => at(place % seeded.length));
    return { records, after: kept.at(-1) ?? window.after, isEnd: places.length <= window.size };
  };
  const change = (index: number, changes: Partial<R>) => {
    const record = { ...at(index), ...changes, updated_at: isoSeconds(clock()) };
    changed.set(index, record);
    onChange(record);
    return record;
  };
  return {
    length: seeded.length,
    at,
    idAt: index => seeded.idAt(index),
    indexOf: id => seeded.indexOf(id),
    change,
    changedIndices: () => [...changed.keys()],
    placeBefore,
    changes,
    reset: () => changed.clear(),
  };
}

/** A stretch of a listing as a listing of its own, e.g. the tickets of one user. */
export function sliceOf<R>(listing: Listing<R>, from: number, length: number): Listing<R> {
  const within = (index: number) => index >= from && index < from + length;
  return {
    length,
    at: index => listing.at(from + index),
    idAt: index => listing.idAt(from + index),
    indexOf: id => {
      const index = listing.indexOf(id);
      return within(index) ? index - from : -1;
    },
  };
}
