import type { Priority } from "./context.ts";
import { asError, TributaryError, UpstreamError } from "../core/errors.ts";

/** Failures that speak of the source's health; a refusal of one request does not. */
const sickCodes = new Set([
  "UPSTREAM_UNAVAILABLE",
  "UPSTREAM_TIMEOUT",
  "UPSTREAM_CONNECTION",
  "UPSTREAM_MALFORMED",
  "UPSTREAM_EMPTY",
  "UPSTREAM_CONTRACT",
]);
/** Ends that say nothing about the source: the asker left, or gave it too little time. */
const neutralCodes = new Set(["UPSTREAM_CANCELLED", "UPSTREAM_DEADLINE", "UPSTREAM_QUOTA_SPENT"]);
const timeoutCodes = new Set(["UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"]);

/** Whether a failure is the source's, tells nothing of it, or shows that it is there and answers. */
export function verdictOn(error: TributaryError): "sick" | "neutral" | "well" {
  if (sickCodes.has(error.code)) return "sick";
  return neutralCodes.has(error.code) || !(error instanceof UpstreamError) ? "neutral" : "well";
}

/** Whether another attempt makes sense at all, apart from when and how often. Only work in bulk waits for a breaker. */
export const mayRetry = (error: TributaryError, priority: Priority): boolean =>
  error.retryable && !neutralCodes.has(error.code) && (error.code !== "UPSTREAM_BREAKER_OPEN" || priority === "bulk");

/** A thrown value as an error of the taxonomy; the reason of an aborted signal goes before what the abort brought about. */
export function asFailure(thrown: unknown, signal: AbortSignal): TributaryError {
  if (thrown instanceof TributaryError) return thrown;
  if (signal.aborted && signal.reason instanceof TributaryError) return signal.reason;
  const error = asError(thrown);
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return timeoutCodes.has(code)
    ? new UpstreamError("UPSTREAM_TIMEOUT", `no answer in time (${code})`, { cause: error })
    : new UpstreamError("UPSTREAM_CONNECTION", `the connection failed (${code})`, { cause: error });
}
