import { type Json, keyText, valueAt } from "../core/json.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { BrokenRecord } from "../store/raw/manifest.ts";
import { breaksIn, contractError, keepsOut, mappingOf } from "../upstream/decode.ts";
import { examinerOf } from "../upstream/drift/examine.ts";
import { LearnedFields } from "../upstream/drift/learned-fields.ts";
import type { Page } from "../upstream/listing/walk.ts";
import { isDeleted, plainText } from "../upstream/reads.ts";
import { Evidence } from "../upstream/listing/evidence.ts";

/** Broken records that a manifest names; all are counted. */
const MAX_BROKEN_NAMED = 1_000;

/** What a pull's pages say about their completeness, and where their records break the contract. */
export class PullEvidence {
  readonly evidence: Evidence;
  /** The first of the broken records. */
  readonly broken: BrokenRecord[] = [];
  readonly #entry: CatalogEntry;
  readonly #before: readonly string[] | null;
  readonly #fields: LearnedFields;

  /** @param before the fields that the last complete pull left as known; null when there was none */
  constructor(entry: CatalogEntry, before: readonly string[] | null = null) {
    this.#entry = entry;
    this.#before = before;
    this.#fields = new LearnedFields(entry.collection, before);
    this.evidence = new Evidence(entry.collection.list);
  }

  /** The fields that were known, and that are known now. */
  get fields(): { readonly before: readonly string[] | null; readonly after: readonly string[] } {
    return { before: this.#before, after: this.#fields.after() };
  }

  /** Counts a page that is kept as the given line. Throws `UPSTREAM_FROZEN` for a record that ends the reading. */
  add(page: Page, line: number): void {
    this.evidence.add(
      page,
      page.records.map((record, index) => this.#factsOf(record, line, index)),
    );
  }

  #factsOf(record: Json, line: number, index: number): { key: string | null; isBroken: boolean } {
    if (isDeleted(this.#entry, record)) return { key: plainText(this.#entry, "key", record) ?? null, isBroken: false };
    const examined = examinerOf(this.#entry.collection)(record, { known: this.#fields.known });
    this.#fields.add(record);
    if (examined === null || !keepsOut(examined.policy)) return { key: this.keyOf(examined?.record ?? record), isBroken: false };
    const breaks = breaksIn(examined);
    if (examined.policy === "freeze") throw contractError(this.#entry, breaks, true);
    const key = plainKeyOf(this.#entry, record);
    if (this.broken.length < MAX_BROKEN_NAMED) this.broken.push({ line, index, key, breaks });
    return { key, isBroken: true };
  }

  /** The key of a sound record; null when it has none. */
  keyOf(record: Json): string | null {
    const { entity, issues } = mappingOf(this.#entry).read(record);
    return issues.some(issue => issue.field === "key") ? null : entity.key;
  }
}

/** The key of a record that a mapping must not read, where it is one plain value. */
function plainKeyOf(entry: CatalogEntry, record: Json): string | null {
  const inputs = entry.collection.map["key"]?.inputs ?? [];
  return inputs.length === 1 ? (keyText(valueAt(record, inputs[0]!)) ?? null) : null;
}
