import { asError, TributaryError, UpstreamError } from "../../core/errors.ts";
import type { Clock, Logger, Random } from "../../core/ports.ts";
import { type BackoffPolicy, ceilingMs, delayMs } from "../../upstream/backoff.ts";
import { Queue, type QueueBounds } from "./queue.ts";
import type { Ended, Flow, Reader, Received } from "./reader.ts";
import type { Sink } from "./sink.ts";
import { Watchdog } from "./watchdog.ts";

export interface ConsumeOptions {
  /** `<source>.<stream>`, for the log. */
  readonly name: string;
  readonly read: Reader;
  /** Nothing at all for so long ends a connection. */
  readonly stallMs: number;
  readonly sink: Sink;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Whether what comes between two connections is missed for good. */
  readonly isBlind?: boolean;
  readonly bounds?: QueueBounds;
}

const defaultBounds: QueueBounds = { maxMessages: 5_000, maxLength: 8 * 1024 * 1024 };
/** Messages that are made durable together. */
const MAX_TOGETHER = 500;
const backoff: BackoffPolicy = { baseMs: 500, capMs: 60_000, maxAttempts: Infinity, maxBulkAttempts: Infinity };

/** Whatever the source asks for, in ms: it is looked after again within the quarter of an hour. */
const MAX_PAUSE_MS = 900_000;

/**
 * Reads a stream until the signal ends: connects anew, with full jitter, whenever a connection ends, fails or falls silent, and takes the stream up
 * behind the last durable position. Never throws because of the source or the sink; resolves when all that was read is durable.
 */
export async function consume(options: ConsumeOptions): Promise<void> {
  const { clock, signal, name, logger } = options;
  const pace: Pace = { reconnectAfterMs: 0, failures: 0, isUnplaced: false };
  while (!signal.aborted) {
    const connection = new Connection(options, pace);
    const problem = await connection.run();
    if (signal.aborted) break;
    pace.failures = connection.received > 0 ? 1 : pace.failures + 1;
    const waitMs = pauseMs(options, pace, problem);
    const facts = { stream: name, received: connection.received, waitMs, attempt: pace.failures };
    if (problem === null) logger.info(facts, "stream ended; connecting again");
    else logger.warn({ ...facts, ...problemFacts(problem) }, "stream broke; connecting again");
    await clock.sleep(waitMs, signal);
  }
}

interface Pace {
  /** As the source wants it. */
  reconnectAfterMs: number;
  /** Connections since the last one that brought something, itself included. */
  failures: number;
  /** Whether none of the messages that came over the last connection said where it is. */
  isUnplaced: boolean;
}

/** At least what the source asks for, and a random time above it, so that not all its clients come back at once. */
function pauseMs({ random }: ConsumeOptions, { reconnectAfterMs, failures }: Pace, problem: Error | null): number {
  const told = problem instanceof TributaryError ? (problem.details.retryAfterMs ?? 0) : 0;
  return Math.min(MAX_PAUSE_MS, Math.max(reconnectAfterMs, told)) + delayMs(backoff, failures, random);
}

const problemFacts = (problem: Error) => ({
  problem: problem.message,
  ...(problem instanceof TributaryError && { code: problem.code, details: problem.details }),
});

/** The last message of each lane stands for those before it. */
function acknowledge(durable: readonly Received[]): void {
  const last = new Map(durable.flatMap(({ acknowledge: each }) => (each ? [[each.lane, each.send] as const] : [])));
  for (const send of last.values()) send();
}

/** One connection: from the position to the last message that came over it being durable. */
class Connection {
  readonly #options: ConsumeOptions;
  readonly #pace: Pace;
  readonly #queue: Queue;
  readonly #watchdog: Watchdog;
  received = 0;
  #isPlaced = false;

  constructor(options: ConsumeOptions, pace: Pace) {
    this.#options = options;
    this.#pace = pace;
    this.#queue = new Queue(options.bounds ?? defaultBounds);
    this.#watchdog = new Watchdog(options.clock, options.stallMs);
  }

  /** Why it broke; null when it ended. */
  async run(): Promise<Error | null> {
    const { sink, isBlind = false } = this.#options;
    const position = await this.#insist(() => sink.position());
    if (position === undefined) return null;
    if (isBlind || (this.#pace.isUnplaced && position === null))
      await this.#insist(() => sink.gap(position, "the stream cannot be taken up where it was left"));
    const draining = this.#drain();
    const outcome = await this.#read(position);
    this.#queue.close();
    await draining;
    if (this.received > 0) this.#pace.isUnplaced = !this.#isPlaced;
    if (outcome instanceof Error) return outcome;
    const { gap } = outcome;
    if (gap !== undefined) {
      this.#options.logger.warn({ stream: this.#options.name, reason: gap }, "a part of the stream was missed");
      const from = await this.#insist(() => sink.position());
      if (from !== undefined) await this.#insist(() => sink.gap(from, gap));
    }
    return null;
  }

  async #read(position: string | null): Promise<Ended | Error> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#options.signal]);
    const watching = this.#watch(over, signal);
    try {
      return await this.#options.read(position, this.#flow(), signal);
    } catch (thrown) {
      return asError(over.signal.aborted ? over.signal.reason : thrown);
    } finally {
      over.abort();
      await watching;
    }
  }

  async #watch(over: AbortController, signal: AbortSignal): Promise<void> {
    const isStalled = await this.#watchdog.stalled(() => this.#queue.isFull, signal);
    if (isStalled) over.abort(new UpstreamError("UPSTREAM_TIMEOUT", `nothing came for ${this.#options.stallMs} ms`));
  }

  #flow(): Flow {
    const heard = () => this.#watchdog.heard();
    return {
      heard,
      drained: () => this.#queue.emptied(),
      put: async received => {
        this.received++;
        this.#isPlaced ||= received.position !== null || received.acknowledge !== undefined;
        heard();
        await this.#queue.put(received);
        heard();
      },
      reconnectAfter: ms => (this.#pace.reconnectAfterMs = ms),
    };
  }

  async #drain(): Promise<void> {
    for (;;) {
      const taken = await this.#queue.take(MAX_TOGETHER);
      if (taken.length === 0) return;
      const position = this.#positionOf(taken);
      const messages = taken.map(({ message }) => message);
      const isDurable = await this.#insist(async () => {
        await this.#options.sink.accept(messages, position);
        return true;
      });
      // What is not durable comes again: the position has not moved.
      if (!isDurable) return this.#queue.close();
      acknowledge(taken);
      this.#queue.release(taken);
    }
  }

  /** Where nothing can be taken up, the time: it says since when something may be missing. */
  #positionOf(taken: readonly Received[]): string | null {
    const { isBlind = false } = this.#options;
    const time = isBlind ? taken.at(-1)?.message.receivedAtMs.toString() : undefined;
    return taken.findLast(each => each.position !== null)?.position ?? time ?? null;
  }

  /** Again and again until it succeeds; undefined when the signal ended before it did. */
  async #insist<T>(work: () => Promise<T>): Promise<T | undefined> {
    const { clock, random, signal, logger, name } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (thrown) {
        if (signal.aborted) return undefined;
        logger.warn({ stream: name, attempt, ...problemFacts(asError(thrown)) }, "the stream's messages cannot be kept; again");
        await clock.sleep(ceilingMs(backoff, 1) / 2 + delayMs(backoff, attempt, random), signal);
      }
    }
  }
}
