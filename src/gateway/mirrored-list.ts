import type { CatalogEntry } from "../source/catalog.ts";
import type { RelatedEach } from "../source/collection.ts";
import type { Fetched } from "../upstream/reads.ts";
import { type Matches, type OwnedList, timeOrder } from "./owned-list.ts";

/** The records of one owner as the mirror has them, all at hand. */
export class MirroredList implements OwnedList {
  readonly entry: CatalogEntry;
  readonly asOfMs: number;
  readonly #isNewestFirst: boolean;
  readonly #records: readonly Fetched[];

  /** @param asOfMs from when on, in ms since the epoch, the list is whole */
  constructor(entry: CatalogEntry, { order }: Pick<RelatedEach, "order">, records: readonly Fetched[], asOfMs: number) {
    this.entry = entry;
    this.asOfMs = asOfMs;
    this.#isNewestFirst = order === "newest-first";
    const oldestFirst = timeOrder(records, entry.collection.canonical, record => record);
    this.#records = this.#isNewestFirst ? oldestFirst.toReversed() : oldestFirst;
  }

  async latest(count: number, matches: Matches | null): Promise<readonly Fetched[]> {
    const matching = matches === null ? this.#records : this.#records.filter(matches);
    return this.#isNewestFirst ? matching.slice(0, count).toReversed() : matching.slice(-count);
  }

  async after(key: string | null, count: number) {
    const start = key === null ? 0 : this.#records.findIndex(record => record.entity.key === key) + 1;
    if (key !== null && start === 0) return undefined;
    const end = start + count;
    return { records: this.#records.slice(start, end), hasMore: this.#records.length > end };
  }
}
