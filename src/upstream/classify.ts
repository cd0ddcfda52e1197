import { asError, type ErrorDetails, UpstreamError } from "../core/errors.ts";
import { type Json, parseJson, valueAt, valuesAt } from "../core/json.ts";
import type { Failures } from "../source/define-source.ts";
import type { WireResponse } from "./wire.ts";

/** What an answer means: its body, and the failures that came beside usable data. */
export interface Classified {
  readonly body: Json;
  /** Errors inside a 2xx answer that concern a part of it only. */
  readonly problems: readonly UpstreamError[];
}

const transientStatuses = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Reads status *and* body; throws an `UpstreamError` when there is nothing to use. Body texts never get into an error. */
export function classify(response: WireResponse, failures: Failures, mayBeAbsent: boolean, nowMs: number): Classified {
  const { status } = response;
  const facts: ErrorDetails = { httpStatus: status };
  if (status < 200 || status >= 300) throw statusError(response, failures, mayBeAbsent, nowMs);
  if (response.text.trim() === "") throw new UpstreamError("UPSTREAM_EMPTY", `${status} without a body`, { details: facts });
  const body = readBody(response, facts);
  return { body, problems: problemsIn(body, failures, facts) };
}

function statusError(response: WireResponse, failures: Failures, mayBeAbsent: boolean, nowMs: number): UpstreamError {
  const { status, headers } = response;
  const hint = failures.retryHint === undefined ? undefined : headers[failures.retryHint.toLowerCase()];
  const isTransient = transientStatuses.has(status) || (failures.retryStatuses ?? []).includes(status) || status > 504;
  const retryable = hint === "true" || (hint !== "false" && isTransient);
  const waitMs = retryAfterMs(headers["retry-after"], nowMs);
  const code = isAbsence(response) && mayBeAbsent ? "UPSTREAM_NOT_FOUND" : codeOf(status);
  return new UpstreamError(code, `the source answered ${status}`, {
    details: { httpStatus: status, ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }) },
    retryable,
  });
}

function codeOf(
  status: number,
):
  | "UPSTREAM_AUTH"
  | "UPSTREAM_FORBIDDEN"
  | "UPSTREAM_THROTTLED"
  | "UPSTREAM_TIMEOUT"
  | "UPSTREAM_UNAVAILABLE"
  | "UPSTREAM_REJECTED" {
  if (status === 401) return "UPSTREAM_AUTH";
  if (status === 403) return "UPSTREAM_FORBIDDEN";
  if (status === 429) return "UPSTREAM_THROTTLED";
  if (status === 408 || status === 504) return "UPSTREAM_TIMEOUT";
  return status >= 500 ? "UPSTREAM_UNAVAILABLE" : "UPSTREAM_REJECTED";
}

/** Whether the provider itself says that a record is not there: a proxy or a wrong address says it in another form than JSON. */
function isAbsence({ status, text }: WireResponse): boolean {
  if (status !== 404 && status !== 410) return false;
  try {
    return typeof parseJson(text) === "object";
  } catch {
    return false; // not the provider's own form
  }
}

/** `Retry-After` in seconds or as an HTTP date, to ms from now; never negative. @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER);
  const date = /^[A-Za-z]{3,9},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

function readBody(response: WireResponse, details: ErrorDetails): Json {
  try {
    return parseJson(response.text);
  } catch (cause) {
    const type = response.headers["content-type"]?.split(";")[0] ?? "no content type";
    throw new UpstreamError("UPSTREAM_MALFORMED", `the answer is not JSON (${type}, ${response.text.length} characters)`, {
      details,
      cause: new Error(asError(cause).name),
    });
  }
}

function problemsIn(body: Json, failures: Failures, details: ErrorDetails): readonly UpstreamError[] {
  if (failures.errors === undefined) return [];
  const reported = valuesAt(body, `${failures.errors}[*]`);
  const { throttled, absent } = failures;
  if (throttled && reported.some(error => valueAt(error, throttled.path) === throttled.equals)) {
    throw new UpstreamError("UPSTREAM_THROTTLED", "the source is throttling", { details });
  }
  const real = reported.filter(error => !(absent && valueAt(error, absent.path) === absent.equals));
  return real.length === 0
    ? []
    : [new UpstreamError("UPSTREAM_GRAPHQL", `the source reported ${real.length} error(s) inside its answer`, { details })];
}
