import type { Pagination } from "./pagination.ts";
import type { UpstreamRequest } from "./request.ts";

/** How an instant, a date or a number is written in a parameter. */
export type ScaleFormat = "epoch-seconds" | "epoch-ms" | "rfc3339" | "date" | "integer";

/** How a listing is asked for what is new, and what that can see. */
export interface Watermark {
  /** Path in a record of the instant by which it is new. */
  readonly field: string;
  /** The parameter that takes the instant from which on records are asked for; not beside `listing`. */
  readonly parameter?: string;
  /** The listing of what has changed, where it is another one than that of everything. */
  readonly listing?: ChangeListing;
  /** How the instant is written that is asked for. */
  readonly format: Exclude<ScaleFormat, "integer">;
  /** How the field is written; as `format` unless stated. */
  readonly fieldFormat?: Exclude<ScaleFormat, "integer">;
  /** Whether an edited record is new again, or only one that was never there. */
  readonly sees: "inserts" | "updates";
  /** Whether a deleted record comes too, with its tombstone; false unless stated: then deletions are seen when everything is listed again. */
  readonly seesDeletions?: boolean;
  /** Everything is listed again after so many increments, 24 unless stated, and when it was so many days ago, 7 unless stated. */
  readonly full?: { readonly afterIncrements?: number; readonly afterDays?: number };
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

const DEFAULT_LAG_MS = 60_000;

/** How far behind now, in ms, everything that has changed is to be seen. */
export const safetyLagOf = (watermark: Watermark | undefined): number => watermark?.safetyLagMs ?? DEFAULT_LAG_MS;

/** Whether what a watermark sees, on top of everything, is everything. */
export const seesEveryEdit = ({ sees, editsBy }: Watermark): boolean => sees === "updates" || editsBy === "nothing-changes";

/** A listing of what has changed since an instant, oldest first by the watermark's field. */
export interface ChangeListing {
  /** The request for its first page. */
  readonly request: (since: string) => UpstreamRequest;
  readonly items: string;
  readonly pages: Pagination;
  /** Rows that one query shows at most: the next one then asks from the last row's instant on. No end unless stated. */
  readonly rows?: number;
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
