/** How an instant, a date or a number is written in a parameter. */
export type ScaleFormat = "epoch-seconds" | "epoch-ms" | "rfc3339" | "date" | "integer";

/** How a listing is asked for what is new, and what that can see. */
export interface Watermark {
  /** Path in a record of the instant by which it is new. */
  readonly field: string;
  /** The parameter that takes the instant from which on records are asked for. */
  readonly parameter: string;
  /** How the parameter is written; the field is read in the same format. */
  readonly format: Exclude<ScaleFormat, "integer">;
  /** Whether an edited record is new again, or only one that was never there. */
  readonly sees: "inserts" | "updates";
  /** What makes up for edits where only inserts are seen: there are none, webhooks tell of them, or everything is listed now and then. */
  readonly editsBy?: "nothing-changes" | "webhooks" | "full-listing";
  /** How far back each reading reaches again, in ms, for records that come late; 0 unless stated. */
  readonly lookbackMs?: number;
  /** How far the watermark stays behind now, in ms: clock skew, and what the provider does not show at once; 60,000 unless stated. */
  readonly safetyLagMs?: number;
  /** Whether the parameter's own instant is included in the answer. */
  readonly isInclusive: boolean;
  /** When the checkpoint moves: with every page, for listings that come oldest first, or at the end; at the end unless stated. */
  readonly checkpoint?: "each-page" | "end";
}

/** More rows than this cannot be listed at once, and how the listing is taken apart then. */
export interface WindowCap {
  /** Rows that one listing can have at most. */
  readonly rows: number;
  /** None when the listing cannot be taken apart: then it ends there with a verdict. */
  readonly split?: SplitRange;
}

/** A range of instants or keys that a listing can be limited to. */
export interface SplitRange {
  /** The parameter that takes the first value. */
  readonly fromParameter: string;
  /** The parameter that takes the end. */
  readonly toParameter: string;
  /** Whether the end itself is part of the range. */
  readonly isToInclusive: boolean;
  readonly format: ScaleFormat;
  /** The lowest value that any record can have; instants in ms since the epoch. */
  readonly from: number;
  /** The value above all others; now, and a day more, unless stated. Stated for keys. */
  readonly to?: number;
  /** The smallest range that is asked for; one second, one ms, one day or 1, by format, unless stated. */
  readonly floor?: number;
}
