import { UpstreamError } from "../core/errors.ts";

/** Where a long piece of work stands. */
export interface Progress {
  readonly stage: "pull" | "normalize" | "identity" | "join" | "load" | "parity";
  readonly source?: string;
  readonly collection?: string;
  readonly pages?: number;
  readonly records?: number;
  /** The records that there will be, where the source says it. */
  readonly total?: number;
}

export type OnProgress = (progress: Progress) => void;

/** Throws `UPSTREAM_CANCELLED` once the signal has aborted. */
export function stopIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new UpstreamError("UPSTREAM_CANCELLED", `${what} was stopped`, { cause: signal.reason });
}
