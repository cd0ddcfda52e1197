import { type TributaryError, UpstreamError } from "../core/errors.ts";
import { type Json, numberText, valueAt } from "../core/json.ts";
import type { Clock, Logger, Random, Secrets } from "../core/ports.ts";
import type { Source } from "../source/define-source.ts";
import type { UpstreamRequest } from "../source/request.ts";
import { type Authorizer, createAuthorizer, type SendForToken } from "./auth/authorizer.ts";
import { type BackoffPolicy, ceilingMs, defaultBackoff, delayMs } from "./backoff.ts";
import { Breaker, type BreakerState, type BreakerTicket } from "./breaker.ts";
import { Budget, type LimitStatus } from "./budget.ts";
import { classify } from "./classify.ts";
import type { CallContext } from "./context.ts";
import { asFailure, mayRetry, verdictOn } from "./failure.ts";
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
  readonly breaker: BreakerState;
  readonly limits: readonly LimitStatus[];
  readonly pausedUntilMs: number | null;
  readonly calls: number;
  readonly throttled: number;
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
  readonly #breaker = new Breaker();
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;
  #calls = 0;
  #throttled = 0;
  #lastSuccessAtMs: number | null = null;
  #lastFailure: SourceStatus["lastFailure"] = null;

  constructor(source: Source, options: UpstreamOptions) {
    this.source = source;
    this.#options = options;
    this.#backoff = options.backoff ?? defaultBackoff;
    this.#budget = new Budget(source.client.limits, { clock: options.clock });
    this.#transport = createTransport(options.baseUrl, source.client);
    const send: SendForToken = (request, signal) =>
      this.#transmit(request, this.#transport.prepare(request), { signal, requestId: "token", priority: "live" }, {});
    this.#authorizer = createAuthorizer(source.client.auth, { ...options, send });
  }

  /**
   * Sends a request until it has a usable answer, attempts or the deadline end, or the failure is permanent. Throws `UpstreamError` with
   * source, operation, attempts and, where a later try can help, `retryAfterMs`.
   */
  async send(request: UpstreamRequest, context: CallContext): Promise<UpstreamResponse> {
    let hasRenewed = false;
    let last: TributaryError | undefined;
    for (let attempt = 1; ; attempt++) {
      const used: Used = { credential: undefined };
      try {
        return await this.#attempt(request, context, { attempt, used });
      } catch (thrown) {
        const error = asFailure(thrown, context.signal);
        if (error.code === "UPSTREAM_AUTH" && !hasRenewed && this.#authorizer.renew(used.credential)) {
          hasRenewed = true;
          continue;
        }
        // A breaker that opened between two attempts is the end of it, not the reason.
        if (error.code === "UPSTREAM_BREAKER_OPEN") throw this.#explain(last ?? error, request, attempt - 1);
        const waitMs = this.#waitBeforeRetry(error, request, context, attempt);
        if (waitMs === undefined) throw this.#explain(error, request, attempt);
        last = error;
        await this.#options.clock.sleep(waitMs, context.signal);
      }
    }
  }

  async status(): Promise<SourceStatus> {
    return {
      breaker: this.#breaker.state(this.#options.clock.nowMs()),
      limits: await this.#budget.status(),
      pausedUntilMs: this.#budget.pausedUntilMs(),
      calls: this.#calls,
      throttled: this.#throttled,
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
    { attempt, used }: { attempt: number; used: Used },
  ): Promise<UpstreamResponse> {
    const { clock } = this.#options;
    if (this.#breaker.waitMs(clock.nowMs()) > 0) throw this.#breakerError();
    const queuedAtMs = clock.nowMs();
    const permit = await this.#budget.acquire(request, context);
    const waitedMs = clock.nowMs() - queuedAtMs;
    let actualCost: number | undefined;
    let ticket: BreakerTicket | undefined;
    try {
      if (this.#breaker.probe) await unlessAborted(this.#breaker.probe, context.signal);
      ticket = this.#breaker.tryEnter(clock.nowMs());
      if (!ticket) throw this.#breakerError();
      context.onAttempt?.(attempt);
      const response = await this.#exchange(request, context, { attempt, waitedMs, used });
      this.#learn(response);
      const classified = classify(response, this.source.client.failures ?? {}, request.mayBeAbsent === true, clock.nowMs());
      actualCost = this.#actualCost(classified.body);
      this.#breaker.record(ticket, false, clock.nowMs());
      this.#lastSuccessAtMs = clock.nowMs();
      return { ...response, ...classified, receivedAtMs: clock.nowMs(), attempts: attempt };
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
    const authorized = await this.#authorizer.authorize(this.#transport.prepare(request), context.signal);
    used.credential = authorized.credential;
    context.signal.throwIfAborted();
    return this.#transmit(request, authorized.request, context, { attempt, waitedMs });
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

  #breakerError(): UpstreamError {
    const retryAfterMs = this.#breaker.waitMs(this.#options.clock.nowMs());
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
    if (verdict === "neutral") this.#breaker.release(ticket);
    else this.#breaker.record(ticket, verdict === "sick", nowMs);
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
    if (!mayRetry(error) || !request.isSafe || context.signal.aborted) return undefined;
    // Work in bulk has time: a source that is merely busy is waited for until the deadline.
    const isPatient = context.priority === "bulk" && error.code === "UPSTREAM_THROTTLED";
    if (attempt >= this.#backoff.maxAttempts && !isPatient) return undefined;
    const waitMs = Math.max(error.details.retryAfterMs ?? 0, delayMs(this.#backoff, attempt, this.#options.random));
    return this.#options.clock.nowMs() + waitMs < context.deadlineAtMs ? waitMs : undefined;
  }

  /** Adds what only this place knows: source, operation, attempts, and when to come back. */
  #explain(error: TributaryError, request: UpstreamRequest, attempts: number): TributaryError {
    if (!(error instanceof UpstreamError)) return error;
    const comeBackMs = Math.max(this.#breaker.waitMs(this.#options.clock.nowMs()), ceilingMs(this.#backoff, attempts + 1));
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
