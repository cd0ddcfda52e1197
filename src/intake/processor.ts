import { asError, TributaryError } from "../core/errors.ts";
import type { Clock, Logger, Random } from "../core/ports.ts";
import type { Inbox, InboxEvent, Settlement } from "../store/inbox.ts";
import type { CallContext } from "../upstream/context.ts";
import type { DriftWatch } from "../upstream/drift/drift-log.ts";
import type { Applied } from "./apply.ts";

/** Objects of one source that are brought up to date together. */
const OBJECTS = 200;
/** A worker has an object to itself for so long, in ms; its calls end well before that. */
const LEASE_MS = 60_000;
const DEADLINE_MS = 40_000;
/** The pause after a failure, in ms: it doubles with every further one up to the longest. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 300_000;
/** An event whose failure will not pass is tried so often; one whose failure may is given up when it is so old, in ms. */
const ATTEMPTS = 5;
const GIVE_UP_MS = 24 * 3_600_000;
/** So long, in ms, events are gathered before each round: fewer questions, and time for the store to take in what arrives. */
const GATHER_MS = 100;
/** How often a store that others write to is looked at, in ms, and one of our own, where nothing is known to be due. */
const SHARED_POLL_MS = 250;
const OWN_POLL_MS = 30_000;

export interface ProcessorParts {
  readonly inbox: Pick<Inbox, "lease" | "settle" | "release" | "nextDueMs">;
  readonly isShared: boolean;
  /** Names this process among all that share the inbox. */
  readonly holder: string;
  readonly apply: (
    collection: string,
    objects: ReadonlyMap<string, readonly InboxEvent[]>,
    context: CallContext,
  ) => Promise<ReadonlyMap<string, Applied>>;
  /** Where it is noted how records differ from what was agreed. */
  readonly drift?: DriftWatch;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Works the inbox off: a lane for each source, so that one that is down keeps no other waiting; each object by one worker at a time. What fails is
 * tried again with growing pauses, and given up with its reason: at the fifth time where the failure will not pass by itself, after a day where it may.
 */
export class Processor {
  readonly #parts: ProcessorParts;
  readonly #stop = new AbortController();
  #woken = Promise.withResolvers<void>();
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: ProcessorParts) {
    this.#parts = parts;
  }

  /** Begins with what waits for these sources. */
  start(sources: readonly string[]): void {
    this.#running = Promise.all(sources.map(source => this.#lane(source)));
  }

  /** Says that there is something new. */
  wake(): void {
    this.#woken.resolve();
    this.#woken = Promise.withResolvers();
  }

  /** Ends; what is under way is cancelled and stays for the next one. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the intake was stopped"));
    this.wake();
    await this.#running;
  }

  async #lane(source: string): Promise<void> {
    const { clock, logger } = this.#parts;
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted;) {
      const woken = this.#woken.promise;
      try {
        const isIdle = (await this.#round(source)) === 0;
        failures = 0;
        if (isIdle) await Promise.race([woken, clock.sleep(await this.#idleMs(source), signal)]);
        await clock.sleep(GATHER_MS, signal);
      } catch (thrown) {
        if (signal.aborted) break;
        logger.error({ source, problem: asError(thrown).message }, "the inbox could not be worked off; trying again");
        await Promise.allSettled([this.#parts.inbox.release(this.#holderOf(source))]);
        await clock.sleep(this.#pauseMs(failures++), signal);
      }
    }
    await Promise.allSettled([this.#parts.inbox.release(this.#holderOf(source))]);
  }

  async #idleMs(source: string): Promise<number> {
    const { inbox, clock, isShared } = this.#parts;
    const dueMs = await inbox.nextDueMs(source);
    const untilDue = dueMs === null ? Number.POSITIVE_INFINITY : dueMs - clock.nowMs();
    // What is due and was not given is another worker's.
    return untilDue <= 0 ? SHARED_POLL_MS : Math.min(isShared ? SHARED_POLL_MS : OWN_POLL_MS, untilDue);
  }

  readonly #holderOf = (source: string): string => `${this.#parts.holder} ${source}`;

  /** Works on what is due of one source; returns how many objects that were. */
  async #round(source: string): Promise<number> {
    const { inbox, clock } = this.#parts;
    const holder = this.#holderOf(source);
    const events = await inbox.lease(holder, { source, nowMs: clock.nowMs(), forMs: LEASE_MS, max: OBJECTS });
    if (events.length === 0) return 0;
    const settlements = await Promise.all(
      [...Map.groupBy(events, ({ collection }) => collection ?? "")].map(([collection, some]) =>
        this.#process(collection, some, this.#context(some)),
      ),
    );
    if (this.#stop.signal.aborted) return 0;
    await inbox.settle(holder, settlements.flat(), clock.nowMs());
    return events.length;
  }

  #context([event]: readonly InboxEvent[]): CallContext {
    const { clock, drift } = this.#parts;
    return {
      priority: "intake",
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(DEADLINE_MS)]),
      deadlineAtMs: clock.nowMs() + DEADLINE_MS,
      requestId: `intake-${event?.id}`,
      ...(drift && { drift }),
    };
  }

  /** What fails for all of them together may be one of them: then each is tried alone, as far as there is time. */
  async #process(collection: string, events: readonly InboxEvent[], context: CallContext): Promise<readonly Settlement[]> {
    const objects = Map.groupBy(events, ({ key }) => key ?? "");
    try {
      const outcomes = await this.#parts.apply(collection, objects, context);
      return [...objects].flatMap(([key, some]) => this.#settlements(some, outcomes.get(key) ?? new Error("nothing came of it")));
    } catch (thrown) {
      if (objects.size === 1 || context.signal.aborted) return this.#settlements(events, asError(thrown));
    }
    const settled: Settlement[] = [];
    for (const some of objects.values()) settled.push(...(await this.#process(collection, some, context)));
    return settled;
  }

  #settlements(events: readonly InboxEvent[], outcome: Applied): readonly Settlement[] {
    if (!(outcome instanceof Error)) return [{ ids: events.map(({ id }) => id), outcome }];
    const code = outcome instanceof TributaryError ? `${outcome.code}: ` : "";
    const problem = `${code}${outcome.message}`;
    const mayPass = outcome instanceof TributaryError && outcome.retryable;
    const nowMs = this.#parts.clock.nowMs();
    return events.map(({ id, attempts, receivedAtMs }) => {
      const isOver = mayPass ? nowMs - receivedAtMs > GIVE_UP_MS : attempts + 1 >= ATTEMPTS;
      return { ids: [id], problem, dueAtMs: isOver ? null : nowMs + this.#pauseMs(attempts) };
    });
  }

  /** Full jitter over the upper half, so that no pause is next to nothing. */
  #pauseMs(failures: number): number {
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
    return Math.round(longest * (0.5 + this.#parts.random() / 2));
  }
}
