import { asError, TributaryError, UpstreamError } from "../core/errors.ts";
import { type Json, numberText, valueAt } from "../core/json.ts";
import type { Clock, Logger, Random, Secrets } from "../core/ports.ts";
import type { Source } from "../source/define-source.ts";
import type { UpstreamRequest } from "../source/request.ts";
import { type Authorizer, createAuthorizer } from "./authorizer.ts";
import { type BackoffPolicy, ceilingMs, defaultBackoff, delayMs } from "./backoff.ts";
import { Breaker, type BreakerState } from "./breaker.ts";
import { Budget, type LimitStatus } from "./budget.ts";
import { classify } from "./classify.ts";
import type { CallContext } from "./context.ts";
import { unlessAborted } from "./unless-aborted.ts";
import { createTransport, type Transport, type WireResponse } from "./transport.ts";

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
  readonly lastFailure: { readonly atMs: number; readonly code: string } | null;
}

export interface UpstreamOptions {
  readonly baseUrl: string;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly backoff?: BackoffPolicy;
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
  #lastFailure: { atMs: number; code: string } | null = null;

  constructor(source: Source, options: UpstreamOptions) {
    this.source = source;
    this.#options = options;
    this.#backoff = options.backoff ?? defaultBackoff;
    this.#budget = new Budget(source.client.limits, { clock: options.clock });
    this.#transport = createTransport(options.baseUrl, source.client);
    this.#authorizer = createAuthorizer(source.client.auth, options);
  }

  /**
   * Sends a request until it has a usable answer, attempts or the deadline end, or the failure is permanent. Throws `UpstreamError` with
   * source, operation, attempts and, where a later try can help, `retryAfterMs`.
   */
  async send(request: UpstreamRequest, context: CallContext): Promise<UpstreamResponse> {
    let hasRenewed = false;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(request, context, attempt);
      } catch (thrown) {
        const error = asFailure(thrown, context);
        if (error.code === "UPSTREAM_AUTH" && !hasRenewed && this.#authorizer.renew()) {
          hasRenewed = true;
          continue;
        }
        const waitMs = this.#waitBeforeRetry(error, request, context, attempt);
        if (waitMs === undefined) throw this.#explain(error, request, attempt);
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

  async #attempt(request: UpstreamRequest, context: CallContext, attempt: number): Promise<UpstreamResponse> {
    const { clock } = this.#options;
    if (this.#breaker.waitMs(clock.nowMs()) > 0) throw this.#breakerError();
    const queuedAtMs = clock.nowMs();
    const permit = await this.#budget.acquire(request, context);
    const startedAtMs = clock.nowMs();
    let actualCost: number | undefined;
    let hasEntered = false;
    try {
      if (this.#breaker.probe) await unlessAborted(this.#breaker.probe, context.signal);
      hasEntered = this.#breaker.tryEnter(clock.nowMs());
      if (!hasEntered) throw this.#breakerError();
      const response = await this.#exchange(request, context);
      const timing = { waitedMs: startedAtMs - queuedAtMs, ms: clock.nowMs() - startedAtMs };
      this.#log(request, context, { status: response.status, attempt, ...timing, bytes: response.text.length });
      this.#learn(response);
      const classified = classify(response, this.source.client.failures ?? {}, request.mayBeAbsent === true, clock.nowMs());
      actualCost = this.#actualCost(classified.body);
      this.#breaker.record(false, clock.nowMs());
      this.#lastSuccessAtMs = clock.nowMs();
      return { ...response, ...classified, receivedAtMs: clock.nowMs(), attempts: attempt };
    } catch (thrown) {
      if (hasEntered) this.#recordFailure(asFailure(thrown, context), request, context, attempt);
      throw thrown;
    } finally {
      permit.settle(actualCost);
    }
  }

  async #exchange(request: UpstreamRequest, context: CallContext): Promise<WireResponse> {
    const headers = await this.#authorizer.headers(context.signal);
    context.signal.throwIfAborted();
    this.#calls++;
    return this.#transport.send(request, headers, context.signal);
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
    return new UpstreamError("UPSTREAM_BREAKER_OPEN", "the source failed repeatedly and rests", { details: { retryAfterMs } });
  }

  #recordFailure(error: TributaryError, request: UpstreamRequest, context: CallContext, attempt: number): void {
    const nowMs = this.#options.clock.nowMs();
    if (neutralCodes.has(error.code) || !(error instanceof UpstreamError)) this.#breaker.release();
    else this.#breaker.record(sickCodes.has(error.code), nowMs);
    if (error.code === "UPSTREAM_THROTTLED") {
      this.#throttled++;
      this.#budget.pauseUntil(nowMs + (error.details.retryAfterMs ?? 0));
    }
    if (error.code !== "UPSTREAM_CANCELLED" && error.code !== "UPSTREAM_NOT_FOUND")
      this.#lastFailure = { atMs: nowMs, code: error.code };
    const fields = {
      source: this.source.name,
      operation: request.operation,
      code: error.code,
      attempt,
      requestId: context.requestId,
    };
    this.#options.logger.warn({ ...fields, httpStatus: error.details.httpStatus }, "upstream attempt failed");
  }

