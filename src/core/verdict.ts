/** How far a listing was read: to the end that the source stated, not to its end, or to an end that the evidence does not bear out. */
export type Completeness = "complete" | "partial" | "unknown";

/** Why a verdict is not `complete`. */
export interface Reason {
  readonly code: string;
  readonly message: string;
  /** The guard that ended the walk, or noticed what is missing. */
  readonly guard?: string;
}

/** What was seen while a listing was read. */
export interface ListingEvidence {
  readonly pages: number;
  readonly records: number;
  /** Of the bodies, as text. */
  readonly bytes: number;
  readonly advertisedTotal: number | null;
  /** Records whose key an earlier record had. */
  readonly duplicateKeys: number;
  readonly missingKeys: number;
  /** Records that broke their contract. */
  readonly brokenRecords: number;
  /** Pages without a record that were not the last. */
  readonly emptyPages: number;
  /** Pages with fewer records than the fullest one that were neither empty nor the last. */
  readonly shortPages: number;
  readonly guardsHit: readonly string[];
  /** Whether rows that were there all the time may have been passed over, or come twice, because others came or went meanwhile. */
  readonly mayHaveMissed: boolean;
  readonly mayHaveRepeated: boolean;
  /** For a listing that was taken apart: ranges that were read to their end, that were split, and that still held too much. */
  readonly windows: { readonly read: number; readonly split: number; readonly capped: number };
  /** Whether there were more keys than are held to find duplicates. */
  readonly isKeyCountCapped: boolean;
}

/** What is known of a listing's completeness, and why. */
export interface Verdict {
  readonly verdict: Completeness;
  /** Empty for `complete`; the gravest first. */
  readonly reasons: readonly Reason[];
  readonly evidence: ListingEvidence;
}
