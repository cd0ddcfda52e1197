import { asError, type TributaryError, UpstreamError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Meter, Random } from "../core/ports.ts";
import type { Source } from "../source/define-source.ts";
import { get, isRepeatable, type UpstreamRequest } from "../source/request.ts";
import { type BackoffPolicy, ceilingMs, defaultBackoff, delayMs } from "./backoff.ts";
import type { BreakerState, BreakerTicket } from "./breaker.ts";
import { Breakers, type BreakerStatus } from "./breakers.ts";
import { Budget } from "./budget/budget.ts";
import type { LimitStatus, Permit } from "./budget/gate.ts";
import type { Ledger } from "./budget/ledger.ts";
import { actualCost, type LearnedLimit } from "./budget/learned.ts";
import { Sharing, type SharingStatus } from "./budget/sharing.ts";
import { type Classified, classify } from "./classify.ts";
import type { CallContext } from "./context.ts";
import { type AttemptFacts, Exchange, type ExchangeOptions } from "./exchange.ts";
import { asFailure, mayRetry, verdictOn } from "./failure.ts";
import { RetryBudget } from "./retry-budget.ts";
import { unlessAborted } from "./unless-aborted.ts";
import type { StreamedResponse } from "./transport.ts";
import { Vitals, type VitalSigns } from "./vitals.ts";
import type { WireResponse } from "./wire.ts";

/** A source's answer, read and found usable. */
export interface UpstreamResponse extends WireResponse {
  readonly body: Json;
  /** Failures reported beside usable data; a record that is missing from the answer may be missing because of them. */
  readonly problems: readonly UpstreamError[];
  readonly receivedAtMs: number;
  readonly attempts: number;
}

/** What is known of a source's state, for people and for the graph. */
export interface SourceStatus extends VitalSigns {
  /** The worst of `breakers`. */
  readonly breaker: BreakerState;
  readonly breakers: readonly BreakerStatus[];
  readonly limits: readonly LimitStatus[];
  readonly sharing: SharingStatus;
  /** What the source itself has said of its limits. */
  readonly learned: readonly LearnedLimit[];
  readonly pausedUntilMs: number | null;
}

export interface UpstreamOptions extends ExchangeOptions {
  /** Where attempts are counted and timed. */
  readonly meter?: Meter;
  /** Where replicas keep the source's limits together; this process is on its own without it. */
  readonly ledger?: Ledger;
  readonly random: Random;
  readonly backoff?: BackoffPolicy;
}

/** Throws what is wrong with an answer as a whole. */
export type Check = (response: UpstreamResponse) => void;

/** The one place that speaks to a source: deadline → budget → breaker → attempt (auth, send, classify, learn) → retry. */
export class Upstream {
  readonly source: Source;
  /** The address under which the source is spoken to. */
  readonly baseUrl: string;
  readonly #options: UpstreamOptions;
  readonly #backoff: BackoffPolicy;
  readonly #budget: Budget;
  readonly #breakers = new Breakers();
  readonly #retryBudget = new RetryBudget();
  readonly #vitals = new Vitals();
  readonly #exchange: Exchange;

  constructor(source: Source, options: UpstreamOptions) {
    this.source = source;
    this.baseUrl = options.baseUrl;
    this.#options = options;
    this.#backoff = options.backoff ?? defaultBackoff;
    const { limits, learned = {} } = source.client;
    const { clock, ledger, logger } = options;
    const sharing = ledger && limits.length > 0 ? new Sharing(ledger, { logger, source: source.name }) : undefined;
    this.#budget = new Budget(limits, { clock, learned, sharing });
    this.#exchange = new Exchange(source, { ...options, vitals: this.#vitals, spare: request => this.#spare(request) });
  }

  /**
   * Sends a request until it has a usable answer, attempts, retry budget or deadline end, or the failure is permanent. `check` throws what is
   * wrong with the answer as a whole: a break of its contract counts as a failure of the source. Throws `UpstreamError` with source, operation,
   * attempts and, where a later try can help, `retryAfterMs`.
   */
  async send(request: UpstreamRequest, context: CallContext, check?: Check): Promise<UpstreamResponse> {
    const kept = context.priority === "live" ? this.#keptAnswer(request, check) : undefined;
    return kept ?? this.#persist(request, context, facts => this.#attempt(request, context, { facts, check }));
  }

