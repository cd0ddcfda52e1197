import type { EventRules } from "./events.ts";
import type { Parameters } from "./request.ts";

/** How a source says what changes over a connection that stays open. Credentials are the source's own. */
export type Stream = WebStream | LogStream;

/** A stream over HTTP or WebSocket. */
export type WebStream = EventStream | LineStream | SocketStream;

interface StreamBasis {
  readonly events: EventRules;
  /** Longest message in bytes; 1 MiB unless stated. */
  readonly maxMessageBytes?: number;
}

interface WebBasis extends StreamBasis {
  /** Path under the source's base URL. */
  readonly path: string;
  readonly query?: Parameters;
  /** A connection over which nothing at all came for so long, in ms, is taken for dead; 60,000 unless stated. */
  readonly stallMs?: number;
  /** The status by which the source says that it has forgotten the position that was asked for; 410 unless stated. */
  readonly forgottenStatus?: number;
}

/** Server-sent events: a message's position is its `id`, sent back as `Last-Event-ID`. @see https://html.spec.whatwg.org/multipage/server-sent-events.html */
export interface EventStream extends WebBasis {
  readonly transport: "sse";
  /** The type of event by which the source says that it has forgotten the position. */
  readonly forgottenEvent?: string;
}

/** One JSON text a line, in an answer that does not end; blank lines are signs of life. @see https://github.com/ndjson/ndjson-spec */
export interface LineStream extends WebBasis {
  readonly transport: "ndjson";
  readonly resume?: Resume;
}

/** One JSON text a message. Ping frames tell a connection that is half open. @see https://www.rfc-editor.org/rfc/rfc6455 */
export interface SocketStream extends WebBasis {
  readonly transport: "websocket";
  readonly resume?: Resume;
  /** The close code by which the source says that it has forgotten the position. */
  readonly forgottenCode?: number;
}

/** How a stream is taken up where it was left. Without it every connection may have missed something. */
export interface Resume {
  /** Path of the position in a message. */
  readonly position: string;
  /** The query parameter or header that asks for what came after it. */
  readonly in: "query" | "header";
  readonly name: string;
}

/**
 * A topic of a Kafka cluster. The consumer group keeps the position: it is moved only when what came before it is durable. The brokers come from
 * `<SOURCE>_KAFKA_BROKERS`, `host:port` with commas between. @see https://kafka.apache.org/documentation/#theconsumer
 */
export interface LogStream extends StreamBasis {
  readonly transport: "kafka";
  readonly topic: string;
  /** The consumer group; those who name the same one share the topic's partitions. */
  readonly group: string;
  /** Whether the brokers are spoken to over TLS; false unless stated. */
  readonly tls?: boolean;
  /** The secrets of a user of the cluster. @see https://www.rfc-editor.org/rfc/rfc5802 */
  readonly login?: {
    readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
    readonly user: string;
    readonly password: string;
  };
  /** A broker that does not answer for so long, in ms, is taken for dead; 60,000 unless stated. */
  readonly stallMs?: number;
}

/** What is wrong with a stream; undefined when nothing is. */
export function streamProblem(stream: Stream): string | undefined {
  if (stream.maxMessageBytes !== undefined && !(stream.maxMessageBytes > 0)) return "maxMessageBytes is greater than zero";
  if (stream.stallMs !== undefined && !(stream.stallMs > 0)) return "stallMs is greater than zero";
  if (stream.transport === "kafka")
    return stream.topic === "" || stream.group === "" ? "a topic and a consumer group are named" : undefined;
  return stream.path.startsWith("/") ? undefined : "a stream's path starts with /";
}

/** The environment variable that names the brokers of a source's Kafka cluster. */
export const kafkaBrokersVariable = (source: string): string => `${source.toUpperCase()}_KAFKA_BROKERS`;
