import { availableParallelism } from "node:os";
import type { Likeness } from "./answers.ts";
import type { Figures } from "./load.ts";
import type { Memory } from "./memory.ts";
import type { QueryName } from "./queries.ts";

/** One query at one upstream latency. */
export interface Cell {
  readonly query: QueryName;
  readonly delayMs: number;
  readonly ours: Figures;
  readonly plain: Figures;
  /** The median over the rounds of how many times as many requests per second ours answered. */
  readonly ratio: number;
}

/** The one-customer query at a low, equal rate, nothing kept by either server. */
export interface Uncached {
  readonly perSecond: number;
  readonly delayMs: number;
  readonly ours: Figures;
  readonly plain: Figures;
}

export interface Results {
  readonly likeness: Likeness;
  readonly cells: readonly Cell[];
  readonly uncached: Uncached;
  readonly memory: Memory;
}

/** The results as a section of a document. */
export const markdown = ({ likeness, cells, uncached, memory }: Results): string =>
  [
    `Tributary as \`tributary serve\` with its defaults / plain Apollo Server. ${availableParallelism()} cores shared by load, servers and sandbox, Node ${process.versions.node}.`,
    `Of the plain server's 25 customers ${likeness.equalCustomers} are the same in both, value by value; records in the two pages: ${likeness.records.join(" / ")}.`,
    "",
    "| query | upstream latency | requests/s | times | p50 ms | p99 ms | CPU ms/request |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...cells.map(rowOf),
    "",
    uncachedText(uncached),
    "",
    ...memoryText(memory),
  ].join("\n");

function rowOf({ query, delayMs, ours, plain, ratio }: Cell): string {
  const pair = (field: keyof Figures, digits = 0) => `${ours[field].toFixed(digits)} / ${plain[field].toFixed(digits)}`;
  const figures = [pair("perSecond"), ratio.toFixed(1), pair("p50Ms"), pair("p99Ms"), pair("cpuMs", 2)];
  return `| ${[`\`${query}\``.replace(/^`(?!\{)(.*)`$/, "$1"), `${delayMs} ms`, ...figures].join(" | ")} |`;
}

const uncachedText = ({ perSecond, delayMs, ours, plain }: Uncached): string =>
  `With nothing kept in memory between requests (bounded by the declared budgets, so at ${perSecond} requests/s; one customer, upstream latency ${delayMs} ms): ` +
  `CPU ${ours.cpuMs.toFixed(2)} / ${plain.cpuMs.toFixed(2)} ms per request, p50 ${ours.p50Ms} / ${plain.p50Ms} ms.`;

function memoryText({ requests, atStart, afterWarmUp, curve, settled }: Memory): string[] {
  const resident = curve.map(({ residentMiB }) => residentMiB.toFixed(0)).join(", ");
  const [first, last] = settled.map(({ heapMiB }) => heapMiB.toFixed(0));
  return [
    `Resident memory of a fresh process, MiB: ${atStart.residentMiB.toFixed(0)} at the start, ${afterWarmUp.residentMiB.toFixed(0)} warm; after each tenth of ${requests} mixed requests: ${resident}.`,
    `JavaScript heap without garbage after the first tenth and after the last: ${first} and ${last} MiB.`,
  ];
}
