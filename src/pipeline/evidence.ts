import { type Json, keyText, numberText, valueAt } from "../core/json.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { BrokenRecord, Verdict } from "../store/raw-store.ts";
import { contractBreaks, mappingOf } from "../upstream/decode.ts";
import type { Page } from "../upstream/listing.ts";

/** How a listing ended, and why that is not `complete`. */
export interface Ending {
  readonly verdict: Verdict;
  readonly reason: { readonly code: string; readonly message: string } | null;
}

/** A listing of which more than this share breaks its contract is not what it should be. */
const MAX_BROKEN_SHARE = 0.05;
/** Broken records that a manifest names; all are counted. */
const MAX_BROKEN_NAMED = 1_000;

/** What a listing's pages say about its completeness, gathered while they come in. Holds every key once. */
export class Evidence {
  readonly #entry: CatalogEntry;
  readonly #keys = new Set<string>();
  readonly #broken: BrokenRecord[] = [];
  #pages = 0;
  #records = 0;
  #duplicateKeys = 0;
  #missingKeys = 0;
  #brokenRecords = 0;
  #lastBody: Json = null;
  #isEndCertain = true;

  constructor(entry: CatalogEntry) {
    this.#entry = entry;
  }

  /** Counts a page that is kept as the given line. */
  add(page: Page, line: number): void {
    this.#pages++;
    this.#lastBody = page.response.body;
    this.#isEndCertain = page.isEndCertain;
    for (const [index, record] of page.records.entries()) this.#addRecord(record, line, index);
  }

  /** What the evidence says of a listing that was read to the end which its source stated. `before`: the records of the last complete pull. */
  ending(before: number | null): Ending {
    const advertised = this.#advertisedTotal();
    const listed = this.#keys.size;
    if (advertised !== null && advertised !== listed) {
      return notComplete(
        advertised > listed ? "partial" : "unknown",
        `the source advertised ${advertised} records and listed ${listed}`,
      );
    }
    if (this.#brokenRecords > MAX_BROKEN_SHARE * this.#records) {
      const message = `${this.#brokenRecords} of ${this.#records} records break their contract`;
      return { verdict: "partial", reason: { code: "UPSTREAM_CONTRACT", message } };
    }
    if (before !== null && listed < before / 2)
      return notComplete("unknown", `the last complete pull had ${before} records, this one ${listed}`);
    if (advertised === null && !this.#isEndCertain)
      return notComplete("unknown", "the last page was full and nothing said that it was the last");
    return { verdict: "complete", reason: null };
  }

  /** The counts as a manifest has them. */
  counts() {
    return {
      pages: this.#pages,
      records: this.#records,
      duplicateKeys: this.#duplicateKeys,
      missingKeys: this.#missingKeys,
      advertisedTotal: this.#advertisedTotal(),
      brokenRecords: this.#brokenRecords,
      broken: this.#broken,
    };
  }

  #addRecord(record: Json, line: number, index: number): void {
    this.#records++;
    const breaks = contractBreaks(this.#entry, record);
    const key = breaks.length === 0 ? this.#keyOf(record) : plainKeyOf(this.#entry, record);
    if (key === null) this.#missingKeys++;
    else if (this.#keys.has(key)) this.#duplicateKeys++;
    else this.#keys.add(key);
    if (breaks.length === 0) return;
    this.#brokenRecords++;
    if (this.#broken.length < MAX_BROKEN_NAMED) this.#broken.push({ line, index, key, breaks });
  }

  #keyOf(record: Json): string | null {
    const { entity, issues } = mappingOf(this.#entry).read(record);
    return issues.some(issue => issue.field === "key") ? null : entity.key;
  }

  #advertisedTotal(): number | null {
    const path = this.#entry.collection.list.total;
    const total = path === undefined ? Number.NaN : Number(numberText(valueAt(this.#lastBody, path)) ?? Number.NaN);
    return Number.isFinite(total) ? total : null;
  }
}

/** The key of a record that a mapping must not read, where it is one plain value. */
function plainKeyOf(entry: CatalogEntry, record: Json): string | null {
  const inputs = entry.collection.map["key"]?.inputs ?? [];
  return inputs.length === 1 ? (keyText(valueAt(record, inputs[0]!)) ?? null) : null;
}

const notComplete = (verdict: Verdict, message: string): Ending => ({ verdict, reason: { code: "UPSTREAM_LISTING", message } });
