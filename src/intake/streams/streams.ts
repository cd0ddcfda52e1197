import type { Clock, Logger, Random, Secrets } from "../../core/ports.ts";
import { ConfigError } from "../../core/errors.ts";
import { kafkaBrokersVariable, type LogStream, type Stream } from "../../source/streams.ts";
import type { StreamExchange } from "../../upstream/stream-exchange.ts";
import { consume } from "./consume.ts";
import { type Cluster, readLog } from "./kafka.ts";
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
  /** Where a Kafka cluster is, and by whom its users are known; needed for its streams only. */
  readonly kafka?: { readonly brokers: readonly string[]; readonly secrets: Secrets };
  /** Its end stops the stream. */
  readonly signal: AbortSignal;
  /** What may stand in memory between the connection and the sink; 5,000 messages and 8 Mi characters unless stated. */
  readonly bounds?: QueueBounds;
}

/** Reads a declared stream into a sink until the signal ends. Never throws because of the source or the sink; resolves when all that was read is durable. */
export async function consumeStream(stream: Stream, parts: StreamParts): Promise<void> {
  const isBlind = (stream.transport === "ndjson" || stream.transport === "websocket") && stream.resume === undefined;
  await consume({ ...parts, read: readerOf(stream, parts), stallMs: stream.stallMs ?? DEFAULT_STALL_MS, isBlind });
}

function readerOf(stream: Stream, parts: StreamParts): Reader {
  const { exchange, clock, logger, name } = parts;
  switch (stream.transport) {
    case "sse":
      return readServerSentEvents(stream, exchange.open, clock);
    case "ndjson":
      return readLines(stream, exchange.open, clock);
    case "websocket":
      return readSocket(stream, exchange.openSocket, clock);
    case "kafka":
      return readLog(stream, { cluster: clusterOf(stream, parts), clock, logger, name });
  }
}

function clusterOf({ tls = false, login }: LogStream, { kafka, name }: StreamParts): Cluster {
  if (kafka === undefined || kafka.brokers.length === 0) {
    const [source = ""] = name.split(".", 1);
    throw new ConfigError("CONFIG_INVALID", `${name} needs ${kafkaBrokersVariable(source)}: host:port, with commas between`);
  }
  const { brokers, secrets } = kafka;
  if (login === undefined) return { brokers, tls };
  const { mechanism, user, password } = login;
  const read = (secret: string) => () => secrets.read(secret).reveal();
  return { brokers, tls, login: { mechanism, username: read(user), password: read(password) } };
}
