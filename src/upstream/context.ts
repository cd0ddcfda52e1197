/** Who is asking a source, how urgent it is, and until when. */
export interface CallContext {
  readonly priority: Priority;
  /** Aborts when the asker has gone or its deadline has passed; the reason is an `UpstreamError`. */
  readonly signal: AbortSignal;
  /** The moment, in ms since the epoch, after which an answer is of no use. Read anew before every wait. */
  readonly deadlineAtMs: number;
  readonly requestId: string;
}

/** Live queries go before webhook re-fetches, and those before bulk pulls. */
export type Priority = "live" | "intake" | "bulk";
