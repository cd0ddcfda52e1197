import type { Listing } from "./collection.ts";

/** What cannot be right about a listing, in words; undefined when nothing is wrong. */
export function listingProblem(list: Listing): string | undefined {
  const { pages, items } = list;
  if (!(pages.maxPageSize >= 1)) return "maxPageSize must be at least 1";
  if (pages.style === "export" && items !== "[*]") return "an export's lines are its records: items must be [*]";
  if (pages.style === "export" && pages.done.some(state => pages.failed.includes(state)))
    return "a state of an export cannot be both done and failed";
  return watermarkProblem(list) ?? capProblem(list);
}

function watermarkProblem({ watermark, order }: Listing): string | undefined {
  if (watermark === undefined) return undefined;
  const { sees, editsBy, checkpoint, lookbackMs = 0, safetyLagMs = 0, parameter, listing } = watermark;
  if ((parameter === undefined) === (listing === undefined)) return "a watermark has either a parameter or a listing of its own";
  if (sees === "inserts" && editsBy === undefined)
    return "a watermark that sees inserts only needs something that replays edits: editsBy";
  if (checkpoint === "each-page" && listing === undefined && order !== "oldest-first")
    return `the checkpoint of a listing that is ${order} must not move before the last page`;
  if (lookbackMs < 0 || safetyLagMs < 0) return "a watermark's lookback and safety lag must not be negative";
  return undefined;
}

function capProblem({ windowCap }: Listing): string | undefined {
  if (windowCap === undefined) return undefined;
  if (!(windowCap.rows >= 1)) return "windowCap.rows must be at least 1";
  const { split } = windowCap;
  if (split?.format === "integer" && split.to === undefined) return "a range of keys that is split states its end";
  return split?.to !== undefined && split.to <= split.from ? "a range that is split ends after it begins" : undefined;
}
