import { get } from "../../../../src/source/request.ts";
import type { PullFacts, PullStart } from "../../../../src/store/raw/manifest.ts";
import type { RawPull } from "../../../../src/store/raw/raw-pull.ts";

export const STARTED_AT_MS = Date.UTC(2026, 0, 31, 9);
export const start: PullStart = {
  startedAt: new Date(STARTED_AT_MS).toISOString(),
  window: { from: "2026-01-02", to: "2026-01-31" },
  declaration: "d1",
  since: null,
};
const counts = { pages: 2, records: 3, duplicateKeys: 0, missingKeys: 0, advertisedTotal: null, brokenRecords: 0 };
export const facts: PullFacts = {
  verdict: "complete",
  reason: null,
  reasons: [],
  evidence: {
    ...counts,
    bytes: 9,
    emptyPages: 0,
    shortPages: 0,
    guardsHit: [],
    mayHaveMissed: false,
    mayHaveRepeated: false,
    windows: { read: 0, split: 0, capped: 0 },
    isKeyCountCapped: false,
  },
  finishedAt: "2026-01-31T09:00:01.000Z",
  ...counts,
  broken: [],
  fields: { before: null, after: [] },
  mayGoOn: false,
  startedAnew: null,
  pausedUntil: null,
  watermarkMs: null,
};
export const people = { source: "crm", collection: "people" };
export const request = get("things.list", "/things", { limit: 2, after: "x" });
export const responseOf = (text: string, headers: Record<string, string> = {}) => ({
  status: 200,
  headers,
  text,
  receivedAtMs: STARTED_AT_MS + 5,
});

/** The bodies of what a pull began with. */
export async function keptBodies(raw: RawPull): Promise<string[]> {
  const bodies: string[] = [];
  for await (const { body } of raw.kept()) bodies.push(body);
  return bodies;
}
