import { TributaryError } from "../../core/errors.ts";
import type { Completeness, ListingEvidence, Reason, Verdict } from "../../core/verdict.ts";
import type { Listing } from "../../source/collection.ts";
import type { Page } from "./walk.ts";
import { hashOf, ProgressGuard } from "./guard.ts";
import { standingOf } from "./standing.ts";

/** A listing of which more than this share breaks its contract is not what it should be. */
const MAX_BROKEN_SHARE = 0.05;
/** Keys that are held to find duplicates, as hashes of 16 bytes: some 150 MiB. */
const MAX_KEYS = 2_000_000;

/** What is known of a record: its key, where it has one, and whether it breaks its contract. */
export interface RecordFacts {
  readonly key: string | null;
  readonly isBroken: boolean;
}

/** How the reading ended. */
export interface Ending {
  /** What ended it before its time. */
  readonly error?: Error;
  /** The records of the last complete reading. */
  readonly before?: number | null;
}

/** The one place that decides what "complete" means: gathers what a listing's pages show while they come in. */
export class Evidence {
  readonly #list: Listing;
  readonly #keys = new Set<string>();
  readonly #maxKeys: number;
  readonly #progress = new ProgressGuard();
  readonly #guardsHit = new Set<string>();
  readonly #windows = { read: 0, split: 0, capped: 0 };
  #pages = 0;
  #records = 0;
  #bytes = 0;
  #duplicateKeys = 0;
  #missingKeys = 0;
  #brokenRecords = 0;
  #emptyPages = 0;
  readonly #inTheMiddle = { fullest: 0, full: 0, short: 0 };
  #isKeyCountCapped = false;
  #isEndCertain = true;
  #total: number | null = null;
  #totalOfWindows: number | null = null;

  constructor(list: Listing, maxKeys = MAX_KEYS) {
    this.#list = list;
    this.#maxKeys = maxKeys;
  }

