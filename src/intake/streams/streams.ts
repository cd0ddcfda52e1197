import type { Clock, Logger, Random } from "../../core/ports.ts";
import type { WebStream } from "../../source/streams.ts";
import type { StreamExchange } from "../../upstream/stream-exchange.ts";
import { consume } from "./consume.ts";
import { readLines } from "./ndjson.ts";
import type { QueueBounds } from "./queue.ts";
import type { Reader } from "./reader.ts";
import type { Sink } from "./sink.ts";
import { DEFAULT_STALL_MS } from "./sizes.ts";
import { readServerSentEvents } from "./sse.ts";
import { readSocket } from "./websocket.ts";

export interface StreamParts {
  /** `<source>.<stream>`. */
  readonly name: string;
  readonly exchange: StreamExchange;
  readonly sink: Sink;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Its end stops the stream. */
  readonly signal: AbortSignal;
  /** What may stand in memory between the connection and the sink; 5,000 messages and 8 Mi characters unless stated. */
  readonly bounds?: QueueBounds;
}

/** Reads a declared stream into a sink until the signal ends. Never throws because of the source or the sink; resolves when all that was read is durable. */
export async function consumeStream(stream: WebStream, parts: StreamParts): Promise<void> {
  const isBlind = stream.transport !== "sse" && stream.resume === undefined;
  await consume({ ...parts, read: readerOf(stream, parts), stallMs: stream.stallMs ?? DEFAULT_STALL_MS, isBlind });
}

function readerOf(stream: WebStream, { exchange, clock }: StreamParts): Reader {
  switch (stream.transport) {
    case "sse":
      return readServerSentEvents(stream, exchange.open, clock);
    case "ndjson":
      return readLines(stream, exchange.open, clock);
    case "websocket":
      return readSocket(stream, exchange.openSocket, clock);
  }
}
