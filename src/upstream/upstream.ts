import { asError, type TributaryError, UpstreamError } from "../core/errors.ts";
import { type Json, numberText, valueAt } from "../core/json.ts";
import type { Clock, Logger, Random, Secrets } from "../core/ports.ts";
import type { Source } from "../source/define-source.ts";
import { isRepeatable, type UpstreamRequest } from "../source/request.ts";
import { type Authorizer, createAuthorizer, type SendForToken } from "./auth/authorizer.ts";
import { type BackoffPolicy, ceilingMs, defaultBackoff, delayMs } from "./backoff.ts";
import type { BreakerState, BreakerTicket } from "./breaker.ts";
import { Breakers, type BreakerStatus } from "./breakers.ts";
import { Budget, type LimitStatus } from "./budget.ts";
import { type Classified, classify } from "./classify.ts";
import type { CallContext } from "./context.ts";
import { asFailure, mayRetry, verdictOn } from "./failure.ts";
import { HttpCache } from "./http-cache.ts";
import { RetryBudget } from "./retry-budget.ts";
import { unlessAborted } from "./unless-aborted.ts";
import { createTransport, type Transport } from "./transport.ts";
import type { WireRequest, WireResponse } from "./wire.ts";

/** A source's answer, read and found usable. */
export interface UpstreamResponse extends WireResponse {
  readonly body: Json;
  /** Failures reported beside usable data; a record that is missing from the answer may be missing because of them. */
  readonly problems: readonly UpstreamError[];
  readonly receivedAtMs: number;
  readonly attempts: number;
}

/** What is known of a source's state, for people and for the graph. */
export interface SourceStatus {
  /** The worst of `breakers`. */
  readonly breaker: BreakerState;
  readonly breakers: readonly BreakerStatus[];
  readonly limits: readonly LimitStatus[];
  readonly pausedUntilMs: number | null;
  readonly calls: number;
  readonly throttled: number;
  /** Attempts after the first. */
  readonly retries: number;
  /** Answers that were given again without a request, as the source allows. */
  readonly cacheHits: number;
  readonly lastSuccessAtMs: number | null;
  readonly lastFailure: { readonly atMs: number; readonly code: string; readonly httpStatus?: number } | null;
}

export interface UpstreamOptions {
  readonly baseUrl: string;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly backoff?: BackoffPolicy;
}

/** Throws what is wrong with an answer as a whole. */
export type Check = (response: UpstreamResponse) => void;

/** The credentials that an attempt was made with. */
interface Used {
  credential: string | undefined;
}

/** The one place that speaks to a source: deadline → budget → breaker → attempt (auth, send, classify, learn) → retry. */
export class Upstream {
  readonly source: Source;
  readonly #options: UpstreamOptions;
  readonly #backoff: BackoffPolicy;
  readonly #budget: Budget;
  readonly #breakers = new Breakers();
  readonly #retryBudget = new RetryBudget();
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;
  /** Null when the declaration wants nothing kept. */
  readonly #cache: HttpCache | null;
  #calls = 0;
  #throttled = 0;
  #retries = 0;
  #cacheHits = 0;
  #lastSuccessAtMs: number | null = null;
  #lastFailure: SourceStatus["lastFailure"] = null;

  constructor(source: Source, options: UpstreamOptions) {
    this.source = source;
    this.#options = options;
    this.#backoff = options.backoff ?? defaultBackoff;
    this.#budget = new Budget(source.client.limits, { clock: options.clock });
    this.#transport = createTransport(options.baseUrl, source.client);
    const { cache } = source.client;
    this.#cache = cache === false ? null : new HttpCache({ clock: options.clock, ...cache });
    const send: SendForToken = (request, signal) =>
      this.#transmit(request, this.#transport.prepare(request), { signal, requestId: "token", priority: "live" }, {});
    this.#authorizer = createAuthorizer(source.client.auth, { ...options, send });
  }

  /**
   * Sends a request until it has a usable answer, attempts, retry budget or deadline end, or the failure is permanent. `check` throws what is
   * wrong with the answer as a whole: a break of its contract counts as a failure of the source. Throws `UpstreamError` with source, operation,
   * attempts and, where a later try can help, `retryAfterMs`.
   */
  async send(request: UpstreamRequest, context: CallContext, check?: Check): Promise<UpstreamResponse> {
    const kept = this.#keptAnswer(request, check);
    if (kept) return kept;
    let hasRenewed = false;
    let last: TributaryError | undefined;
    this.#retryBudget.countRequest(this.#options.clock.nowMs());
    for (let attempt = 1; ;) {
      const used: Used = { credential: undefined };
      try {
        return await this.#attempt(request, context, { attempt, used, check });
      } catch (thrown) {
        const error = asFailure(thrown, context.signal);
        if (error.code === "UPSTREAM_AUTH" && !hasRenewed && this.#authorizer.renew(used.credential)) {
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
        this.#retries++;
        attempt++;
      }
    }
  }

  /** An earlier answer that the source still vouches for: nothing is sent, nothing taken from the budget. */
  #keptAnswer(request: UpstreamRequest, check: Check | undefined): UpstreamResponse | undefined {
    if (this.#cache === null || request.method !== "GET") return undefined;
    const prepared = this.#transport.prepare(request);
    const kept = this.#cache.fresh(prepared, this.#scope());
    if (kept === undefined) return undefined;
    try {
      const nowMs = this.#options.clock.nowMs();
      const receivedAtMs = nowMs - Number(kept.headers["age"] ?? 0) * 1000;
      const answer = { ...kept, ...this.#classify(request, kept), receivedAtMs, attempts: 0 };
      check?.(answer);
      this.#cacheHits++;
      return answer;
    } catch (thrown) {
      this.#cache.forget(prepared, this.#scope());
      this.#options.logger.warn(
        { source: this.source.name, operation: request.operation, problem: asError(thrown).message },
        "a kept answer is of no use",
      );
      return undefined;
    }
  }

  #classify(request: UpstreamRequest, response: WireResponse): Classified {
    return classify(response, this.source.client.failures ?? {}, request.mayBeAbsent === true, this.#options.clock.nowMs());
  }

  /** Stands for whose credentials are used. */
  #scope(): string {
    return "";
  }

