/** A message as it came over a stream. */
export interface StreamMessage {
  readonly text: string;
  /** By which the source knows it, where the transport has a place for that. */
  readonly id?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly receivedAtMs: number;
  /** Why it cannot be read; it is handed on all the same, so that it is kept and somebody sees it. */
  readonly problem?: string;
}

/**
 * Where the messages of one stream go. A message may come again, also after later ones: after a break the stream is taken up behind the last position
 * that is durable. The sink knows by the events' own identity what it has already.
 */
export interface Sink {
  /** The last durable position; null before the first one, and after a gap. */
  position(): Promise<string | null>;
  /** Resolves when the messages are durable, and with them the position, unless it is null: then the earlier one stays. What is rejected is handed over again. */
  accept(messages: readonly StreamMessage[], position: string | null): Promise<void>;
  /** Something after `from` was missed for good. Resolves when that is durable; the position is null then. */
  gap(from: string | null, reason: string): Promise<void>;
}
