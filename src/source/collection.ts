import type { z } from "zod";
import type { Entity, EntityName, Reference } from "../core/canonical.ts";
import type { Drift } from "./drift.ts";
import type { WindowCap, Watermark } from "./increment.ts";
import type { Pagination } from "./pagination.ts";
import type { UpstreamRequest } from "./request.ts";
import type { Rule } from "./rule.ts";

/** The order in which a provider lists records. */
export type Order = "oldest-first" | "newest-first" | "unordered";

/** Days, both inclusive, that a read of dated records covers. `YYYY-MM-DD`. */
export interface DayWindow {
  readonly from: string;
  readonly to: string;
}

/** A paged read of many records. */
export interface Listing {
  readonly request: (window: DayWindow) => UpstreamRequest;
  /** Path of the records in the body; `[*]` goes through an array, and alone stands for a body that is one. */
  readonly items: string;
  readonly pages: Pagination;
  readonly order: Order;
  /** Whether an edit moves a record to another place in that order, as when it is by the time of the last change; false unless stated. */
  readonly isOrderChangedByEdits?: boolean;
  /** How it is asked for what is new. */
  readonly watermark?: Watermark;
  /** How many rows one listing can have, where the provider refuses or leaves out more. */
  readonly windowCap?: WindowCap;
  /** Path of the total that the provider advertises. */
  readonly total?: string;
  /** Days back from today that the listing asks for, where it is dated; 30 unless stated. */
  readonly days?: number;
  /** How long after it broke off a pull can be gone on with from its page cursor, in ms; 24 hours unless stated, 0: never. */
  readonly resumableMs?: number;
}

/** A read by key: one request for each key, or one for many whose records are matched back by the key they carry. */
export type Lookup = EachLookup | BatchLookup;

export interface EachLookup {
  readonly mode: "each";
  readonly request: (key: string) => UpstreamRequest;
  /** Path of the record in the body; the whole body unless stated. */
  readonly item?: string;
}

export interface BatchLookup {
  readonly mode: "batch";
  /** Keys in one request at most. */
  readonly max: number;
  readonly request: (keys: readonly string[]) => UpstreamRequest;
  readonly items: string;
  /** What it means that an answer has no record for a key; `left-out` unless stated. */
  readonly missing?: Missing;
}

/**
 * What a batch's silence about a key means. `left-out`: the record may not exist, or the answer may be a part; the key is asked for again, and is absent when
 * the second answer has nothing of what was missing. `absent`: an answer speaks for all keys. `listed`: path of the keys that the source says it does not have;
 * a key that is neither there nor among the records was not answered for.
 */
export type Missing = "left-out" | "absent" | { readonly listed: string };

/** A read of the records that belong to an owner: a listing for each owner, or one request for many owners. */
export type Related = RelatedEach | RelatedBatch;

export interface RelatedEach {
  readonly mode: "each";
  readonly request: (ownerKey: string) => UpstreamRequest;
  readonly items: string;
  readonly pages: Pagination;
  readonly order: Order;
}

export interface RelatedBatch {
  readonly mode: "batch";
  /** Owners in one request at most, for a window. */
  readonly max: (window: DayWindow) => number;
  readonly request: (ownerKeys: readonly string[], window: DayWindow) => UpstreamRequest;
  readonly items: string;
  /** Path of the owners' own keys in the body: tells an owner without records from one that the source does not have. */
  readonly owners: string;
}

export const eachLookup = (options: Omit<EachLookup, "mode">): EachLookup => ({ mode: "each", ...options });
export const batchLookup = (options: Omit<BatchLookup, "mode">): BatchLookup => ({ mode: "batch", ...options });
export const relatedEach = (options: Omit<RelatedEach, "mode">): RelatedEach => ({ mode: "each", ...options });
export const relatedBatch = (options: Omit<RelatedBatch, "mode">): RelatedBatch => ({ mode: "batch", ...options });

/** What a record contributes to finding out who is who. */
export interface IdentityClues<R> {
  /** Whether this collection holds at most one record of a customer; then two of its records are never merged. */
  readonly onePerCustomer: boolean;
  /**
   * Explicit keys by key space. A space is `<source>.<collection>` when the value is that collection's key, or any name that
   * several sources share.
   */
  readonly keys?: Readonly<Record<string, Rule<R, Reference | null>>>;
}

