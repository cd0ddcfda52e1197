import { type ConstructorOptions, PgBoss } from "pg-boss";
import { asError } from "../core/errors.ts";
import type { Logger } from "../core/ports.ts";

/** A job that is run regularly, in one of the processes that share the store. */
export interface ScheduledJob {
  /** Tells jobs apart: letters, digits and `_-./`. */
  readonly name: string;
  /** Five fields, UTC. */
  readonly cron: string;
  /** Returns in how many seconds it is to run again before its next regular time; null: not before. A failure is logged; the next time comes anyway. */
  readonly run: (signal: AbortSignal) => Promise<number | null>;
}

const QUEUE = "scheduled";
/** A job may take so long; then another process may begin it. */
const EXPIRES_S = 3_600;
const POLL_S = 2;
const STOP_MS = 5_000;

/** Runs jobs when they are due: one process at a time each, whichever of those that share the store. */
export class Jobs {
  readonly #boss: PgBoss;
  readonly #logger: Logger;
  readonly #stop = new AbortController();

  constructor(options: ConstructorOptions, logger: Logger) {
    this.#boss = new PgBoss({ ...options, useListenNotify: false });
    this.#logger = logger;
    this.#boss.on("error", problem => this.#warn(problem));
  }

  /** Begins, with exactly these jobs. Throws what the store throws. */
  async start(jobs: readonly ScheduledJob[]): Promise<void> {
    await this.#boss.start();
    await this.#boss.createQueue(QUEUE, {
      policy: "stately",
      retryLimit: 0,
      expireInSeconds: EXPIRES_S,
      deleteAfterSeconds: 86_400,
    });
    const known = await this.#boss.getSchedules(QUEUE);
    for (const { key } of known) if (!jobs.some(({ name }) => name === key)) await this.#boss.unschedule(QUEUE, key);
    for (const { name, cron } of jobs)
      await this.#boss.schedule(QUEUE, cron, { name }, { key: name, tz: "UTC", singletonKey: name });
    await this.#boss.work<{ name: string }>(QUEUE, { pollingIntervalSeconds: POLL_S }, async ([job]) => {
      const found = jobs.find(({ name }) => name === job?.data.name);
      if (found) await this.#run(found);
    });
  }

  /** Lets a job run in so many seconds, beside its regular times. */
  async soon(name: string, inS: number): Promise<void> {
    await this.#boss.send(QUEUE, { name }, { singletonKey: name, startAfter: inS });
  }

  /** Ends; a job that runs is told so. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the jobs were stopped"));
    await this.#boss.stop({ graceful: true, timeout: STOP_MS, close: true });
  }

  async #run({ name, run }: ScheduledJob): Promise<void> {
    try {
      const againS = await run(this.#stop.signal);
      if (againS !== null && !this.#stop.signal.aborted) await this.soon(name, againS);
    } catch (thrown) {
      if (!this.#stop.signal.aborted) this.#warn(thrown, name);
    }
  }

  #warn(thrown: unknown, job?: string): void {
    this.#logger.warn(
      { problem: asError(thrown).message, ...(job !== undefined && { job }) },
      "a job failed; its next time comes anyway",
    );
  }
}
