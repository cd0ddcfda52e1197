import type { Progress } from "../pipeline/progress.ts";

const EVERY_MS = 1_000;
let shownAtMs = 0;

/** A line on stderr, at most one each second, so that long work can be seen to move. */
export function showProgress({ stage, source, collection, pages, records }: Progress): void {
  const nowMs = Date.now();
  if (nowMs - shownAtMs < EVERY_MS) return;
  shownAtMs = nowMs;
  const place = [stage, source && collection ? `${source}.${collection}` : source].filter(Boolean).join(" ");
  const counts = [pages !== undefined && `${pages} pages`, records !== undefined && `${records} records`]
    .filter(Boolean)
    .join(", ");
  process.stderr.write(`${place}${counts === "" ? "" : `: ${counts}`}\n`);
}
