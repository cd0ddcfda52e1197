import { LRUCache } from "lru-cache";
import type { Change, ChangeFeed } from "../core/changes.ts";
import type { Clock } from "../core/ports.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import type { DayWindow, RelatedBatch } from "../source/collection.ts";
import type { Completeness } from "../store/completeness.ts";
import type { CustomerIndex } from "../store/customer-index.ts";
import { isMirrored, staleMsOf } from "../source/collection.ts";
import type { Mirror } from "../store/mirror.ts";
import type { CallContext } from "../upstream/context.ts";
import { DriftLog } from "../upstream/drift/drift-log.ts";
import { lookupRecords } from "../upstream/lookup.ts";
import type { Fetched, Outcomes } from "../upstream/reads.ts";
import { relatedRecords } from "../upstream/related.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { Datasets } from "./datasets.ts";
import { type Freshness, isOutage, keptAgeMs, readAgeMs } from "./freshness.ts";
import { IssueCounts } from "./issue-counts.ts";
import type { RateYear } from "./rate-year.ts";
import { MirroredList } from "./mirrored-list.ts";
import type { OwnedList } from "./owned-list.ts";
import { RelatedList } from "./related-list.ts";
import { type ReadPlan, SharedReads } from "./shared-reads.ts";

export interface GatewayParts {
  readonly catalog: Catalog;
  readonly upstreamOf: (source: string) => Upstream;
  readonly mirror: Mirror;
  readonly index: CustomerIndex;
  readonly clock: Clock;
  /** How complete what sources send of their own accord is; unknown unless given. */
  readonly completeness?: CompletenessFacts;
  /** Where it is told what changes; nowhere unless given. */
  readonly changes?: ChangeFeed;
  /** Is given what was read live of mirrored collections; nobody unless given. */
  readonly onRead?: (entry: CatalogEntry, records: readonly Fetched[]) => void;
  /** Where it is noted how records differ from what was agreed; its own unless given. */
  readonly drift?: DriftLog;
  /** What was built; nothing unless given. */
  readonly datasets?: Datasets;
  /** Records, and lists of records, kept at most. */
  readonly maxCached?: number;
}

/** What is known of how complete events are; both throw `STORE_UNAVAILABLE`. */
export type CompletenessFacts = Pick<Completeness, "days" | "runs">;

/** How far the mirror is may be known so much later, in ms: it is further then. */
const LOOK_AGAIN_MS = 1_000;

/** A record, and why its source did not give it now when it is older than declared. */
export interface Answered extends Fetched {
  readonly failure?: Error;
}

