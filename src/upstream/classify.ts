import { STATUS_CODES } from "node:http";
import { asError, type ErrorDetails, UpstreamError } from "../core/errors.ts";
import { type Json, valueAt, valuesAt } from "../core/json.ts";
import type { FailureForm, FailureMeaning, Failures } from "../source/failures.ts";
import { contentTypeOf } from "./charset.ts";
import { isRedirect, redirectHost } from "./redirect.ts";
import { bodyOf, type WireResponse } from "./wire.ts";

/** What an answer means: its body, and the failures that came beside usable data. */
export interface Classified {
  readonly body: Json;
  /** Errors inside a 2xx answer that concern a part of it only. */
  readonly problems: readonly UpstreamError[];
}

type UpstreamCode = ConstructorParameters<typeof UpstreamError>[0];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The last instant that a date can hold. */
const MAX_INSTANT_MS = 8_640_000_000_000_000;
const transientStatuses = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Reads status *and* body; throws an `UpstreamError` when there is nothing to use. Body texts never get into an error. */
export function classify(response: WireResponse, failures: Failures, mayBeAbsent: boolean, nowMs: number): Classified {
  const { status } = response;
  const form = failures.forms?.find(candidate => fits(candidate, response));
  if (form) throw formError(form, response, mayBeAbsent, nowMs);
  if (status < 200 || status >= 300) throw statusError(response, failures, mayBeAbsent, nowMs);
  const details: ErrorDetails = { httpStatus: status };
  if (response.text.trim() === "") throw new UpstreamError("UPSTREAM_EMPTY", `${status} without a body`, { details });
  if (status === 206)
    throw new UpstreamError("UPSTREAM_MALFORMED", "206: a part of an answer that was asked for whole", { details });
  const body = readBody(response, details);
  return { body, problems: problemsIn(body, failures, details) };
}

/** Whether an answer has a declared form of failure: all that the form states must hold. */
function fits({ statuses, header, body }: FailureForm, response: WireResponse): boolean {
  if (statuses !== undefined && !statuses.includes(response.status)) return false;
  const value = header && response.headers[header.name.toLowerCase()];
  if (header && (value === undefined || (header.equals !== undefined && value !== header.equals))) return false;
  return body === undefined || valuesAt(jsonOf(response), body.path).includes(body.equals);
}

/** An answer's body whatever its status; undefined when it is no JSON. */
function jsonOf(response: WireResponse): Json | undefined {
  try {
    return bodyOf(response);
  } catch {
    return undefined; // a proxy or a wrong address answers in another form
  }
}

const meanings: Readonly<
  Record<FailureMeaning, { readonly code: UpstreamCode; readonly retryable: boolean; readonly problem: string }>
> = {
  throttled: { code: "UPSTREAM_THROTTLED", retryable: true, problem: "is throttling" },
  "quota-spent": { code: "UPSTREAM_QUOTA_SPENT", retryable: true, problem: "says that the quota is spent" },
  busy: { code: "UPSTREAM_REJECTED", retryable: true, problem: "is busy with the same record" },
  unavailable: { code: "UPSTREAM_UNAVAILABLE", retryable: true, problem: "is not available" },
  auth: { code: "UPSTREAM_AUTH", retryable: false, problem: "does not accept the credential" },
  forbidden: { code: "UPSTREAM_FORBIDDEN", retryable: false, problem: "does not allow this" },
  rejected: { code: "UPSTREAM_REJECTED", retryable: false, problem: "refuses this request" },
  absent: { code: "UPSTREAM_NOT_FOUND", retryable: false, problem: "has no such record" },
};

function formError(form: FailureForm, response: WireResponse, mayBeAbsent: boolean, nowMs: number): UpstreamError {
  const { means, resetHour = 0 } = form;
  const { code, retryable, problem } = meanings[means === "absent" && !mayBeAbsent ? "rejected" : means];
  const facts = factsOf(response, nowMs);
  const details = means === "quota-spent" ? { ...facts, ...resumption(facts.retryAfterMs, resetHour, nowMs) } : facts;
  return new UpstreamError(code, `the source ${problem} (${response.status})`, { details, retryable });
}

/** When a spent quota begins anew: as the answer says, else at the next such hour of the day (UTC). */
function resumption(toldMs: number | undefined, resetHour: number, nowMs: number): ErrorDetails {
  const offsetMs = resetHour * HOUR_MS;
  const resumesAtMs = toldMs === undefined ? (Math.floor((nowMs - offsetMs) / DAY_MS) + 1) * DAY_MS + offsetMs : nowMs + toldMs;
  return { retryAfterMs: resumesAtMs - nowMs, resumesAt: new Date(Math.min(resumesAtMs, MAX_INSTANT_MS)).toISOString() };
}

function statusError(response: WireResponse, failures: Failures, mayBeAbsent: boolean, nowMs: number): UpstreamError {
  const { status, headers } = response;
  const hint = failures.retryHint === undefined ? undefined : headers[failures.retryHint.toLowerCase()];
  const isTransient = transientStatuses.has(status) || (failures.retryStatuses ?? []).includes(status) || status > 504;
  const retryable = hint === "true" || (hint !== "false" && isTransient);
  const code = isAbsence(response) && mayBeAbsent ? "UPSTREAM_NOT_FOUND" : codeOf(status);
  const host = isRedirect(status) ? redirectHost(headers["location"]) : undefined;
  const where = isRedirect(status) ? `, a redirect${host === undefined ? "" : ` to ${host}`} that is not declared` : "";
  const name = STATUS_CODES[status] === undefined ? "" : ` ${STATUS_CODES[status]}`;
  return new UpstreamError(code, `the source answered ${status}${name}${where}`, {
    details: { ...factsOf(response, nowMs), ...(host !== undefined && { redirectHost: host }) },
    retryable,
  });
}

function factsOf({ status, headers }: WireResponse, nowMs: number): ErrorDetails {
  const waitMs = retryAfterMs(headers["retry-after"], nowMs);
  return { httpStatus: status, ...(waitMs !== undefined && { retryAfterMs: waitMs }) };
}

function codeOf(status: number): UpstreamCode {
  if (status === 401) return "UPSTREAM_AUTH";
  if (status === 403) return "UPSTREAM_FORBIDDEN";
  if (status === 429) return "UPSTREAM_THROTTLED";
  if (status === 408 || status === 504) return "UPSTREAM_TIMEOUT";
  return status >= 500 || status === 425 ? "UPSTREAM_UNAVAILABLE" : "UPSTREAM_REJECTED";
}

/** Whether the provider itself says that a record is not there: a proxy or a wrong address says it in another form than JSON. */
const isAbsence = (response: WireResponse): boolean =>
  (response.status === 404 || response.status === 410) && typeof jsonOf(response) === "object";

/** `Retry-After` in seconds or as an HTTP date, to ms from now; never negative. @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER);
  const date = /^[A-Za-z]{3,9},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

function readBody(response: WireResponse, details: ErrorDetails): Json {
  try {
    return bodyOf(response);
  } catch (cause) {
    const { type = "no content type" } = contentTypeOf(response.headers["content-type"]);
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
