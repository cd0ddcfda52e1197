import { ContractError } from "../../core/errors.ts";
import { type Json, valueAt } from "../../core/json.ts";
import { type Clock, systemClock } from "../../core/ports.ts";
import type { Verdict } from "../../core/verdict.ts";
import type { CatalogEntry } from "../../source/catalog.ts";
import { safetyLagOf, type Watermark } from "../../source/increment.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import { readPages } from "../listing.ts";
import type { Page } from "./walk.ts";
import { plainText } from "../reads.ts";
import type { Listing } from "../../source/collection.ts";
import { Evidence } from "./evidence.ts";
import { type Ceilings, exactText, hashOf } from "./guard.ts";
import type { ListingUpstream } from "./listing-upstream.ts";
import { walkOf } from "./read-listing.ts";
import { isCounted } from "./standing.ts";
import { instantIn, stepOf, written } from "./scale.ts";
import { listingError, withParameters } from "./strategy.ts";

/** How far incremental reading has come. Plain data, to be stored as it is. */
export interface Checkpoint {
  /** In ms since the epoch: everything before it has been read. */
  readonly watermarkMs: number;
  /** Hashes of the records that will come again because they are at the watermark or within the lookback; they are then left out. */
  readonly boundary: readonly string[];
  /** False when there were more of them than are kept: then all come again rather than that one is lost. */
  readonly isBoundaryKnown: boolean;
}

/** A page of what is new. */
export interface ChangePage {
  readonly page: Page;
  /** The page's records without those that had come before this reading. */
  readonly records: readonly Json[];
  /** How far it has come with this page; only with the last page unless the watermark says otherwise. */
  readonly checkpoint: Checkpoint | null;
  /** With the last page. */
  readonly verdict: Verdict | null;
}

export interface ChangeOptions extends Ceilings {
  readonly context: CallContext;
  readonly clock?: Clock;
  /** When the reading began, where it goes on with one that broke off; now unless given. */
  readonly nowMs?: number;
  /** Records of the boundary that are remembered at most, 16 bytes each; 10,000 unless given. */
  readonly maxBoundary?: number;
}

const MAX_BOUNDARY = 10_000;

/**
 * What is new in a collection since a checkpoint (null: everything), page by page. The new checkpoint comes only with the last page, so that a reading
 * that breaks off is begun again; it never passes `now - safetyLagMs`, so that what becomes visible late, or by a clock that is behind, is still read.
 * A record may come twice, never not at all. Throws what reading a listing throws, and `UPSTREAM_CONTRACT` for a record without its instant.
 */
export async function* readChanges(
  upstream: ListingUpstream,
  entry: CatalogEntry,
  checkpoint: Checkpoint | null,
  options: ChangeOptions,
): AsyncGenerator<ChangePage> {
  const { clock = systemClock, context, nowMs = clock.nowMs(), maxBoundary = MAX_BOUNDARY, ...ceilings } = options;
  const { list } = changesOf(entry).collection;
  const watermark = list.watermark!;
  const boundary = new Boundary(watermark, checkpoint, nowMs, maxBoundary);
  const evidence = new Evidence(list);
  const walk = walkOf(list, { from: "", to: "" }, { clock, ...ceilings });
  let sinceMs = checkpoint && checkpoint.watermarkMs - (watermark.lookbackMs ?? 0);
  for (let isCut = true; isCut;) {
    isCut = false;
    const rows = new Rows(list);
    for await (const page of readPages(upstream, { ...walk, request: requestSince(list, watermark, sinceMs) }, context)) {
      evidence.add(
        page,
        page.records.map(record => ({ key: plainText(entry, "key", record) ?? null, isBroken: false })),
      );
      const records = page.records.filter(record => boundary.isNew(record));
      const isLast = page.next === null;
      const moves = isLast || watermark.checkpoint === "each-page";
      yield { page, records, checkpoint: moves ? boundary.checkpoint() : null, verdict: isLast ? evidence.verdict() : null };
      // Where pages are counted, an edit moves a row to the end and all behind it forward: each page begins anew from the last instant where that is a later one.
      const isAhead = page.next !== null && isCounted(list.pages) && sinceMs !== null && boundary.latestMs > sinceMs;
      isCut = rows.areSpentBy(page) || isAhead;
      if (isCut) break;
    }
    if (isCut) sinceMs = laterThan(sinceMs, boundary.latestMs, entry);
  }
}

/** A collection with the listing of what has changed in place of that of everything. Throws `UPSTREAM_CONTRACT` for one without a watermark. */
export function changesOf(entry: CatalogEntry): CatalogEntry {
  const { total: _total, windowCap: _cap, days: _days, ...list } = entry.collection.list;
  const { watermark } = list;
  if (watermark === undefined) throw new ContractError("UPSTREAM_CONTRACT", `${entry.id} has no watermark`);
  const { listing } = watermark;
  const own = listing && { items: listing.items, pages: listing.pages, request: () => listing.request("") };
  const changes: Listing = own ? { ...list, ...own, order: "oldest-first", isOrderChangedByEdits: true } : list;
  return { ...entry, collection: { ...entry.collection, list: changes } };
}

