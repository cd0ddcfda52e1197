import type { Secret } from "./secret.ts";

/** What the outside world gives the product, so that tests can stand in for it. */

/** Time. `nowMs` is the wall clock in ms since the epoch; `sleep` ends early, without an error, when the signal aborts. */
export interface Clock {
  nowMs(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A number in [0, 1). */
export type Random = () => number;

/** Structured log lines; `child` binds fields to every line. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Values by which one metric is told apart from itself: few and known, never a key, an id or a person's text. */
export type Labels = Readonly<Record<string, string>>;

/** The counters and histograms that those who work may write to; what they mean stands in `metrics`. */
export interface Meter {
  count(name: CounterName, labels: Labels, by?: number): void;
  /** In the unit that the metric's name ends in. */
  observe(name: HistogramName, labels: Labels, value: number): void;
}

/** Every counter and histogram: its meaning and its labels. */
export const metrics = {
  counters: {
    tributary_upstream_attempts_total: {
      help: "Requests sent to a source. outcome: a status class such as 2xx, or the code of the error that ended the attempt.",
      labels: ["source", "operation", "outcome"],
    },
    tributary_intake_events_total: {
      help: "Events that sources sent. outcome: kept, unwanted (of a type that nobody reads), or refused: a call that is not genuine.",
      labels: ["source", "outcome"],
    },
    tributary_intake_missed_total: {
      help: "Records that a reconciliation found to be others than we knew, without a word from their source.",
      labels: ["source"],
    },
    tributary_drift_total: {
      help: "Records that differ from what was agreed; of unknown fields in live reads, one record in 16 is looked at.",
      labels: ["source", "collection", "kind", "field"],
    },
  },
  histograms: {
    tributary_upstream_attempt_seconds: {
      help: "From sending a request until its answer has been read or has failed; waits for the budget are not in it.",
      labels: ["source", "operation"],
    },
    tributary_http_request_seconds: { help: "Requests to this server.", labels: ["route", "status"] },
  },
} as const;
export type CounterName = keyof typeof metrics.counters;
export type HistogramName = keyof typeof metrics.histograms;

/** Secrets by name. `read` throws `CONFIG_SECRET_MISSING` when there is none. */
export interface Secrets {
  read(name: string): Secret;
}

const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's own clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise(resolve => {
      if (signal?.aborted || ms <= 0) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(ms, MAX_TIMER_MS));
      signal?.addEventListener("abort", done, { once: true });
    }),
};
