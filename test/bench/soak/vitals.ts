import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What the process holds at a moment. */
export interface Held {
  readonly residentMiB: number;
  /** Without garbage. */
  readonly heapMiB: number;
  readonly sockets: number;
  /** Timers that keep the process alive. */
  readonly timers: number;
  /** Whatever else does. */
  readonly others: number;
}

const MIB = 1024 * 1024;
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Collects all garbage and looks. */
export function held(): Held {
  collect();
  const { rss, heapUsed } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo();
  const sockets = resources.filter(name => /^(TCP|TLS)/.test(name)).length;
  const timers = resources.filter(name => name === "Timeout").length;
  return { residentMiB: rss / MIB, heapMiB: heapUsed / MIB, sockets, timers, others: resources.length - sockets - timers };
}

/** The middle of some numbers. */
export const medianOf = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