const MAX_CACHED = 50_000;
/** Records of one owner that are taken from the mirror at most; of more, only as many are read as are asked for, from their source. */
const MAX_OWNED = 1_000;
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
  readonly changes: ChangeFeed | null;
  readonly completeness: CompletenessFacts | null;
  readonly records: SharedReads<Fetched>;
  readonly recordLists: SharedReads<readonly Fetched[]>;
  readonly rateYears: SharedReads<RateYear>;
  readonly #lists: LRUCache<string, OwnedList>;
  readonly #onRead: NonNullable<GatewayParts["onRead"]>;
  readonly #fillProblems = new Map<string, string>();
  #isIndexed = false;
  /** How far the mirror was when it was last looked, in ms since the epoch. */
  #asOf: ReadonlyMap<string, number> = new Map();
  #lookedAtMs = -Infinity;
  /** How often something was forgotten. */
  #changes = 0;

  constructor(parts: GatewayParts) {
    const max = parts.maxCached ?? MAX_CACHED;
    this.catalog = parts.catalog;
    this.index = parts.index;
    this.mirror = parts.mirror;
    this.clock = parts.clock;
    this.drift = parts.drift ?? new DriftLog({ clock: parts.clock });
    this.datasets = parts.datasets ?? null;
    this.changes = parts.changes ?? null;
    this.completeness = parts.completeness ?? null;
    this.upstreamOf = parts.upstreamOf;
    this.#onRead = parts.onRead ?? (() => undefined);
    this.records = new SharedReads(max, parts.clock, ({ fetchedAtMs }) => fetchedAtMs);
    this.recordLists = new SharedReads(max, parts.clock, records => Math.min(...records.map(({ fetchedAtMs }) => fetchedAtMs)));
    this.rateYears = new SharedReads(MAX_RATE_YEARS, parts.clock, () => Infinity);
    this.#lists = new LRUCache({ max });
  }

  /** How a collection's records are read by key: from the mirror while it is fresh enough, else from the source. */
  lookupPlan(entry: CatalogEntry, freshness: Freshness): ReadPlan<Fetched | null> {
    const maxAgeMs = agesOf(entry, freshness);
    return {
      scope: entry.id,
      entry,
      freshMs: entry.collection.freshness.cacheMs,
      maxAgeMs,
      load: (keys, context) => this.#load(entry, keys, { context, maxAgeMs: maxAgeMs.read }),
    };
  }

  /** Outcomes as they are, but for sources that cannot be asked: there what the mirror has from before. */
  async orStale(
    entry: CatalogEntry,
    keys: readonly string[],
    outcomes: readonly (Fetched | Error | null)[],
  ): Promise<(Answered | Error | null)[]> {
    const missing = keys.filter((_key, place) => isOutage(outcomes[place]));
    const staleMs = staleMsOf(entry.collection);
    if (missing.length === 0 || staleMs === 0) return [...outcomes];
    const known = await this.mirror.fresh(entry.id, missing, this.clock.nowMs() - staleMs);
    return outcomes.map((outcome, place) => {
      const old = known.get(keys[place]!);
      return old && outcome instanceof Error && isOutage(outcome) ? { ...old, failure: outcome } : outcome;
    });
  }

  /** How the dated records of many owners are read for a window of days. */
  relatedPlan(
    entry: CatalogEntry,
    related: RelatedBatch,
    window: DayWindow,
    freshness: Freshness,
  ): ReadPlan<readonly Fetched[] | null> {
    const load = async (keys: readonly string[], context: CallContext) => {
      const read = await relatedRecords(this.upstreamOf(entry.source.name), entry, related, keys, { context, window });
      for (const records of read.values()) if (!(records instanceof Error)) this.#count(entry, records);
      return read;
    };
    const scope = `${entry.id} ${window.from} ${window.to}`;
    return { scope, entry, freshMs: entry.collection.freshness.cacheMs, maxAgeMs: agesOf(entry, freshness), load };
  }

  /** The list of one owner's records that is at hand and young enough, the same object for everybody. */
  knownList(entry: CatalogEntry, ownerKey: string, freshness: Freshness): OwnedList | undefined {
    const known = this.#lists.get(`${entry.id} ${ownerKey}`);
    return known && this.clock.nowMs() - known.asOfMs <= keptAgeMs(entry, freshness) ? known : undefined;
  }

  /** The list of one owner's records, to be read from the source as far as somebody asks; undefined where it is not read by owner. */
  sourceList(entry: CatalogEntry, ownerKey: string): OwnedList | undefined {
    const { related } = entry.collection;
    if (related?.mode !== "each") return undefined;
    const upstream = this.upstreamOf(entry.source.name);
    const onRecords = (records: readonly Fetched[]) => this.#count(entry, records);
    return this.#keepList(
      ownerKey,
      new RelatedList({ upstream, entry, related, ownerKey, asOfMs: this.clock.nowMs(), onRecords }),
    );
  }

  /** The lists of many owners from the mirror, if that is as fresh as it should be; null for each that is to be read from the source. */
  async mirroredLists(entry: CatalogEntry, ownerKeys: readonly string[], freshness: Freshness): Promise<(MirroredList | null)[]> {
    const changes = this.#changes;
    const lists = await this.#listsWithin(entry, ownerKeys, readAgeMs(entry, freshness));
    // What changed while it was read is for those who wait, and not kept.
    if (changes === this.#changes) for (const [place, list] of lists.entries()) if (list) this.#keepList(ownerKeys[place]!, list);
    return lists;
  }

  /** The collections of which everything that may be asked for is in the mirror, and young enough. */
  async atHand(freshness: Freshness): Promise<ReadonlySet<CatalogEntry>> {
    const nowMs = this.clock.nowMs();
    const asOf = await this.#mirrorAsOf();
    return new Set(
      this.catalog.entries.filter(
        entry => isMirrored(entry.collection) && nowMs - (asOf.get(entry.id) ?? -Infinity) <= readAgeMs(entry, freshness),
      ),
    );
  }

  /** The lists of many owners as the mirror has them from before; null for each of which it has none. */
  async staleLists(entry: CatalogEntry, ownerKeys: readonly string[]): Promise<(MirroredList | null)[]> {
    return this.#listsWithin(entry, ownerKeys, staleMsOf(entry.collection));
  }

  async #listsWithin(entry: CatalogEntry, ownerKeys: readonly string[], maxAgeMs: number): Promise<(MirroredList | null)[]> {
    const { related } = entry.collection;
    const none = ownerKeys.map(() => null);
    if (related?.mode !== "each" || maxAgeMs <= 0 || !isMirrored(entry.collection)) return none;
    const asOfMs = (await this.#mirrorAsOf()).get(entry.id);
    if (asOfMs === undefined || this.clock.nowMs() - asOfMs > maxAgeMs) return none;
    const owned = await this.mirror.owned(entry.id, ownerKeys, MAX_OWNED);
    return ownerKeys.map(key => {
      const records = owned.get(key);
      if (records === undefined) return null;
      this.#count(entry, records);
      return new MirroredList(entry, related, records, asOfMs);
    });
  }

  async #mirrorAsOf(): Promise<ReadonlyMap<string, number>> {
    const nowMs = this.clock.nowMs();
    if (nowMs - this.#lookedAtMs > LOOK_AGAIN_MS) [this.#asOf, this.#lookedAtMs] = [await this.mirror.asOfAll(), nowMs];
    return this.#asOf;
  }

  #keepList<L extends OwnedList>(ownerKey: string, list: L): L {
    const { id, collection } = list.entry;
    this.#lists.set(`${id} ${ownerKey}`, list, { ttl: collection.freshness.cacheMs });
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
    this.#changes++;
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
    this.#changes++;
    this.records.clear();
    this.recordLists.clear();
    this.rateYears.clear();
    this.#lists.clear();
  }

  async #load(
    entry: CatalogEntry,
    keys: readonly string[],
    { context, maxAgeMs }: { readonly context: CallContext; readonly maxAgeMs: number },
  ): Promise<Outcomes<Fetched | null>> {
    const mirrored: Outcomes<Fetched> =
      maxAgeMs === 0 ? new Map() : await this.mirror.fresh(entry.id, keys, this.clock.nowMs() - maxAgeMs);
    this.#count(entry, [...mirrored.values()]);
    const missing = keys.filter(key => !mirrored.has(key));
    if (missing.length === 0) return mirrored;
    const read = await lookupRecords(this.upstreamOf(entry.source.name), entry, missing, context);
    this.#count(entry, [...read.values()]);
    if (isMirrored(entry.collection))
      this.#onRead(
        entry,
        [...read.values()].flatMap(record => (record === null || record instanceof Error ? [] : record)),
      );
    return new Map([...mirrored, ...read]);
  }

  #count(entry: CatalogEntry, records: readonly (Fetched | Error | null)[]): void {
    for (const record of records) if (record !== null && !(record instanceof Error)) this.issues.count(entry.id, record.issues);
  }
}

const agesOf = (entry: CatalogEntry, freshness: Freshness): ReadPlan<never>["maxAgeMs"] => ({
  read: readAgeMs(entry, freshness),
  kept: keptAgeMs(entry, freshness),
});
