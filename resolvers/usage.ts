import type { DayWindow } from "../src/source/collection.ts";
import { fieldOf } from "../src/gateway/customer-reader.ts";
import type { RecordNode } from "../src/gateway/related-reader.ts";
import { sumDecimals, sumIntegers } from "../src/core/sums.ts";
import { recordResolvers } from "./record.ts";

/** A customer's usage records of a window of days. */
export interface UsageNode {
  readonly window: DayWindow;
  readonly days: readonly RecordNode[];
}

export const UsageDay = recordResolvers("UsageDay");

const values = ({ days }: UsageNode, field: string) => days.map(({ entry, record }) => fieldOf(entry, record, field));

export const UsageSummary = {
  from: ({ window }: UsageNode) => window.from,
  to: ({ window }: UsageNode) => window.to,
  activeDays: ({ days }: UsageNode) => days.length,
  sessions: (node: UsageNode) => sumIntegers(values(node, "sessions")),
  activeMinutes: (node: UsageNode) => sumDecimals(values(node, "activeMinutes")),
  apiCalls: (node: UsageNode) => sumIntegers(values(node, "apiCalls")),
  events: (node: UsageNode) => sumIntegers(values(node, "events")),
  lastActiveDay: (node: UsageNode) => values(node, "day").at(-1) ?? null,
};
