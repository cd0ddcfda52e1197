import type { DriftWatch } from "./drift/drift-log.ts";

/** Who is asking a source, how urgent it is, and until when. */
export interface CallContext {
  readonly priority: Priority;
  /** Aborts when the asker has gone or its deadline has passed; the reason is an `UpstreamError`. */
  readonly signal: AbortSignal;
  /** The moment, in ms since the epoch, after which an answer is of no use. Read anew before every wait. */
  readonly deadlineAtMs: number;
  readonly requestId: string;
  /** Is told of every attempt that is made, 1 being the first. */
  readonly onAttempt?: (attempt: number) => void;
  /** Knows which fields records may have, and is told how they differ from what was agreed. */
  readonly drift?: DriftWatch;
}

/** Live queries go before webhook re-fetches, and those before bulk pulls. */
export type Priority = "live" | "intake" | "bulk";
