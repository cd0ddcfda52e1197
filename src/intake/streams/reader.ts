import type { StreamMessage } from "./sink.ts";

/** A message and where the stream is taken up once it is durable; a null position leaves the earlier one as it is. */
export interface Received {
  readonly message: StreamMessage;
  readonly position: string | null;
  /** Tells the source that this message and those before it in its lane are durable, where the source wants to know. */
  readonly acknowledge?: { readonly lane: number; readonly send: () => void };
}

/** Where a reader puts what it reads. */
export interface Flow {
  /** Takes a message in any case; resolves when there is room for another. Whoever can stop reading stops until then. */
  put(received: Received): Promise<void>;
  /** Resolves when all that was put is durable, or will not be any more. */
  drained(): Promise<void>;
  /** Something came, if only a sign of life. */
  heard(): void;
  /** The source wants at least so many ms between connections. */
  reconnectAfter(ms: number): void;
}

/** How a connection ended that did not fail. */
export interface Ended {
  /** Why something after the position is missed for good. */
  readonly gap?: string;
}

/** Reads one connection from behind a position until it ends or the signal does; throws when it fails. */
export type Reader = (position: string | null, flow: Flow, signal: AbortSignal) => Promise<Ended>;
