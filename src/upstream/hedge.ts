import type { Clock } from "../core/ports.ts";

/** One way to get an answer; must give up when its signal aborts. */
type Send<T> = (signal: AbortSignal) => Promise<T>;

interface HedgeOptions<T> {
  /** How long the first request is waited for, in ms, before a second one is made. */
  readonly afterMs: number;
  /** The second request, or undefined when there is nothing to spare for it at that moment. */
  readonly second: () => Send<T> | undefined;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * Sends a request and, when its answer is late, the same once more; the first answer is taken and the other request given up. A request that
 * fails before the other was made fails at once; afterwards only the failure of both is one, and then the first request's is thrown.
 *
 * @see https://research.google/pubs/the-tail-at-scale/
 */
export async function hedged<T>(first: Send<T>, options: HedgeOptions<T>): Promise<T> {
  const done = new AbortController();
  const signal = AbortSignal.any([options.signal, done.signal]);
  try {
    const early = first(signal);
    const isLate = await Promise.race([early.then(no, no), options.clock.sleep(options.afterMs, signal).then(yes)]);
    const second = isLate && !options.signal.aborted ? options.second() : undefined;
    if (second === undefined) return await early;
    return await firstOf(early, second(signal));
  } finally {
    done.abort();
  }
}

const no = () => false;
const yes = () => true;

async function firstOf<T>(early: Promise<T>, late: Promise<T>): Promise<T> {
  try {
    return await Promise.any([early, late]);
  } catch (thrown) {
    if (thrown instanceof AggregateError) throw thrown.errors[0];
    throw thrown;
  }
}
