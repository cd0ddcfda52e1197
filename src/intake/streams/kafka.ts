import { Consumer, type Message, type MessagesStream, type SASLOptions } from "@platformatic/kafka";
import { asError, UpstreamError } from "../../core/errors.ts";
import type { Clock, Logger } from "../../core/ports.ts";
import type { LogStream } from "../../source/streams.ts";
import { commitEarliest, lostOffsets } from "./kafka-offsets.ts";
import { textOf, withOwnPosition } from "./message.ts";
import type { Ended, Flow, Reader, Received } from "./reader.ts";
import { DEFAULT_MAX_MESSAGE_BYTES } from "./sizes.ts";

/** Where a cluster is, and as whom it is spoken to; the login is read anew for each connection. */
export interface Cluster {
  /** `host:port`. */
  readonly brokers: readonly string[];
  readonly tls: boolean;
  readonly login?: SASLOptions;
}

export interface LogParts {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `<source>.<stream>`. */
  readonly name: string;
}

type LogMessages = MessagesStream<Buffer, Buffer, Buffer, Buffer>;
type LogMessage = Message;

/** Of one answer of a broker: so much may stand in memory beside the queue. */
const MAX_FETCH_BYTES = 4 * 1024 * 1024;
/** In ms. After a crash the group waits for the session of whoever is gone to end. */
const times = {
  connectTimeout: 5_000,
  requestTimeout: 15_000,
  sessionTimeout: 10_000,
  rebalanceTimeout: 15_000,
  heartbeatInterval: 1_000,
};
/** How long a broker may take over what is asked of it when the connection ends. */
const PARTING_MS = 5_000;

/**
 * Reads a topic as a member of its consumer group. An offset is committed when what came before it is durable; whoever takes a partition over reads
 * again what was not. Offsets that the brokers do not keep any more leave a gap.
 */
export function readLog(stream: LogStream, parts: LogParts): Reader {
  let recorded: string | undefined;
  return async (_position, flow, signal) => {
    const consumer = consumerOf(stream, parts.cluster);
    const { promise: failed, reject } = Promise.withResolvers<never>();
    consumer.on("error", reject).on("consumer:heartbeat:end", () => flow.heard());
    try {
      const membership = new Membership(consumer, stream, { ...parts, flow, signal });
      const ended = await Promise.race([membership.read(recorded), failed]);
      recorded = ended.gap;
      return ended;
    } catch (thrown) {
      throw signal.aborted ? signal.reason : clusterFailure(thrown);
    } finally {
      await within(PARTING_MS, consumer.close(true), parts);
    }
  };
}

const consumerOf = ({ group }: LogStream, { brokers, login, tls }: Cluster): Consumer =>
  new Consumer({
    ...times,
    clientId: "tributary",
    groupId: group,
    bootstrapBrokers: [...brokers],
    autocommit: false,
    maxBytes: MAX_FETCH_BYTES,
    maxBytesPerPartition: MAX_FETCH_BYTES,
    maxWaitTime: 1_000,
    highWaterMark: 1,
    retries: 1,
    retryDelay: 250,
    ...(tls && { tls: {} }),
    ...(login && { sasl: login }),
  });

const clusterFailure = (thrown: unknown): UpstreamError =>
  new UpstreamError("UPSTREAM_CONNECTION", `the cluster cannot be read: ${asError(thrown).message}`, { cause: thrown });

/** Waits for what should not fail, but for no longer than this, and for no better reason than order. */
async function within(ms: number, work: Promise<unknown>, { clock, logger, name }: LogParts): Promise<void> {
  const over = new AbortController();
  const problem = await Promise.race([
    work.then(() => null, asError),
    clock.sleep(ms, over.signal).then(() => new Error("no answer")),
  ]);
  over.abort();
  if (problem !== null) logger.debug({ stream: name, problem: problem.message }, "the cluster was left without its answer");
}

interface MembershipParts extends LogParts {
  readonly flow: Flow;
  readonly signal: AbortSignal;
}

/** One member of the group, from joining to leaving it. */
class Membership {
  readonly #consumer: Consumer;
  readonly #stream: LogStream;
  readonly #parts: MembershipParts;
  readonly #commits = new Set<Promise<void>>();

  constructor(consumer: Consumer, stream: LogStream, parts: MembershipParts) {
    this.#consumer = consumer;
    this.#stream = stream;
    this.#parts = parts;
  }

  /** @param recorded the gap that has been recorded: what it stands for is passed over */
  async read(recorded: string | undefined): Promise<Ended> {
    const { flow, signal } = this.#parts;
    const { topic } = this.#stream;
    const messages = await this.#consumer.consume({ topics: [topic], mode: "committed", fallbackMode: "earliest" });
    flow.heard();
    const lost = await lostOffsets(this.#consumer, topic);
    if (lost !== undefined && lost.reason === recorded) {
      await commitEarliest(this.#consumer, topic, lost);
      return {};
    }
    if (lost !== undefined) return { gap: lost.reason };
    const stop = () => void messages.destroy();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      await this.#pump(messages);
    } finally {
      signal.removeEventListener("abort", stop);
    }
    return {};
  }

  async #pump(messages: LogMessages): Promise<void> {
    const { flow, signal } = this.#parts;
    messages.on("fetch", () => flow.heard());
    messages.on("offsets", () => void this.#checkOffsets(messages));
    try {
      for await (const message of messages) await flow.put(this.#receivedOf(message));
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
      // What was read is made durable and committed before others take the partitions over.
      await flow.drained();
      await within(PARTING_MS, Promise.all(this.#commits), this.#parts);
    }
  }

  /** The client goes on behind offsets that are gone without a word: then the connection ends, and the next one finds the gap. */
  async #checkOffsets(messages: LogMessages): Promise<void> {
    try {
      const lost = await lostOffsets(this.#consumer, this.#stream.topic);
      if (lost !== undefined) messages.destroy(new Error(lost.reason));
    } catch (thrown) {
      messages.destroy(asError(thrown));
    }
  }

  #receivedOf(message: LogMessage): Received {
    const { topic, partition, offset } = message;
    const { text, problem } = this.#textOf(message.value);
    const headers = message.headerEntries.map(([name, value]) => [name.toString(), value?.toString() ?? ""] as const);
    const id = `${topic}/${partition}/${offset}`;
    const read = {
      text,
      id,
      ...(headers.length > 0 && { headers: Object.fromEntries(headers) }),
      receivedAtMs: this.#parts.clock.nowMs(),
      ...(problem !== undefined && { problem }),
    };
    const acknowledge = { lane: partition, send: () => this.#commit(message) };
    // The group knows where it is; this one says since when something may be missing.
    return { message: withOwnPosition(read, undefined).message, position: id, acknowledge };
  }

  #textOf(value: Buffer | null | undefined) {
    if (value === null || value === undefined) return { text: "", problem: "it has no value" };
    const { maxMessageBytes: max = DEFAULT_MAX_MESSAGE_BYTES } = this.#stream;
    if (value.length <= max) return textOf(value);
    return { text: textOf(value.subarray(0, max)).text, problem: `it is longer than ${max} bytes` };
  }

  #commit(message: LogMessage): void {
    const { logger, name } = this.#parts;
    const committed = Promise.resolve(message.commit())
      // Then the messages come again, which does no harm.
      .catch((thrown: unknown) => logger.debug({ stream: name, problem: asError(thrown).message }, "an offset was not committed"))
      .finally(() => this.#commits.delete(committed));
    this.#commits.add(committed);
  }
}