  /**
   * A file that is read as it arrives: at an address that the source gave on one of its `otherHosts`, without credentials and outside its budget, or by a
   * request under the base URL, with both. Throws as `send` does until the answer has begun.
   */
  async download(from: UpstreamRequest | { readonly href: string }, context: CallContext): Promise<StreamedResponse> {
    const request = "href" in from ? get("download", "/") : from;
    return this.#persist(request, context, facts =>
      this.#admitted(request, context, { facts, isFree: "href" in from }, async () => {
        const answer = await this.#exchange.stream(from, context, facts);
        if (answer.status !== 200) this.#classify(request, { ...answer, text: await answer.text() });
        return answer;
      }),
    );
  }

  async status(): Promise<SourceStatus> {
    const nowMs = this.#options.clock.nowMs();
    return {
      breaker: this.#breakers.state(nowMs),
      breakers: this.#breakers.status(nowMs),
      limits: await this.#budget.status(),
      sharing: this.#budget.sharing,
      learned: this.#budget.said(),
      pausedUntilMs: this.#budget.pausedUntilMs(),
      ...this.#vitals.signs,
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#budget.close(), this.#exchange.close()]);
  }

  /** Repeats an attempt as long as that is allowed and may help. */
  async #persist<T>(
    request: UpstreamRequest,
    context: CallContext,
    attemptOnce: (facts: AttemptFacts) => Promise<T>,
  ): Promise<T> {
    let hasRenewed = false;
    let last: TributaryError | undefined;
    this.#retryBudget.countRequest(this.#options.clock.nowMs());
    for (let attempt = 1; ;) {
      const facts: AttemptFacts = { attempt, waitedMs: 0 };
      try {
        return await attemptOnce(facts);
      } catch (thrown) {
        const error = asFailure(thrown, context.signal);
        if (error.code === "UPSTREAM_AUTH" && !hasRenewed && this.#exchange.renew(facts.credential)) {
          hasRenewed = true;
          attempt++;
          continue;
        }
        const wasRefused = error.code === "UPSTREAM_BREAKER_OPEN";
        const waitMs = this.#waitBeforeRetry(error, request, context, attempt);
        // A breaker that opened between two attempts is the end of it, not the reason.
        if (waitMs === undefined) throw this.#explain((wasRefused && last) || error, request, wasRefused ? attempt - 1 : attempt);
        await this.#options.clock.sleep(waitMs, context.signal);
        if (wasRefused) continue;
        last = error;
        this.#vitals.count("retries");
        attempt++;
      }
    }
  }

  /** An earlier answer that the source still vouches for: nothing is sent, nothing taken from the budget. */
  #keptAnswer(request: UpstreamRequest, check: Check | undefined): UpstreamResponse | undefined {
    const kept = this.#exchange.fresh(request);
    if (kept === undefined) return undefined;
    try {
      const receivedAtMs = this.#options.clock.nowMs() - Number(kept.headers["age"] ?? 0) * 1000;
      const answer = { ...kept, ...this.#classify(request, kept), receivedAtMs, attempts: 0 };
      check?.(answer);
      this.#vitals.count("cacheHits");
      return answer;
    } catch (thrown) {
      this.#exchange.forget(request);
      const fields = { source: this.source.name, operation: request.operation, problem: asError(thrown).message };
      this.#options.logger.warn(fields, "a kept answer is of no use");
      return undefined;
    }
  }

  #classify(request: UpstreamRequest, response: WireResponse): Classified {
    return classify(response, this.source.client.failures ?? {}, request.mayBeAbsent === true, this.#options.clock.nowMs());
  }

  async #attempt(
    request: UpstreamRequest,
    context: CallContext,
    { facts, check }: { facts: AttemptFacts; check: Check | undefined },
  ): Promise<UpstreamResponse> {
    return this.#admitted(request, context, { facts }, async charge => {
      const response = await this.#exchange.send(request, context, facts);
      const classified = this.#classifyAndLearn(request, response);
      charge(actualCost(this.source.client.learned ?? {}, classified.body));
      const answer = { ...response, ...classified, receivedAtMs: this.#options.clock.nowMs(), attempts: facts.attempt };
      check?.(answer);
      return answer;
    });
  }

  /** Does a piece of work that sends one request once budget and breaker let it, and tells both what came of it. */
  async #admitted<T>(
    request: UpstreamRequest,
    context: CallContext,
    { facts, isFree = false }: { facts: AttemptFacts; isFree?: boolean },
    work: (charge: (cost: number | undefined) => void) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.#options;
    const breaker = this.#breakers.of(request.operation);
    if (breaker.waitMs(clock.nowMs()) > 0) throw this.#breakerError(request);
    const queuedAtMs = clock.nowMs();
    const permit = isFree ? undefined : await this.#budget.acquire(request, context);
    facts.waitedMs = clock.nowMs() - queuedAtMs;
    let actualCost: number | undefined;
    let ticket: BreakerTicket | undefined;
    let sentAtMs: number | undefined;
    try {
      if (breaker.probe) await unlessAborted(breaker.probe, context.signal);
      ticket = breaker.tryEnter(clock.nowMs());
      if (!ticket) throw this.#breakerError(request);
      context.onAttempt?.(facts.attempt);
      sentAtMs = clock.nowMs();
      const done = await work(cost => (actualCost = cost));
      this.#measure(request, sentAtMs, "2xx");
      breaker.record(ticket, false, clock.nowMs());
      this.#vitals.succeeded(clock.nowMs());
      return done;
    } catch (thrown) {
      const failure = asFailure(thrown, context.signal);
      if (sentAtMs !== undefined) this.#measure(request, sentAtMs, failure.code);
      if (ticket) this.#recordFailure(ticket, failure, request, context, facts.attempt);
      throw thrown;
    } finally {
      permit?.settle(actualCost);
    }
  }

  /** Takes in what the answer says of limits, whether it is of use or not. */
  #classifyAndLearn(request: UpstreamRequest, response: WireResponse): Classified {
    let classified: Classified | undefined;
    try {
      classified = this.#classify(request, response);
      return classified;
    } finally {
      this.#budget.learn(response.headers, classified?.body);
    }
  }

  /** A second request for a late answer, out of what is to spare and out of the retries. */
  #spare(request: UpstreamRequest): Permit | undefined {
    const permit = this.#budget.spare(request);
    if (permit === undefined || this.#retryBudget.takeRetry(this.#options.clock.nowMs())) return permit;
    permit.cancel();
    return undefined;
  }

  #measure({ operation }: UpstreamRequest, sentAtMs: number, outcome: string): void {
    const { clock, meter } = this.#options;
    const source = this.source.name;
    meter?.count("tributary_upstream_attempts_total", { source, operation, outcome });
    meter?.observe("tributary_upstream_attempt_seconds", { source, operation }, (clock.nowMs() - sentAtMs) / 1000);
  }

  #breakerError(request: UpstreamRequest): UpstreamError {
    const retryAfterMs = this.#breakers.of(request.operation).waitMs(this.#options.clock.nowMs());
    const { code, httpStatus } = this.#vitals.signs.lastFailure ?? {};
    const why = code === undefined ? "" : ` (${code}${httpStatus === undefined ? "" : `, ${httpStatus}`})`;
    return new UpstreamError("UPSTREAM_BREAKER_OPEN", `the source failed repeatedly${why} and rests`, {
      details: { retryAfterMs, ...(httpStatus !== undefined && { httpStatus }) },
    });
  }

  #recordFailure(
    ticket: BreakerTicket,
    error: TributaryError,
    request: UpstreamRequest,
    context: CallContext,
    attempt: number,
  ): void {
    const nowMs = this.#options.clock.nowMs();
    const { httpStatus } = error.details;
    const verdict = verdictOn(error);
    const breaker = this.#breakers.of(request.operation);
    if (verdict === "neutral") breaker.release(ticket);
    else breaker.record(ticket, verdict === "sick", nowMs);
    this.#vitals.failed(error, nowMs);
    if (error.code === "UPSTREAM_THROTTLED" || error.code === "UPSTREAM_QUOTA_SPENT")
      this.#budget.pauseUntil(nowMs + (error.details.retryAfterMs || this.#budget.restAfterRefusalMs(request)));
    const { requestId } = context;
    const fields = { source: this.source.name, operation: request.operation, code: error.code, attempt, requestId };
    this.#options.logger.warn({ ...fields, httpStatus }, "upstream attempt failed");
  }

  /** The wait in ms before the next attempt, or undefined when there must be none: then the failure is final for now. */
  #waitBeforeRetry(error: TributaryError, request: UpstreamRequest, context: CallContext, attempt: number): number | undefined {
    const { clock, random } = this.#options;
    const { maxAttempts, maxBulkAttempts } = this.#backoff;
    const isBulk = context.priority === "bulk";
    if (!mayRetry(error, context.priority) || !isRepeatable(request) || context.signal.aborted) return undefined;
    // Work in bulk has time: a source that is merely busy, or left in peace, is waited for until the deadline.
    const isPatient = isBulk && (error.code === "UPSTREAM_THROTTLED" || error.code === "UPSTREAM_BREAKER_OPEN");
    if (attempt >= (isBulk ? maxBulkAttempts : maxAttempts) && !isPatient) return undefined;
    const waitMs = Math.max(error.details.retryAfterMs ?? 0, delayMs(this.#backoff, attempt, random));
    if (clock.nowMs() + waitMs >= context.deadlineAtMs) return undefined;
    return isPatient || this.#retryBudget.takeRetry(clock.nowMs()) ? waitMs : undefined;
  }

  /** Adds what only this place knows: source, operation, attempts, and when to come back. */
  #explain(error: TributaryError, request: UpstreamRequest, attempts: number): TributaryError {
    if (!(error instanceof UpstreamError)) return error;
    const restMs = this.#breakers.of(request.operation).waitMs(this.#options.clock.nowMs());
    const comeBackMs = Math.max(restMs, ceilingMs(this.#backoff, attempts + 1));
    const retryAfterMs = error.retryable ? Math.max(error.details.retryAfterMs ?? 0, comeBackMs) : undefined;
    return new UpstreamError(error.code, `${this.source.title}: ${error.message}`, {
      details: {
        ...error.details,
        source: this.source.name,
        operation: request.operation,
        attempts,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      },
      cause: error.cause,
      retryable: error.retryable,
    });
  }
}
