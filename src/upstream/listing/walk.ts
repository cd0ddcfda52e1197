import type { Json } from "../../core/json.ts";
import type { Clock } from "../../core/ports.ts";
import type { Pagination } from "../../source/pagination.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { UpstreamResponse } from "../upstream.ts";
import type { Ceilings } from "./guard.ts";

/** A listing that can be walked, apart from what its records mean. */
export interface Walk extends Ceilings {
  readonly request: UpstreamRequest;
  readonly items: string;
  readonly pages: Pagination;
  /** Path of the total that the provider advertises. */
  readonly total?: string;
  /** Records a page; the provider's maximum unless stated. */
  readonly pageSize?: number;
  /** For waiting on an export; the machine's own unless given. */
  readonly clock?: Clock;
  /** Where to go on: a page cursor that an earlier walk gave. */
  readonly from?: string;
}

export interface Page {
  /** The request as it was sent for this page. */
  readonly request: UpstreamRequest;
  readonly response: UpstreamResponse;
  readonly records: readonly Json[];
  /** The cursor that leads to the next page, or null at the end. */
  readonly next: string | null;
  /** False for a last page that is full and that no flag calls the last: the listing may have been cut. */
  readonly isEndCertain: boolean;
  /** The number of all records, where the provider says it on this page. */
  readonly advertisedTotal: number | null;
}
