import type { AnyEntity, CanonicalValue, EntityName } from "../core/canonical.ts";
import type { CustomerFilter, Member } from "../store/customer-index.ts";

/** A built dataset as the graph shows it. */
export interface DatasetNode {
  readonly version: string;
  /** RFC 3339, UTC. */
  readonly builtAt: string;
  readonly isCurrent: boolean;
  readonly isComplete: boolean;
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly sizeBytes: number }[];
  readonly verdicts: readonly {
    readonly source: string;
    readonly collection: string;
    readonly pull: string | null;
    readonly verdict: string;
  }[];
  readonly matches: readonly object[];
  /** Where a column comes from; null for one that has no lineage. */
  readonly lineage: (table: string, column: string) => object | null;
  /** Rows of quarantine from a place on; throws `STORE_UNAVAILABLE`. */
  readonly quarantine: (from: number, first: number) => Promise<readonly object[]>;
}

/** A customer as a version has it. */
export interface DatasetCustomer {
  readonly id: string;
  /** Sorted by collection, then key. */
  readonly members: readonly Member[];
  /** The canonical fields. */
  readonly values: Readonly<Record<string, CanonicalValue>>;
  /** Values of its records that could not be read, each with the `<source>.<collection>` of the record. */
  readonly unread: readonly Unread[];
}

/** A field of a record whose value could not be read. */
export interface Unread {
  readonly collection: string;
  readonly field: string;
}

/** A record as a version has it. */
export interface DatasetRecord {
  /** `<source>.<collection>`. */
  readonly collection: string;
  readonly entity: AnyEntity;
  readonly fetchedAtMs: number;
  /** Fields whose value could not be read. */
  readonly unread: readonly string[];
}

/** The tables of a version. What is asked for at once takes one query a table. All throw `STORE_UNAVAILABLE`. */
export interface DatasetTables {
  readonly version: string;
  /** Ids of customers after one (null: from the first), in their order. */
  readonly page: (filter: CustomerFilter, after: string | null, count: number) => Promise<readonly string[]>;
  readonly count: (filter: CustomerFilter) => Promise<number>;
  /** Ids of the customers that have a key, in one source or in any (null). */
  readonly holders: (source: string | null, key: string) => Promise<readonly string[]>;
  /** Those customers that the version has. */
  readonly customers: (ids: readonly string[]) => Promise<ReadonlyMap<string, DatasetCustomer>>;
  /** The records of customers, by customer. Throws `LIMIT_LIST_SIZE` for more than are read at once. */
  readonly records: (entity: EntityName, ids: readonly string[]) => Promise<ReadonlyMap<string, readonly DatasetRecord[]>>;
  /** The exchange rates of a year. */
  readonly rates: (year: string) => Promise<readonly DatasetRecord[]>;
}

/** What was built, as the graph may ask for it; all throw `STORE_UNAVAILABLE`. */
export interface Datasets {
  /** Opens a version, the one that was built last unless given. Throws `DATASET_UNKNOWN` when it is not there. */
  readonly open: (version: string | null) => Promise<DatasetTables>;
  /** Closes what is open. */
  readonly close: () => Promise<void>;
  /** A version, the one that was built last unless given; null when it is not there. */
  readonly find: (version: string | null) => Promise<DatasetNode | null>;
  /** Every version that is kept, the newest first. */
  readonly all: () => Promise<readonly DatasetNode[]>;
}