  /** The wait in ms before the next attempt, or undefined when there must be none: then the failure is final for now. */
  #waitBeforeRetry(error: TributaryError, request: UpstreamRequest, context: CallContext, attempt: number): number | undefined {
    if (!error.retryable || !request.isSafe || context.signal.aborted || neverAgain.has(error.code)) return undefined;
    if (attempt >= this.#backoff.maxAttempts) return undefined;
    const waitMs = Math.max(error.details.retryAfterMs ?? 0, delayMs(this.#backoff, attempt, this.#options.random));
    return this.#options.clock.nowMs() + waitMs < context.deadlineAtMs ? waitMs : undefined;
  }

  /** Adds what only this place knows: source, operation, attempts, and when to come back. */
  #explain(error: TributaryError, request: UpstreamRequest, attempts: number): TributaryError {
    if (!(error instanceof UpstreamError)) return error;
    const comeBackMs = Math.max(this.#breaker.waitMs(this.#options.clock.nowMs()), ceilingMs(this.#backoff, attempts + 1));
    const retryAfterMs = error.details.retryAfterMs ?? (error.retryable ? comeBackMs : undefined);
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

  #log(request: UpstreamRequest, context: CallContext, fields: object): void {
    const { operation } = request;
    const { requestId, priority } = context;
    this.#options.logger.info({ source: this.source.name, operation, priority, requestId, ...fields }, "upstream call");
  }
}

/** Failures that speak of the source's health; a refusal of one request does not. */
const sickCodes = new Set([
  "UPSTREAM_UNAVAILABLE",
  "UPSTREAM_TIMEOUT",
  "UPSTREAM_CONNECTION",
  "UPSTREAM_MALFORMED",
  "UPSTREAM_EMPTY",
]);
/** Ends that say nothing about the source: the asker left, or gave it too little time. */
const neutralCodes = new Set(["UPSTREAM_CANCELLED", "UPSTREAM_DEADLINE"]);
const neverAgain = new Set(["UPSTREAM_BREAKER_OPEN", ...neutralCodes]);
const timeoutCodes = new Set(["UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"]);

/** A thrown value as an error of the taxonomy; the reason of an aborted signal goes before what the abort brought about. */
function asFailure(thrown: unknown, context: CallContext): TributaryError {
  if (thrown instanceof TributaryError) return thrown;
  if (context.signal.aborted && context.signal.reason instanceof TributaryError) return context.signal.reason;
  const error = asError(thrown);
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return timeoutCodes.has(code)
    ? new UpstreamError("UPSTREAM_TIMEOUT", `no answer in time (${code})`, { cause: error })
    : new UpstreamError("UPSTREAM_CONNECTION", `the connection failed (${code})`, { cause: error });
}
