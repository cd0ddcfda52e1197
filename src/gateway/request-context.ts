import { RequestError, type TributaryError, UpstreamError } from "../core/errors.ts";
import type { CallContext } from "../upstream/context.ts";
import { CustomerReader } from "./customer-reader.ts";
import type { Gateway } from "./gateway.ts";
import { RateReader } from "./rates.ts";
import { RelatedReader } from "./related-reader.ts";

/** Everything that the resolvers of one request work with. */
export interface RequestContext extends CallContext {
  readonly gateway: Gateway;
  readonly customers: CustomerReader;
  readonly related: RelatedReader;
  readonly rates: RateReader;
  /** Failures that leave the answer usable but not whole; they join the answer's `errors`. */
  readonly warnings: readonly TributaryError[];
  /** What the request's operations are estimated to take so far: the limits hold for all of a batch together. */
  readonly spent: { cost: number; upstreamCalls: number };
  /** Ends the request: clears its timer; whatever still waits for an answer is cancelled. */
  readonly finish: () => void;
}

export interface RequestOptions {
  readonly requestId: string;
  /** The time in ms that the whole request may take. */
  readonly deadlineMs: number;
  /** Aborts when the client has gone away. */
  readonly clientGone?: AbortSignal;
}

/** Starts a request: its deadline runs from now, its loaders are its own. */
export function beginRequest(gateway: Gateway, options: RequestOptions): RequestContext {
  const controller = new AbortController();
  const deadlineAtMs = gateway.clock.nowMs() + options.deadlineMs;
  const timer = setTimeout(() => controller.abort(deadlineError(options.deadlineMs)), options.deadlineMs);
  timer.unref();
  const cancel = () => controller.abort(gone);
  options.clientGone?.addEventListener("abort", cancel, { once: true });
  const { requestId } = options;
  const call: CallContext = { priority: "live", signal: controller.signal, deadlineAtMs, requestId, drift: gateway.drift };
  const finish = () => {
    clearTimeout(timer);
    options.clientGone?.removeEventListener("abort", cancel);
    cancel();
  };
  const warnings: TributaryError[] = [];
  const warn = (warning: TributaryError) => {
    if (!warnings.some(known => known.code === warning.code && known.message === warning.message)) warnings.push(warning);
  };
  const customers = new CustomerReader(gateway, call, warn);
  return {
    ...call,
    gateway,
    customers,
    related: new RelatedReader(gateway, call),
    rates: new RateReader(gateway, call),
    warnings,
    spent: { cost: 0, upstreamCalls: 0 },
    finish,
  };
}

/** One for all: every request ends by it, and an error's stack costs more than a small query. */
const gone = new UpstreamError("UPSTREAM_CANCELLED", "the client went away");

const deadlineError = (deadlineMs: number): UpstreamError =>
  new UpstreamError("UPSTREAM_DEADLINE", `no answer within the request's deadline of ${deadlineMs} ms`, {
    details: { retryAfterMs: 1_000 },
  });

/** Refuses an argument; `remedy` says what to give instead. */
export function refuseArgument(problem: string, details: object = {}): never {
  throw new RequestError("REQUEST_INVALID", problem, { details: { ...details } });
}
