import { UpstreamError } from "../core/errors.ts";

/** A signal that ends with another one or after a time, whichever comes first. */
export interface TimeBound {
  readonly signal: AbortSignal;
  /** To be called when the work is over, so that no timer is left. */
  readonly done: () => void;
}

/**
 * Ends work that makes progress, but too slowly to ever trip an idle timeout: a body of one byte a second. The signal's reason is then an
 * `UPSTREAM_TIMEOUT`; when the given signal ends first, its own reason.
 */
export function boundTime(signal: AbortSignal, totalMs: number): TimeBound {
  const controller = new AbortController();
  const leave = () => controller.abort(signal.reason);
  const timer = setTimeout(() => controller.abort(tooSlow(totalMs)), totalMs).unref();
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
  return {
    signal: controller.signal,
    done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
    },
  };
}

const tooSlow = (totalMs: number): UpstreamError =>
  new UpstreamError("UPSTREAM_TIMEOUT", `the whole answer took longer than ${totalMs} ms`, {
    details: { reason: "timeout", phase: "total", timeoutMs: totalMs },
  });
