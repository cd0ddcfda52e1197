import { type AnyEntity, type EntityName, timeField } from "../core/canonical.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { CallContext } from "../upstream/context.ts";
import type { Fetched } from "../upstream/reads.ts";

export type Matches = (record: Fetched) => boolean;

/** The records of one owner, wherever they come from. */
export interface OwnedList {
  readonly entry: CatalogEntry;
  /** From when it is, in ms since the epoch. */
  readonly asOfMs: number;
  /** The latest `count` records that match (null: any do), oldest of them first. */
  latest(count: number, matches: Matches | null, waiter: CallContext): Promise<readonly Fetched[]>;
  /** The `count` records after the one with the given key (null: from the start), in the source's order; undefined when that key is not there. */
  after(
    key: string | null,
    count: number,
    waiter: CallContext,
  ): Promise<{ readonly records: readonly Fetched[]; readonly hasMore: boolean } | undefined>;
}

/** Oldest first; of the same time, by key. */
export function timeOrder<T>(
  items: readonly T[],
  entity: EntityName,
  recordOf: (item: T) => { readonly entity: AnyEntity },
): readonly T[] {
  const field = timeField[entity] ?? "key";
  const marked = items.map(item => {
    const { entity: values } = recordOf(item);
    return { item, mark: `${String(values[field] ?? "")} ${values.key}` };
  });
  return marked.sort((a, b) => (a.mark < b.mark ? -1 : 1)).map(({ item }) => item);
}
