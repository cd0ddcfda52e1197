import type { TributaryError } from "../core/errors.ts";

/** How a source was last found failing. */
export interface LastFailure {
  readonly atMs: number;
  readonly code: string;
  readonly httpStatus?: number;
}

/** What happened with a source since start. */
export interface VitalSigns {
  /** Requests sent, retries and requests for tokens included. */
  readonly calls: number;
  /** Requests that the source refused as too many. */
  readonly throttled: number;
  /** Attempts after the first. */
  readonly retries: number;
  /** Second requests for an answer that was late. */
  readonly hedges: number;
  /** Answers that were given again without a request, as the source allows. */
  readonly cacheHits: number;
  readonly lastSuccessAtMs: number | null;
  readonly lastFailure: LastFailure | null;
}

type Count = "calls" | "throttled" | "retries" | "hedges" | "cacheHits";

/** Counts what happens with a source. */
export class Vitals {
  readonly #counts: Record<Count, number> = { calls: 0, throttled: 0, retries: 0, hedges: 0, cacheHits: 0 };
  #lastSuccessAtMs: number | null = null;
  #lastFailure: LastFailure | null = null;

  get signs(): VitalSigns {
    return { ...this.#counts, lastSuccessAtMs: this.#lastSuccessAtMs, lastFailure: this.#lastFailure };
  }

  count(what: Count): void {
    this.#counts[what]++;
  }

  succeeded(nowMs: number): void {
    this.#lastSuccessAtMs = nowMs;
  }

  /** Notes a failure; that somebody left, or that a record is not there, is none of the source's. */
  failed({ code, details: { httpStatus } }: TributaryError, nowMs: number): void {
    if (code === "UPSTREAM_THROTTLED") this.count("throttled");
    if (code === "UPSTREAM_CANCELLED" || code === "UPSTREAM_NOT_FOUND") return;
    this.#lastFailure = { atMs: nowMs, code, ...(httpStatus !== undefined && { httpStatus }) };
  }
}