/** The first request; a step earlier where the instant itself is left out of the answer. */
function requestSince(list: Listing, watermark: Watermark, sinceMs: number | null): UpstreamRequest {
  const { listing, parameter, format, isInclusive } = watermark;
  const since = sinceMs === null ? null : written(sinceMs - (isInclusive ? 0 : stepOf[format]), format);
  if (listing) return listing.request(since ?? written(0, format));
  const request = list.request({ from: "", to: "" });
  return since === null || parameter === undefined ? request : withParameters(request, { [parameter]: since });
}

/** Counts the rows of one query, where that shows only so many. */
class Rows {
  readonly #most: number;
  readonly #size: number;
  #came = 0;

  constructor({ watermark, pages }: Listing) {
    this.#most = watermark?.listing?.rows ?? Number.POSITIVE_INFINITY;
    this.#size = pages.maxPageSize;
  }

  /** Whether there are more, but the query's next page is beyond what it shows. */
  areSpentBy({ records, next }: Page): boolean {
    this.#came += records.length;
    return next !== null && this.#came + this.#size > this.#most;
  }
}

/** Where the next query begins; throws `UPSTREAM_LISTING` when more rows are of one instant than a query shows. */
function laterThan(sinceMs: number | null, latestMs: number, { id }: CatalogEntry): number {
  if (sinceMs === null || latestMs > sinceMs) return latestMs;
  throw listingError("window cap", `${id}: more rows are of one instant than a query shows`);
}

/** Tells which records had come before, and remembers those that will come again. */
class Boundary {
  readonly #watermark: Watermark;
  readonly #known: ReadonlySet<string>;
  readonly #limitMs: number;
  readonly #max: number;
  /** Records that the next reading may meet again, oldest first by their instant as far as they are kept. */
  #held: { readonly atMs: number; readonly hash: string }[] = [];
  #highestMs: number;
  /** The latest instant of any record. */
  latestMs = Number.NEGATIVE_INFINITY;
  /** Records at or after this instant have been forgotten. */
  #forgottenFromMs = Number.NEGATIVE_INFINITY;

  constructor(watermark: Watermark, checkpoint: Checkpoint | null, nowMs: number, max: number) {
    this.#watermark = watermark;
    this.#known = new Set(checkpoint?.boundary);
    this.#limitMs = nowMs - safetyLagOf(watermark);
    this.#highestMs = checkpoint?.watermarkMs ?? Number.NEGATIVE_INFINITY;
    this.#max = max;
  }

  isNew(record: Json): boolean {
    const { field, format, fieldFormat = format } = this.#watermark;
    const atMs = instantIn(valueAt(record, field), fieldFormat);
    if (atMs === undefined) throw new ContractError("UPSTREAM_CONTRACT", `${field}: a record does not say when it is from`);
    this.latestMs = Math.max(this.latestMs, atMs);
    const hash = hashOf(exactText(record));
    this.#highestMs = Math.max(this.#highestMs, Math.min(atMs, this.#limitMs));
    this.#hold(atMs, hash);
    return !this.#known.has(hash);
  }

  checkpoint(): Checkpoint {
    const watermarkMs = Number.isFinite(this.#highestMs) ? this.#highestMs : this.#limitMs;
    const fromMs = this.#fromMs();
    const hashes = this.#held.filter(({ atMs }) => atMs >= fromMs).map(({ hash }) => hash);
    const isBoundaryKnown = this.#forgottenFromMs < fromMs && hashes.length <= this.#max;
    return { watermarkMs, boundary: isBoundaryKnown ? hashes : [], isBoundaryKnown };
  }

  /** The first instant that the next reading may see, whatever the parameter's steps. */
  #fromMs(): number {
    const { lookbackMs = 0, format } = this.#watermark;
    return this.#highestMs - lookbackMs - 2 * stepOf[format];
  }

  /** Keeps twice the allowed number before it forgets what is too old to come again, and then what is too much. */
  #hold(atMs: number, hash: string): void {
    if (atMs < this.#fromMs()) return;
    this.#held.push({ atMs, hash });
    if (this.#held.length <= 2 * this.#max) return;
    const fromMs = this.#fromMs();
    this.#held = this.#held.filter(item => item.atMs >= fromMs);
    if (this.#held.length <= this.#max) return;
    this.#forgottenFromMs = Math.max(this.#forgottenFromMs, ...this.#held.map(item => item.atMs));
    this.#held = [];
  }
}
