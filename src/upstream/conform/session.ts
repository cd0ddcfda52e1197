import { asError, TributaryError } from "../../core/errors.ts";
import type { Clock, Logger } from "../../core/ports.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import type { ListingUpstream } from "../listing/listing-upstream.ts";
import type { Check, CheckResult, Finding } from "./report.ts";
import { resultOf } from "./report.ts";
import type { Upstream, UpstreamResponse } from "../upstream.ts";

/** What was seen of one answer. */
export interface Observed {
  readonly request: UpstreamRequest;
  readonly response: UpstreamResponse;
}

/** Ends the checks of a collection that would ask for more than is allowed. */
export class CallsSpent extends Error {}

/** One request may take so long, with all waits and retries. */
const DEADLINE_MS = 60_000;

/** Sends a bounded number of requests after live reads, within the source's budget, and remembers what came. */
export class Session implements ListingUpstream {
  readonly observed: Observed[] = [];
  readonly #upstream: Upstream;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #left: number;

  constructor(upstream: Upstream, { clock, signal, maxCalls }: { clock: Clock; signal: AbortSignal; maxCalls: number }) {
    this.#upstream = upstream;
    this.#clock = clock;
    this.#signal = signal;
    this.#left = maxCalls;
  }

  get source() {
    return this.#upstream.source;
  }

  get baseUrl(): string {
    return this.#upstream.baseUrl;
  }

  /** For what takes a whole upstream and sends through this session all the same. */
  get asUpstream(): Upstream {
    return this as unknown as Upstream;
  }

  get context(): CallContext {
    const deadlineAtMs = this.#clock.nowMs() + DEADLINE_MS;
    // After live reads, and without a pull's patience: somebody waits for the report.
    return { priority: "intake", signal: this.#signal, deadlineAtMs, requestId: "conform" };
  }

  async send(...[request, , check]: Parameters<Upstream["send"]>): Promise<UpstreamResponse> {
    if (this.#left-- <= 0) throw new CallsSpent();
    const response = await this.#upstream.send(request, this.context, check);
    this.observed.push({ request, response });
    return response;
  }
}

/** Makes checks one after another; what the source itself fails with is a failed check. */
export async function makeChecks(
  collection: string | null,
  checks: readonly Check[],
  signal: AbortSignal,
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    signal.throwIfAborted();
    results.push(resultOf(check, collection, await findingOf(check)));
  }
  return results;
}

async function findingOf(check: Check): Promise<Finding> {
  try {
    return await check.make();
  } catch (thrown) {
    if (thrown instanceof CallsSpent)
      return { skip: "the requests that one collection may take are spent", remedy: "Raise --max-calls." };
    return failureOf(thrown);
  }
}

/** A failure of the source as a finding. */
export function failureOf(thrown: unknown): Extract<Finding, { readonly fail: string }> {
  const error = asError(thrown);
  if (!(error instanceof TributaryError)) throw error;
  return { fail: `${error.code}: ${error.message}`, remedy: error.remedy };
}

/** The statuses and sizes that an upstream writes to its log, and nothing else of it. */
export class CallLog implements Logger {
  readonly statuses: number[] = [];
  largest = 0;

  info(fields: object, message: string): void {
    if (message !== "upstream call") return;
    const { status, bytes } = fields as { status: number; bytes: number };
    this.statuses.push(status);
    this.largest = Math.max(this.largest, bytes);
  }

  debug(): void {
    return undefined;
  }

  warn(): void {
    return undefined;
  }

  error(): void {
    return undefined;
  }
}
