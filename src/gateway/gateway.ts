import { LRUCache } from "lru-cache";
import type { Change } from "../core/changes.ts";
import type { Clock } from "../core/ports.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import type { DayWindow, RelatedBatch } from "../source/collection.ts";
import type { CustomerIndex } from "../store/customer-index.ts";
import type { Mirror } from "../store/mirror.ts";
import type { CallContext } from "../upstream/context.ts";
import { DriftLog } from "../upstream/drift/drift-log.ts";
import { lookupRecords } from "../upstream/lookup.ts";
import type { Fetched, Outcomes } from "../upstream/reads.ts";
import { relatedRecords } from "../upstream/related.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { Datasets } from "./datasets.ts";
import { IssueCounts } from "./issue-counts.ts";
import type { RateYear } from "./rate-year.ts";
import { RelatedList } from "./related-list.ts";
import { type ReadPlan, SharedReads } from "./shared-reads.ts";

export interface GatewayParts {
  readonly catalog: Catalog;
  readonly upstreamOf: (source: string) => Upstream;
  readonly mirror: Mirror;
  readonly index: CustomerIndex;
  readonly clock: Clock;
  /** Where it is noted how records differ from what was agreed; its own unless given. */
  readonly drift?: DriftLog;
  /** What was built; nothing unless given. */
  readonly datasets?: Datasets;
  /** Records, and lists of records, kept at most. */
  readonly maxCached?: number;
}

const MAX_CACHED = 50_000;
const MAX_RATE_YEARS = 64;

/** What all live requests of the process share: fresh records, reads in flight, counts. */
export class Gateway {
  readonly catalog: Catalog;
  readonly index: CustomerIndex;
  readonly mirror: Mirror;
  readonly clock: Clock;
  readonly upstreamOf: (source: string) => Upstream;
  readonly issues = new IssueCounts();
  readonly drift: DriftLog;
  readonly datasets: Datasets | null;
  readonly records: SharedReads<Fetched>;
  readonly recordLists: SharedReads<readonly Fetched[]>;
  readonly rateYears = new SharedReads<RateYear>(MAX_RATE_YEARS);
  readonly #lists: LRUCache<string, RelatedList>;
  readonly #fillProblems = new Map<string, string>();
  #isIndexed = false;

  constructor(parts: GatewayParts) {
    const max = parts.maxCached ?? MAX_CACHED;
    this.catalog = parts.catalog;
    this.index = parts.index;
    this.mirror = parts.mirror;
    this.clock = parts.clock;
    this.drift = parts.drift ?? new DriftLog({ clock: parts.clock });
    this.datasets = parts.datasets ?? null;
    this.upstreamOf = parts.upstreamOf;
    this.records = new SharedReads(max);
    this.recordLists = new SharedReads(max);
    this.#lists = new LRUCache({ max });
  }

  /** How a collection's records are read by key: from the mirror while it is fresh enough, else from the source. */
  lookupPlan(entry: CatalogEntry): ReadPlan<Fetched | null> {
    return {
      scope: entry.id,
      entry,
      freshMs: entry.collection.freshness.cacheMs,
      load: (keys, context) => this.#load(entry, keys, context),
    };
  }

  /** How the dated records of many owners are read for a window of days. */
  relatedPlan(entry: CatalogEntry, related: RelatedBatch, window: DayWindow): ReadPlan<readonly Fetched[] | null> {
    const load = async (keys: readonly string[], context: CallContext) => {
      const read = await relatedRecords(this.upstreamOf(entry.source.name), entry, related, keys, { context, window });
      for (const records of read.values()) if (!(records instanceof Error)) this.#count(entry, records);
      return read;
    };
    return { scope: `${entry.id} ${window.from} ${window.to}`, entry, freshMs: entry.collection.freshness.cacheMs, load };
  }

  /** The list of one owner's records, the same object for everybody while it is fresh. */
  listOf(entry: CatalogEntry, ownerKey: string): RelatedList | undefined {
    const { related, freshness } = entry.collection;
    if (related?.mode !== "each") return undefined;
    const name = `${entry.id} ${ownerKey}`;
    const known = this.#lists.get(name);
    if (known) return known;
    const upstream = this.upstreamOf(entry.source.name);
    const list = new RelatedList({ upstream, entry, related, ownerKey, onRecords: records => this.#count(entry, records) });
    this.#lists.set(name, list, { ttl: freshness.cacheMs });
    return list;
  }

  /** The collections of customers that were never read to their end, and so are not in the index. */
  async unindexed(): Promise<readonly string[]> {
    if (this.#isIndexed) return [];
    const fills = await this.mirror.fills();
    const missing = this.catalog.of("Customer").filter(entry => !fills.has(entry.id));
    this.#isIndexed = missing.length === 0;
    return missing.map(entry => entry.id);
  }

  /** Notes how the last reading of a collection into the index ended: null when it was well. */
  noteFill(collection: string, problem: string | null): void {
    if (problem === null) this.#fillProblems.delete(collection);
    else this.#fillProblems.set(collection, problem);
  }

  /** Why a collection could last not be read into the index; null when it was well. */
  fillProblem(collection: string): string | null {
    return this.#fillProblems.get(collection) ?? null;
  }

  /** Forgets what is known of records that changed, and of the lists that they are in. */
  forget(changes: readonly Change[]): void {
    for (const { collection, key, owners } of changes) {
      this.records.forget(collection, key);
      for (const owner of owners) {
        this.recordLists.forget(collection, owner);
        this.#lists.delete(`${collection} ${owner}`);
      }
    }
  }

  /** Forgets everything that is kept. */
  clear(): void {
    this.records.clear();
    this.recordLists.clear();
    this.rateYears.clear();
    this.#lists.clear();
  }

  async #load(entry: CatalogEntry, keys: readonly string[], context: CallContext): Promise<Outcomes<Fetched | null>> {
    const { mirrorMs } = entry.collection.freshness;
    const mirrored: Outcomes<Fetched> =
      mirrorMs === undefined ? new Map() : await this.mirror.fresh(entry.id, keys, this.clock.nowMs() - mirrorMs);
    this.#count(entry, [...mirrored.values()]);
    const missing = keys.filter(key => !mirrored.has(key));
    if (missing.length === 0) return mirrored;
    const read = await lookupRecords(this.upstreamOf(entry.source.name), entry, missing, context);
    this.#count(entry, [...read.values()]);
    return new Map([...mirrored, ...read]);
  }

  #count(entry: CatalogEntry, records: readonly (Fetched | Error | null)[]): void {
    for (const record of records) if (record !== null && !(record instanceof Error)) this.issues.count(entry.id, record.issues);
  }
}