  async status(): Promise<SourceStatus> {
    const nowMs = this.#options.clock.nowMs();
    return {
      breaker: this.#breakers.state(nowMs),
      breakers: this.#breakers.status(nowMs),
      limits: await this.#budget.status(),
      pausedUntilMs: this.#budget.pausedUntilMs(),
      calls: this.#calls,
      throttled: this.#throttled,
      retries: this.#retries,
      cacheHits: this.#cacheHits,
      lastSuccessAtMs: this.#lastSuccessAtMs,
      lastFailure: this.#lastFailure,
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#budget.close(), this.#transport.close()]);
  }

  async #attempt(
    request: UpstreamRequest,
    context: CallContext,
    { attempt, used, check }: { attempt: number; used: Used; check: Check | undefined },
  ): Promise<UpstreamResponse> {
    const { clock } = this.#options;
    const breaker = this.#breakers.of(request.operation);
    if (breaker.waitMs(clock.nowMs()) > 0) throw this.#breakerError(request);
    const queuedAtMs = clock.nowMs();
    const permit = await this.#budget.acquire(request, context);
    const waitedMs = clock.nowMs() - queuedAtMs;
    let actualCost: number | undefined;
    let ticket: BreakerTicket | undefined;
    try {
      if (breaker.probe) await unlessAborted(breaker.probe, context.signal);
      ticket = breaker.tryEnter(clock.nowMs());
      if (!ticket) throw this.#breakerError(request);
      context.onAttempt?.(attempt);
      const response = await this.#exchange(request, context, { attempt, waitedMs, used });
      this.#learn(response);
      const classified = this.#classify(request, response);
      actualCost = this.#actualCost(classified.body);
      const answer = { ...response, ...classified, receivedAtMs: clock.nowMs(), attempts: attempt };
      check?.(answer);
      breaker.record(ticket, false, clock.nowMs());
      this.#lastSuccessAtMs = clock.nowMs();
      return answer;
    } catch (thrown) {
      if (ticket) this.#recordFailure(ticket, asFailure(thrown, context.signal), request, context, attempt);
      throw thrown;
    } finally {
      permit.settle(actualCost);
    }
  }

  async #exchange(
    request: UpstreamRequest,
    context: CallContext,
    { used, attempt, waitedMs }: { used: Used; attempt: number; waitedMs: number },
  ): Promise<WireResponse> {
    const prepared = this.#transport.prepare(request);
    const scope = this.#scope();
    const conditional = this.#cache?.conditional(prepared, scope) ?? prepared;
    const authorized = await this.#authorizer.authorize(conditional, context.signal);
    used.credential = authorized.credential;
    context.signal.throwIfAborted();
    const response = await this.#transmit(request, authorized.request, context, { attempt, waitedMs });
    return this.#cache?.settle(prepared, scope, response) ?? response;
  }

  /** Sends, counts and logs; the token endpoint is spoken to in the same way. */
  async #transmit(
    request: UpstreamRequest,
    wire: WireRequest,
    context: Pick<CallContext, "signal" | "requestId" | "priority">,
    facts: object,
  ): Promise<WireResponse> {
    const { clock, logger } = this.#options;
    const startedAtMs = clock.nowMs();
    this.#calls++;
    const response = await this.#transport.send(wire, context.signal);
    const { priority, requestId } = context;
    const line = { source: this.source.name, operation: request.operation, priority, requestId, status: response.status };
    logger.info({ ...line, ...facts, ms: clock.nowMs() - startedAtMs, bytes: response.text.length }, "upstream call");
    return response;
  }

  /** Rests before being refused, when the provider says that nothing is left and when that ends. */
  #learn(response: WireResponse): void {
    const { remaining, reset } = this.source.client.learned ?? {};
    if (remaining === undefined || reset === undefined) return;
    const left = Number(response.headers[remaining.toLowerCase()] ?? Number.NaN);
    const resetAt = Number(response.headers[reset.header.toLowerCase()] ?? Number.NaN) * 1000;
    if (!(left <= 0) || Number.isNaN(resetAt)) return;
    this.#budget.pauseUntil(reset.unit === "epoch-seconds" ? resetAt : this.#options.clock.nowMs() + resetAt);
  }

  #actualCost(body: Json): number | undefined {
    const path = this.source.client.learned?.cost?.actual;
    const cost = path === undefined ? Number.NaN : Number(numberText(valueAt(body, path)));
    return Number.isFinite(cost) ? cost : undefined;
  }

  #breakerError(request: UpstreamRequest): UpstreamError {
    const retryAfterMs = this.#breakers.of(request.operation).waitMs(this.#options.clock.nowMs());
    const { code, httpStatus } = this.#lastFailure ?? {};
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
    if (error.code === "UPSTREAM_THROTTLED") {
      this.#throttled++;
      this.#budget.pauseUntil(nowMs + (error.details.retryAfterMs || this.#budget.restAfterRefusalMs(request)));
    }
    if (error.code !== "UPSTREAM_CANCELLED" && error.code !== "UPSTREAM_NOT_FOUND") {
      this.#lastFailure = { atMs: nowMs, code: error.code, ...(httpStatus !== undefined && { httpStatus }) };
    }
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
