import { asError, UpstreamError } from "../../core/errors.ts";
import type { DayWindow, Listing } from "../../source/collection.ts";
import type { SplitRange } from "../../source/increment.ts";
import type { CallContext } from "../context.ts";
import { readPages } from "../listing.ts";
import type { Page, Walk } from "./walk.ts";
import type { Evidence } from "./evidence.ts";
import { type Ceilings, contentOf, defaultCeilings, hashOf } from "./guard.ts";
import type { ListingUpstream } from "./listing-upstream.ts";
import { stepOf, written } from "./scale.ts";
import { listingError, withParameters } from "./strategy.ts";

export interface ListingOptions extends Ceilings, Pick<Walk, "clock"> {
  readonly context: CallContext;
  /** The days that a dated listing is asked for. */
  readonly window: DayWindow;
  /** Is told how the ranges of a listing ended that had to be taken apart. */
  readonly evidence: Evidence;
  readonly nowMs: number;
}

const DAY_MS = 86_400_000;

/** The walk through a collection's listing for some days. */
export const walkOf = (list: Listing, window: DayWindow, ceilings: Ceilings & Pick<Walk, "clock"> = {}): Walk => ({
  request: list.request(window),
  items: list.items,
  pages: list.pages,
  ...(list.total !== undefined && { total: list.total }),
  ...ceilings,
});

/**
 * Every page of a collection's listing. Where the provider lists only so many rows at once, a range that holds more is halved until it does not, down
 * to the declared floor; rows that had come before a range was found too large come again. A range that cannot be halved is noted as capped. Throws
 * `UPSTREAM_LISTING` when all ranges together pass the ceiling of pages, and when two ranges show the same: then the source takes no notice of them.
 */
export async function* readListing(upstream: ListingUpstream, list: Listing, options: ListingOptions): AsyncGenerator<Page> {
  const { context, evidence, nowMs, window, ...ceilings } = options;
  const walk = walkOf(list, window, ceilings);
  const { windowCap } = list;
  if (windowCap === undefined) return yield* readPages(upstream, walk, context);
  const ranges = new Ranges(windowCap.split, nowMs);
  const maxPages = walk.maxPages ?? defaultCeilings.maxPages;
  let pagesLeft = maxPages;
  for (let range = ranges.take(); range !== undefined; range = ranges.take()) {
    const limited = { ...walk, request: ranges.limit(walk.request, range) };
    const canHalve = ranges.canHalve(range);
    const onPage = (page: Page, isFirst: boolean) => {
      if (isFirst) range.siblings.check(page);
      if (pagesLeft-- === 0) throw listingError("page ceiling", `more than ${maxPages} pages in all ranges together`);
    };
    const isCapped = yield* readCapped(upstream, limited, context, { rows: windowCap.rows, canHalve, onPage });
    if (isCapped && canHalve) ranges.halve(range);
    evidence.window(isCapped ? (canHalve ? "split" : "capped") : "read");
  }
}

/** Reads one range; returns whether it holds more than can be listed. Knows it by the total, by the number of rows, or by the provider's refusal. */
async function* readCapped(
  upstream: ListingUpstream,
  walk: Walk,
  context: CallContext,
  cap: { readonly rows: number; readonly canHalve: boolean; readonly onPage: (page: Page, isFirst: boolean) => void },
): AsyncGenerator<Page, boolean> {
  let rows = 0;
  let isFirst = true;
  const size = Math.min(walk.pageSize ?? walk.pages.maxPageSize, walk.pages.maxPageSize);
  try {
    for await (const page of readPages(upstream, walk, context)) {
      cap.onPage(page, isFirst);
      isFirst = false;
      if (cap.canHalve && (page.advertisedTotal ?? 0) >= cap.rows) return true;
      rows += page.records.length;
      yield page;
    }
  } catch (thrown) {
    const isRefusal =
      thrown instanceof UpstreamError && thrown.code === "UPSTREAM_REJECTED" && rows > 0 && rows + size > cap.rows;
    if (isRefusal) return true;
    throw asError(thrown);
  }
  // Exactly as many as can be listed may be all there are, or all that are shown.
  return rows >= cap.rows;
}

interface Range {
  readonly from: number;
  /** Not part of the range. */
  readonly to: number;
  readonly siblings: Siblings;
}

/** The first pages of both halves of a range: no record is in both. */
class Siblings {
  #seen: string | undefined;

  check({ records }: Page): void {
    if (records.length === 0) return;
    const content = hashOf(contentOf(records));
    if (content === this.#seen)
      throw listingError(
        "ignored range",
        "two ranges of the listing show the same records: the source takes no notice of the range",
      );
    this.#seen = content;
  }
}

/** The ranges that are still to be read, lowest first. */
class Ranges {
  readonly #split: SplitRange | undefined;
  readonly #left: Range[];
  readonly #floor: number;

  constructor(split: SplitRange | undefined, nowMs: number) {
    this.#split = split;
    this.#floor = split === undefined ? Number.POSITIVE_INFINITY : Math.max(split.floor ?? 0, stepOf[split.format]);
    this.#left = [{ from: split?.from ?? 0, to: split?.to ?? nowMs + DAY_MS, siblings: new Siblings() }];
  }

  take(): Range | undefined {
    return this.#left.pop();
  }

  /** A request for one range. */
  limit(request: Walk["request"], { from, to }: Range): Walk["request"] {
    if (this.#split === undefined) return request;
    const { fromParameter, toParameter, format, isToInclusive } = this.#split;
    const end = isToInclusive ? to - stepOf[format] : to;
    return withParameters(request, { [fromParameter]: written(from, format), [toParameter]: written(end, format) });
  }

  /** Whether both halves would be at least as wide as the floor. */
  canHalve({ from, to }: Pick<Range, "from" | "to">): boolean {
    const middle = this.#middle({ from, to });
    return this.#split !== undefined && middle - from >= this.#floor && to - middle >= this.#floor;
  }

  /** Puts both halves of a range back. */
  halve({ from, to }: Range): void {
    const middle = this.#middle({ from, to });
    const siblings = new Siblings();
    this.#left.push({ from: middle, to, siblings }, { from, to: middle, siblings });
  }

  /** Halves meet at a whole step of the parameter, so that nothing falls between them. */
  #middle({ from, to }: Pick<Range, "from" | "to">): number {
    const step = this.#split === undefined ? 1 : stepOf[this.#split.format];
    return Math.floor((from + to) / 2 / step) * step;
  }
}
