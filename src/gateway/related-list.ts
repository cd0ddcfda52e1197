import { UpstreamError } from "../core/errors.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { RelatedEach } from "../source/collection.ts";
import type { CallContext } from "../upstream/context.ts";
import { type Fetched, placed } from "../upstream/reads.ts";
import { relatedPages } from "../upstream/related.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { Flight } from "./flight.ts";
import type { Matches, OwnedList } from "./owned-list.ts";

/** Pages that one owner's listing is followed for at most. */
const MAX_PAGES = 50;
/** A first page smaller than this saves nothing. */
const MIN_PAGE = 10;

export interface RelatedListParts {
  readonly upstream: Upstream;
  readonly entry: CatalogEntry;
  readonly related: RelatedEach;
  readonly ownerKey: string;
  /** When it was begun, in ms since the epoch. */
  readonly asOfMs: number;
  /** Is given every record once, when it has come. */
  readonly onRecords: (records: readonly Fetched[]) => void;
}

/** The records of one owner, read page by page only as far as somebody asks, and shared by all who ask. */
export class RelatedList implements OwnedList {
  readonly entry: CatalogEntry;
  readonly asOfMs: number;
  readonly #upstream: Upstream;
  readonly #related: RelatedEach;
  readonly #ownerKey: string;
  readonly #onRecords: (records: readonly Fetched[]) => void;
  readonly #records: Fetched[] = [];
  readonly #cursors = new Set<string>();
  /** The next page's cursor; undefined before the first page, null after the last one. */
  #next: string | null | undefined = undefined;
  #going: { readonly flight: Flight; readonly page: Promise<void> } | null = null;

  constructor({ upstream, entry, related, ownerKey, asOfMs, onRecords }: RelatedListParts) {
    this.entry = entry;
    this.asOfMs = asOfMs;
    this.#upstream = upstream;
    this.#related = related;
    this.#ownerKey = ownerKey;
    this.#onRecords = onRecords;
  }

  /** The latest `count` records that match (null: any do), oldest of them first. Who filters reads whole pages: nobody knows how far it is. */
  async latest(count: number, matches: Matches | null, waiter: CallContext): Promise<readonly Fetched[]> {
    const isNewestFirst = this.#related.order === "newest-first";
    const matching = () => (matches === null ? this.#records : this.#records.filter(matches));
    const wanted = isNewestFirst && matches === null ? count : Infinity;
    await this.#readUntil(() => isNewestFirst && matching().length >= count, wanted, waiter);
    return isNewestFirst ? matching().slice(0, count).toReversed() : matching().slice(-count);
  }

  /** The `count` records after the one with the given key (null: from the start), in the source's order; undefined when that key is not there. */
  async after(
    key: string | null,
    count: number,
    waiter: CallContext,
  ): Promise<{ records: readonly Fetched[]; hasMore: boolean } | undefined> {
    const start = () => (key === null ? 0 : this.#records.findIndex(record => record.entity.key === key) + 1);
    const isFound = () => key === null || start() > 0;
    await this.#readUntil(() => isFound() && this.#records.length > start() + count, count + 1, waiter);
    if (!isFound()) return undefined;
    const end = start() + count;
    return { records: this.#records.slice(start(), end), hasMore: this.#records.length > end };
  }

  async #readUntil(isEnough: () => boolean, wanted: number, waiter: CallContext): Promise<void> {
    while (this.#next !== null && !isEnough()) {
      this.#going ??= this.#readPage(wanted, waiter);
      try {
        await this.#going.flight.join(this.#going.page, waiter);
      } catch (thrown) {
        throw placed(thrown, this.entry);
      }
    }
  }

  #readPage(wanted: number, waiter: CallContext): { flight: Flight; page: Promise<void> } {
    const flight = new Flight(waiter);
    const page = this.#append(Math.max(MIN_PAGE, Math.min(wanted, this.#related.pages.maxPageSize)), flight).finally(
      () => (this.#going = null),
    );
    return { flight, page };
  }

  async #append(pageSize: number, flight: Flight): Promise<void> {
    const from = this.#next ?? undefined;
    const options = { context: flight.context, pageSize, ...(from === undefined ? {} : { from }) };
    for await (const page of relatedPages(this.#upstream, this.entry, this.#related, this.#ownerKey, options)) {
      this.#guard(page.next);
      this.#records.push(...page.records);
      this.#onRecords(page.records);
      this.#next = page.next;
      return;
    }
  }

  #guard(next: string | null): void {
    if (next === null) return;
    const isRepeated = this.#cursors.has(next);
    this.#cursors.add(next);
    if (!isRepeated && this.#cursors.size <= MAX_PAGES) return;
    throw new UpstreamError(
      "UPSTREAM_LISTING",
      isRepeated ? "a page cursor came back" : `more than ${MAX_PAGES} pages for one customer`,
      {
        details: { source: this.entry.source.name, collection: this.entry.name },
      },
    );
  }
}