/** Which record a canonical field is taken from when several have it: the lowest rank wins, then the smallest key. */
export interface Survivorship {
  readonly rank: number;
  /** Ranks of single fields where they differ. */
  readonly fields?: Readonly<Record<string, number>>;
}

/** How long what was read may be served again, in ms. A query may ask for less. */
export interface Freshness {
  /** In the process's own cache. */
  readonly cacheMs: number;
  /**
   * From the mirror in the store; 0 unless stated: never. Of customers a record may be so old. What belongs to customers is mirrored as a whole, where its
   * source has to be asked for each of them, and may be so far behind its source.
   */
  readonly mirrorMs?: number;
  /** From the mirror when the source cannot be asked, which the answer then says; 24 hours unless stated, 0: never. */
  readonly staleMs?: number;
  /** Records of what belongs to customers that the mirror holds at most; 1,000,000 unless stated. Of a collection that has more it holds none. */
  readonly maxMirrored?: number;
}

const DEFAULT_STALE_MS = 86_400_000;
const DEFAULT_MAX_MIRRORED = 1_000_000;

/** How old, in ms, what the mirror has of a collection may be when its source cannot be asked. */
export const staleMsOf = ({ freshness }: Collection): number => freshness.staleMs ?? DEFAULT_STALE_MS;

/** How many records of a collection the mirror holds at most; of customers, all that there are. */
export const maxMirroredOf = ({ canonical, freshness }: Collection): number =>
  canonical === "Customer" ? Infinity : (freshness.maxMirrored ?? DEFAULT_MAX_MIRRORED);

/** Whether the mirror holds a collection as a whole: customers, since the index is made of them, and relations that cost a request for each customer. */
export const isMirrored = ({ canonical, related, freshness }: Collection): boolean =>
  canonical === "Customer" || (related?.mode === "each" && (freshness.mirrorMs ?? 0) > 0);

/** A record type with every optional part made required, so that a rule's need can be held against it. */
export type Complete<R> = R extends readonly unknown[] | bigint
  ? R
  : R extends object
    ? { readonly [K in keyof R]-?: Complete<R[K]> }
    : R;

/** Canonical field → rule; every field must be there and its rule must yield the field's type. */
export type Mapping<R, N extends EntityName> = {
  readonly [F in keyof Entity<N>]-?: Rule<Complete<R>, Entity<N>[F]>;
};

/** How a record says that it was deleted: the value found at a path. It is then as good as not there. */
export interface Tombstone {
  readonly path: string;
  readonly equals: string | boolean;
}

/** What a collection states, apart from what depends on its record type. */
interface CollectionFacts {
  readonly list: Listing;
  readonly lookup?: Lookup;
  readonly tombstone?: Tombstone;
  /** For records that belong to a customer: the collection of this source whose key the canonical `customer` holds. */
  readonly owner?: string;
  readonly related?: Related;
  readonly freshness: Freshness;
  /** For collections of customers. */
  readonly survivorship?: Survivorship;
  /** What comes of records that differ from the contract; `defaultDrift` unless stated. */
  readonly drift?: Drift;
  /** Paths whose values, and all below them, no report shows. What a customer's name, email and phone are read from always is personal. */
  readonly personal?: readonly string[];
  /** The share of records, 0 to 1, in quarantine above which a build fails, if they are more than 10; 0.05 unless stated. */
  readonly maxQuarantinedShare?: number;
}

export interface CollectionSpec<N extends EntityName, R> extends CollectionFacts {
  /** The canonical entity that its records become. */
  readonly canonical: N;
  /** The upstream shape that we require: only the fields that are used. */
  readonly contract: z.ZodType<R>;
  /** For collections of customers. */
  readonly identity?: IdentityClues<Complete<R>>;
  readonly map: Mapping<R, N>;
}

/** A collection whose record type is not known here. */
export interface Collection extends CollectionFacts {
  readonly canonical: EntityName;
  readonly contract: z.ZodType;
  readonly identity?: IdentityClues<never>;
  readonly map: Readonly<Record<string, Rule<never, unknown>>>;
}

/** Declares one kind of record of a source; the mapping is checked against contract and entity by the compiler. */
export const collection = <const N extends EntityName, R>(spec: CollectionSpec<N, R>): Collection =>
  Object.freeze(spec) as Collection;
