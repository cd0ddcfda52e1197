import type { CatalogEntry } from "../source/catalog.ts";
import { safetyLagOf, seesEveryEdit, type Watermark } from "../source/increment.ts";
import type { Since, StoredPull } from "../store/raw/manifest.ts";
import { type Chain, chainOf, tipOf } from "./chain.ts";

const DAY_MS = 86_400_000;
/** Increments on one base, and days since it, after which everything is listed again. */
const AFTER_INCREMENTS = 24;
const AFTER_DAYS = 7;

/** What a pull is to list: what changed since another pull, or everything; then why, where what changed might have done. */
export interface Plan {
  readonly since: Since | null;
  readonly fullBecause: string | null;
}

/** What a plan goes by. */
export interface Situation {
  readonly entry: CatalogEntry;
  /** Of the collection, newest first. */
  readonly pulls: readonly StoredPull[];
  readonly nowMs: number;
  /** Whether everything is asked for. */
  readonly isFullWanted: boolean;
  /** Whether a kept pull of everything asked for it as one would now. */
  readonly isSameListing: (base: StoredPull) => boolean;
}

/**
 * Plans a pull. It lists what changed where the collection declares a watermark that sees all that an increment needs, a complete base is there, and no full
 * pull is due.
 */
export function planOf(situation: Situation): Plan {
  const { watermark } = situation.entry.collection.list;
  const chain = chainOf(situation.pulls);
  if (watermark === undefined || chain === null) return { since: null, fullBecause: null };
  const fullBecause = reasonForFull(situation, watermark, chain);
  if (fullBecause !== null) return { since: null, fullBecause };
  const tip = tipOf(chain);
  return {
    since: { base: chain.base.manifest.pull, after: tip.manifest.pull, watermarkMs: reached(tip, watermark) },
    fullBecause,
  };
}

function reasonForFull({ isFullWanted, isSameListing, nowMs }: Situation, watermark: Watermark, chain: Chain): string | null {
  const { base, increments } = chain;
  const { afterIncrements = AFTER_INCREMENTS, afterDays = AFTER_DAYS } = watermark.full ?? {};
  if (isFullWanted) return "it was asked for";
  if (!seesEveryEdit(watermark)) return "its watermark does not see edits";
  if (!isSameListing(base)) return "the listing is declared otherwise since the last full pull";
  if (increments.length >= afterIncrements) return `${increments.length} increments rest on the last full pull`;
  if (nowMs - Date.parse(base.manifest.startedAt) >= afterDays * DAY_MS) return `the last full pull is ${afterDays} days old`;
  return null;
}

/** How far a pull has seen: an increment says it; one of everything saw what was there when it began, and visible. */
const reached = ({ manifest }: StoredPull, watermark: Watermark): number =>
  manifest.watermarkMs ?? Date.parse(manifest.startedAt) - safetyLagOf(watermark);

/** What an increment cannot see, in words. */
export const mayMiss = ({ seesDeletions = false }: Watermark): readonly string[] => (seesDeletions ? [] : ["deletions"]);
