import { type Json, keyText, valueAt } from "../core/json.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { BrokenRecord } from "../store/raw-store.ts";
import { contractBreaks, mappingOf } from "../upstream/decode.ts";
import type { Page } from "../upstream/listing/walk.ts";
import { Evidence } from "../upstream/listing/evidence.ts";

/** Broken records that a manifest names; all are counted. */
const MAX_BROKEN_NAMED = 1_000;

/** What a pull's pages say about their completeness, and where their records break the contract. */
export class PullEvidence {
  readonly evidence: Evidence;
  /** The first of the broken records. */
  readonly broken: BrokenRecord[] = [];
  readonly #entry: CatalogEntry;

  constructor(entry: CatalogEntry) {
    this.#entry = entry;
    this.evidence = new Evidence(entry.collection.list);
  }

  /** Counts a page that is kept as the given line. */
  add(page: Page, line: number): void {
    this.evidence.add(
      page,
      page.records.map((record, index) => this.#factsOf(record, line, index)),
    );
  }

  #factsOf(record: Json, line: number, index: number): { key: string | null; isBroken: boolean } {
    const breaks = contractBreaks(this.#entry, record);
    const isBroken = breaks.length > 0;
    const key = isBroken ? plainKeyOf(this.#entry, record) : this.#keyOf(record);
    if (isBroken && this.broken.length < MAX_BROKEN_NAMED) this.broken.push({ line, index, key, breaks });
    return { key, isBroken };
  }

  #keyOf(record: Json): string | null {
    const { entity, issues } = mappingOf(this.#entry).read(record);
    return issues.some(issue => issue.field === "key") ? null : entity.key;
  }
}

/** The key of a record that a mapping must not read, where it is one plain value. */
function plainKeyOf(entry: CatalogEntry, record: Json): string | null {
  const inputs = entry.collection.map["key"]?.inputs ?? [];
  return inputs.length === 1 ? (keyText(valueAt(record, inputs[0]!)) ?? null) : null;
}
