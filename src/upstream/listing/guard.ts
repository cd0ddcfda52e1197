import { createHash } from "node:crypto";
import type { Json } from "../../core/json.ts";
import { listingError } from "./strategy.ts";

/** How far a listing is followed. */
export interface Ceilings {
  /** Pages at most; 100,000 unless stated. */
  readonly maxPages?: number;
  /** Of all bodies together; 64 GiB unless stated. */
  readonly maxBytes?: number;
  /** From the first page to the last, in ms; 24 hours unless stated. */
  readonly maxMs?: number;
}

export const defaultCeilings = { maxPages: 100_000, maxBytes: 64 * 1024 ** 3, maxMs: 86_400_000 };
/** Empty pages in a row, each with a cursor for one more. */
const MAX_EMPTY = 1_000;
/** Pages in a row without one record that had not come before. */
const MAX_STALE = 10;

/** Pages in a row that new records may push back where pages are counted. */
const MAX_PUSHED_BACK = 2;

/** What the guard looks at in a page. */
export interface Seen {
  readonly cursor: string | null;
  readonly next: string | null;
  readonly records: readonly Json[];
  readonly bytes: number;
  readonly receivedAtMs: number;
}

/**
 * Notices a listing that turns in circles or never ends. Holds two hashes of 16 bytes for each page, and not more pages than its ceiling: at most
 * some 20 MiB. Throws `UPSTREAM_LISTING` with the guard's name in `details.guard`.
 */
export class ListingGuard {
  readonly #seen = new Set<string>();
  readonly #ceilings: Required<Ceilings>;
  readonly #place: { source: string; operation: string };
  #pages = 0;
  #bytes = 0;
  #emptyInARow = 0;
  #repeatedInARow = 0;
  /** Pages in a row that may come again. */
  readonly #mayRepeat: number;
  #startedAtMs: number | undefined;

  /** `isCounted`: whether pages are found by counting, so that a page's worth of new records pushes a page back once. */
  constructor(place: { source: string; operation: string }, ceilings: Ceilings, isCounted = false) {
    this.#mayRepeat = isCounted ? MAX_PUSHED_BACK : 0;
    this.#place = place;
    this.#ceilings = { ...defaultCeilings, ...ceilings };
  }

  check(page: Seen): void {
    this.#checkCeilings(page);
    const { cursor, next, records } = page;
    if (next !== null && (next === cursor || !this.#isNew(`cursor ${next}`)))
      this.#stop("repeated cursor", "a page cursor came back");
    const isRepeated = records.length > 0 && !this.#isNew(`content ${contentOf(records)}`);
    this.#repeatedInARow = isRepeated ? this.#repeatedInARow + 1 : 0;
    if (this.#repeatedInARow > this.#mayRepeat) this.#stop("repeated content", "the content of a page came back");
    this.#emptyInARow = records.length === 0 ? this.#emptyInARow + 1 : 0;
    if (this.#emptyInARow > MAX_EMPTY) this.#stop("no progress", `more than ${MAX_EMPTY} empty pages in a row`);
  }

  #checkCeilings({ bytes, receivedAtMs }: Seen): void {
    const { maxPages, maxBytes, maxMs } = this.#ceilings;
    this.#startedAtMs ??= receivedAtMs;
    this.#bytes += bytes;
    if (++this.#pages > maxPages) this.#stop("page ceiling", `more than ${maxPages} pages`);
    if (this.#bytes > maxBytes) this.#stop("byte ceiling", `more than ${maxBytes} bytes`);
    if (receivedAtMs - this.#startedAtMs > maxMs) this.#stop("time ceiling", `not at its end after ${maxMs} ms`);
  }

  #isNew(mark: string): boolean {
    const hash = hashOf(mark);
    const isNew = !this.#seen.has(hash);
    this.#seen.add(hash);
    return isNew;
  }

  #stop(guard: string, problem: string): never {
    throw listingError(guard, `${this.#place.source} ${this.#place.operation}: ${problem}`, this.#place);
  }
}

/** Notices pages that hold nothing new though they differ. Knows keys only from the one who reads them. */
export class ProgressGuard {
  #stale = 0;

  /** Throws `UPSTREAM_LISTING` when, again and again, a page with records had no key that was new. */
  check(records: number, newKeys: number): void {
    this.#stale = records > 0 && newKeys === 0 ? this.#stale + 1 : 0;
    if (this.#stale >= MAX_STALE)
      throw listingError("no progress", `${MAX_STALE} pages in a row held only records that had come before`);
  }
}

/** 128 bits as text. */
export const hashOf = (text: string): string => createHash("sha256").update(text).digest().subarray(0, 16).toString("base64url");

/** A JSON value as text, with every digit. */
export const exactText = (value: Json): string =>
  JSON.stringify(value, (_name, item: unknown) => (typeof item === "bigint" ? String(item) : item));

/** Stands for all records of a page, in whatever order they come. The cursors around them may be new each time. */
export const contentOf = (records: readonly Json[]): string => records.map(exactText).toSorted().join("\n");