  /** Counts a page and its records; throws `UPSTREAM_LISTING` when page after page holds nothing new. */
  add(page: Page, records: readonly RecordFacts[]): void {
    const { advertisedTotal, isEndCertain, next, response } = page;
    this.#pages++;
    this.#bytes += response.text.length;
    this.#isEndCertain = isEndCertain;
    this.#total = advertisedTotal ?? this.#total;
    if (next !== null) this.#addMiddlePage(records.length);
    const known = this.#keys.size;
    for (const record of records) this.#addRecord(record);
    // Without keys there is nothing to tell progress by; what was split is meant to come again.
    const newKeys = this.#isKeyCountCapped || records.some(({ key }) => key === null) ? records.length : this.#keys.size - known;
    if (this.#windows.split === 0) this.#progress.check(records.length, newKeys);
  }

  /** Notes how one range of a listing ended that had to be taken apart: its total counts, is counted by its parts, or is more than can be read. */
  window(outcome: "read" | "split" | "capped"): void {
    this.#windows[outcome]++;
    if (outcome === "capped") this.#guardsHit.add("window cap");
    if (outcome !== "split" && this.#total !== null) this.#totalOfWindows = (this.#totalOfWindows ?? 0) + this.#total;
    this.#total = null;
  }

  /** Whether a record with this key came; only as long as keys are held (`isKeyCountCapped`). */
  hasKey(key: string): boolean {
    return this.#keys.has(hashOf(key));
  }

  /** What it all says. */
  verdict({ error, before = null }: Ending = {}): Verdict {
    const guard = error instanceof TributaryError ? error.details["guard"] : undefined;
    if (typeof guard === "string") this.#guardsHit.add(guard);
    const found: readonly (Finding | null)[] =
      error === undefined
        ? [this.#capped(), this.#totalFinding(), this.#brokenFinding(), this.#shrunk(before), this.#openEnd()]
        : [failed(error, guard), this.#capped()];
    const findings = found.filter(finding => finding !== null);
    const verdict = (["partial", "unknown"] as const).find(grave => findings.some(each => each.verdict === grave)) ?? "complete";
    const gravestFirst = [
      ...findings.filter(each => each.verdict === verdict),
      ...findings.filter(each => each.verdict !== verdict),
    ];
    return { verdict, reasons: gravestFirst.map(({ reason }) => reason), evidence: this.counts() };
  }

  counts(): ListingEvidence {
    const { mayMiss, mayRepeat } = standingOf(this.#list);
    const hasSeveral = this.#pages > 1;
    return {
      pages: this.#pages,
      records: this.#records,
      bytes: this.#bytes,
      advertisedTotal: this.#advertised(),
      duplicateKeys: this.#duplicateKeys,
      missingKeys: this.#missingKeys,
      brokenRecords: this.#brokenRecords,
      emptyPages: this.#emptyPages,
      shortPages: this.#inTheMiddle.short,
      guardsHit: [...this.#guardsHit],
      mayHaveMissed: mayMiss && hasSeveral,
      mayHaveRepeated: (mayRepeat && hasSeveral) || this.#windows.split > 0,
      windows: { ...this.#windows },
      isKeyCountCapped: this.#isKeyCountCapped,
    };
  }

  /** A page after which there are others; those that were the fullest so far turn out short when a fuller one comes. */
  #addMiddlePage(records: number): void {
    const pages = this.#inTheMiddle;
    if (records === 0) this.#emptyPages++;
    else if (records < pages.fullest) pages.short++;
    else if (records === pages.fullest) pages.full++;
    else {
      pages.short += pages.full;
      [pages.fullest, pages.full] = [records, 1];
    }
  }

  #addRecord({ key, isBroken }: RecordFacts): void {
    this.#records++;
    if (isBroken) this.#brokenRecords++;
    if (key === null) {
      this.#missingKeys++;
      return;
    }
    const hash = hashOf(key);
    if (this.#keys.has(hash)) this.#duplicateKeys++;
    else if (this.#keys.size < this.#maxKeys) this.#keys.add(hash);
    else this.#isKeyCountCapped = true;
  }

  #advertised(): number | null {
    if (this.#totalOfWindows === null) return this.#total;
    return this.#totalOfWindows + (this.#total ?? 0);
  }

  #capped(): Finding | null {
    const { capped } = this.#windows;
    if (capped === 0) return null;
    return finding(
      "partial",
      `the source lists no more than ${this.#list.windowCap?.rows} records at once; ${capped} range(s) hold more`,
      {
        guard: "window cap",
      },
    );
  }

  #totalFinding(): Finding | null {
    const advertised = this.#advertised();
    const listed = this.#isKeyCountCapped ? this.#records - this.#duplicateKeys : this.#keys.size;
    if (advertised === null || advertised === listed) return null;
    const message = `the source advertised ${advertised} records and listed ${listed}`;
    return finding(advertised > listed ? "partial" : "unknown", message, { guard: "advertised total" });
  }

  #brokenFinding(): Finding | null {
    const lost = Math.max(this.#brokenRecords, this.#missingKeys);
    if (lost <= MAX_BROKEN_SHARE * this.#records) return null;
    const what = this.#brokenRecords === lost ? "break their contract" : "have no key";
    return finding("partial", `${lost} of ${this.#records} records ${what}`, { code: "UPSTREAM_CONTRACT" });
  }

  #shrunk(before: number | null): Finding | null {
    const listed = this.#keys.size;
    if (before === null || this.#isKeyCountCapped || listed >= before / 2) return null;
    return finding("unknown", `the last complete reading had ${before} records, this one ${listed}`, { guard: "shrinkage" });
  }

  #openEnd(): Finding | null {
    if (this.#isEndCertain || this.#advertised() !== null) return null;
    return finding("unknown", "nothing said that the last page was the last, or that it came whole", { guard: "open end" });
  }
}

interface Finding {
  readonly verdict: Exclude<Completeness, "complete">;
  readonly reason: Reason;
}

const finding = (
  verdict: Finding["verdict"],
  message: string,
  { code = "UPSTREAM_LISTING", guard }: { code?: string; guard?: string } = {},
): Finding => ({ verdict, reason: { code, message, ...(guard !== undefined && { guard }) } });

const failed = (error: Error, guard: unknown): Finding =>
  finding("partial", error.message, {
    code: error instanceof TributaryError ? error.code : "INTERNAL",
    ...(typeof guard === "string" && { guard }),
  });
