/** Requests since the last reset: source → `METHOD /route/:pattern` → status, or `stall`, `reset`, `aborted` where none was sent → count. */
type CallCounts = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>;

/** Counts what every source was asked. */
export interface CallCounter {
  count(source: string, route: string, outcome: string): void;
  /** A copy of the counts, every known source included. */
  read(): CallCounts;
  reset(): void;
}

/** Makes a counter that lists the given sources even while they have no calls. */
export function createCallCounter(sources: readonly string[]): CallCounter {
  let counts: Record<string, Record<string, Record<string, number>>> = {};
  const reset = () => {
    counts = Object.fromEntries(sources.map(source => [source, {}]));
  };
  const count = (source: string, route: string, outcome: string) => {
    const outcomes = ((counts[source] ??= {})[route] ??= {});
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  };
  reset();
  return { count, read: () => structuredClone(counts), reset };
}
