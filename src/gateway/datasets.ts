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

/** What was built, as the graph may ask for it; both throw `STORE_UNAVAILABLE`. */
export interface Datasets {
  /** A version, the one that was built last unless given; null when it is not there. */
  readonly find: (version: string | null) => Promise<DatasetNode | null>;
  /** Every version that is kept, the newest first. */
  readonly all: () => Promise<readonly DatasetNode[]>;
}
