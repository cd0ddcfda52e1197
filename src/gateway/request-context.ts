import { RequestError, type TributaryError, UpstreamError } from "../core/errors.ts";
import type { CallContext } from "../upstream/context.ts";
import { CustomerReader } from "./customer-reader.ts";
import { DatasetReader } from "./dataset-reader.ts";
import { declaredFreshness, type Freshness, type Place, type StaleFact, StaleFields } from "./freshness.ts";
import type { Gateway } from "./gateway.ts";
import { RateReader } from "./rates.ts";
import { RelatedReader } from "./related-reader.ts";

/** Everything that the resolvers of one request work with. */
export interface RequestContext extends CallContext {
  readonly gateway: Gateway;
  readonly customers: CustomerReader;
  readonly related: RelatedReader;
  readonly rates: RateReader;
  /** Reads a version of the tables, the one that was built last unless given; throws `DATASET_UNKNOWN`. */
  readonly dataset: (version: string | null) => Promise<DatasetReader>;
  /** What of the answer is older than declared. */
  readonly stale: StaleFields;
  /** Failures that leave the answer usable but not whole; they join the answer's `errors`. */
  readonly warnings: readonly TributaryError[];
  readonly warn: (warning: TributaryError) => void;
  /** What the request's operations are estimated to take so far: the limits hold for all of a batch together. */
  readonly spent: { cost: number; upstreamCalls: number };
  /** Ends the request: clears its timer; whatever still waits for an answer is cancelled. */
  readonly finish: () => void;
}

export interface RequestOptions {
  readonly requestId: string;
  /** The time in ms that the whole request may take; null: it ends when the client goes. */
  readonly deadlineMs: number | null;
  /** Aborts when the client has gone away. */
  readonly clientGone?: AbortSignal;
}

/** Starts a request: its deadline runs from now, its loaders are its own. */
export function beginRequest(gateway: Gateway, options: RequestOptions): RequestContext {
  const controller = new AbortController();
  const { deadlineMs } = options;
  const deadlineAtMs = deadlineMs === null ? Infinity : gateway.clock.nowMs() + deadlineMs;
  const timer = deadlineMs === null ? undefined : setTimeout(() => controller.abort(deadlineError(deadlineMs)), deadlineMs);
  timer?.unref();
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
  return {
    ...call,
    gateway,
    ...readersOf(gateway, call, declaredFreshness, warn),
    dataset: datasetsOf(gateway),
    stale: new StaleFields(() => gateway.clock.nowMs()),
    warn,
    warnings,
    spent: { cost: 0, upstreamCalls: 0 },
    finish,
  };
}

/** The context of one operation of a request. `freshness`: what it wants, where that is not what the collections declare. */
export const forOperation = (context: RequestContext, freshness: Freshness | null): RequestContext => ({
  ...context,
  stale: new StaleFields(() => context.gateway.clock.nowMs()),
  ...(freshness && readersOf(context.gateway, context, freshness, context.warn)),
});

const readersOf = (gateway: Gateway, call: CallContext, freshness: Freshness, warn: RequestContext["warn"]) => ({
  customers: new CustomerReader(gateway, call, freshness, warn),
  related: new RelatedReader(gateway, call, freshness),
  rates: new RateReader(gateway, call, freshness),
});

/** Opens each version once. */
function datasetsOf(gateway: Gateway): RequestContext["dataset"] {
  const readers = new Map<string | null, Promise<DatasetReader>>();
  const open = async (version: string | null) => {
    if (gateway.datasets === null) throw new RequestError("DATASET_UNKNOWN", "there are no tables here");
    return new DatasetReader(await gateway.datasets.open(version), gateway);
  };
  return version => {
    const reader = readers.get(version) ?? open(version);
    readers.set(version, reader);
    return reader;
  };
}

/** One for all: every request ends by it, and an error's stack costs more than a small query. */
const gone = new UpstreamError("UPSTREAM_CANCELLED", "the client went away");

const deadlineError = (deadlineMs: number): UpstreamError =>
  new UpstreamError("UPSTREAM_DEADLINE", `no answer within the request's deadline of ${deadlineMs} ms`, {
    details: { retryAfterMs: 1_000 },
  });

/** Notes what is stale at the field that is being resolved. */
export const staleAt =
  ({ stale }: RequestContext, { path }: { readonly path: Place }) =>
  (fact: StaleFact): void =>
    stale.note(path, fact);

/** Refuses an argument; `remedy` says what to give instead. */
export function refuseArgument(problem: string, details: object = {}): never {
  throw new RequestError("REQUEST_INVALID", problem, { details: { ...details } });
}
