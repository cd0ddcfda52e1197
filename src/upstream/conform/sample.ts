import type { Json } from "../../core/json.ts";
import { lastDays } from "../../core/days.ts";
import type { CatalogEntry } from "../../source/catalog.ts";
import { readPages } from "../listing.ts";
import { walkOf } from "../listing/read-listing.ts";
import type { Page } from "../listing/walk.ts";
import { plainText } from "../reads.ts";
import type { Session } from "./session.ts";

/** The first records of a listing. */
export interface Sample {
  readonly records: readonly Json[];
  readonly keys: readonly (string | undefined)[];
  readonly pages: number;
  /** Whether the listing ended with them. */
  readonly isWhole: boolean;
  readonly advertisedTotal: number | null;
}

export interface SampleOptions {
  /** Records at most; a page more may be read to find out whether there are others. */
  readonly size: number;
  readonly pageSize?: number;
  readonly nowMs: number;
}

/** Reads a listing until there are so many records, or it ends. */
export async function readSample(session: Session, entry: CatalogEntry, options: SampleOptions): Promise<Sample> {
  const { list } = entry.collection;
  const { size, pageSize, nowMs } = options;
  const walk = walkOf(list, lastDays(list.days ?? 30, nowMs));
  const sized = { ...walk, ...(pageSize !== undefined && { pageSize }) };
  const records: Json[] = [];
  let pages = 0;
  let last: Page | undefined;
  for await (const page of readPages(session, sized, session.context)) {
    records.push(...page.records);
    pages++;
    last = page;
    if (records.length >= size) break;
  }
  const isWhole = last?.next === null && records.length <= size;
  const taken = records.slice(0, size);
  return {
    records: taken,
    keys: taken.map(record => plainText(entry, "key", record)),
    pages,
    isWhole,
    advertisedTotal: last?.advertisedTotal ?? null,
  };
}
