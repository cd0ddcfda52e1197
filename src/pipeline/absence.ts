import { hashOf } from "../upstream/listing/guard.ts";
import { parseJson } from "../core/json.ts";
import type { Reason, Verdict } from "../core/verdict.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { StoredPull } from "../store/raw/manifest.ts";
import type { RawStore } from "../store/raw/raw-store.ts";
import { itemsAt } from "../upstream/records.ts";
import { isDeleted } from "../upstream/reads.ts";
import type { PullEvidence } from "./evidence.ts";

/** More of what the last complete pull had than this share may be gone only with somebody looking at it; fewer than so many always may. */
const MAX_GONE_SHARE = 0.2;
const MIN_GONE = 10;

/** A complete pull of everything that is held against the one before it. */
export interface Comparison {
  readonly store: RawStore;
  readonly entry: CatalogEntry;
  readonly before: StoredPull;
  readonly gathered: PullEvidence;
}

/**
 * A verdict, less sure of itself where too much of what the complete pull before had is not in this one: then the absence is held back, for a build takes
 * what is complete. Throws `STORE_UNAVAILABLE`.
 */
export async function doubtAbsence(outcome: Verdict, comparison: Comparison): Promise<Verdict> {
  if (outcome.verdict !== "complete" || outcome.evidence.isKeyCountCapped) return outcome;
  const { all, gone } = await countGone(comparison);
  if (gone <= Math.max(MIN_GONE, MAX_GONE_SHARE * all)) return outcome;
  const message = `${gone} of ${all} records of the last complete pull are not in this one: nothing is taken for deleted. If it is, pull with --accept-deletions`;
  const reason: Reason = { code: "UPSTREAM_LISTING", message, guard: "absence" };
  const evidence = { ...outcome.evidence, guardsHit: [...outcome.evidence.guardsHit, "absence"] };
  return { verdict: "unknown", reasons: [reason], evidence };
}

async function countGone({ store, entry, before, gathered }: Comparison): Promise<{ all: number; gone: number }> {
  const { items } = entry.collection.list;
  const [seen, gone] = [new Set<string>(), new Set<string>()];
  for await (const { body } of store.linesOf(before))
    for (const record of itemsAt(parseJson(body), items, entry.id)) {
      const key = record === null || isDeleted(entry, record) ? null : gathered.keyOf(record);
      if (key === null) continue;
      seen.add(hashOf(key));
      if (!gathered.evidence.hasKey(key)) gone.add(hashOf(key));
    }
  return { all: seen.size, gone: gone.size };
}
