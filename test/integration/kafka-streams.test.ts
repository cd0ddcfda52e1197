import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { Admin, Producer } from "@platformatic/kafka";
import { systemClock } from "../../src/core/ports.ts";
import { Secret } from "../../src/core/secret.ts";
import { consumeStream, type StreamParts } from "../../src/intake/streams/streams.ts";
import type { LogStream } from "../../src/source/streams.ts";
import { kafkaUser, startKafka } from "../support/kafka/broker.ts";
import { anyEvents } from "../support/stream-reading.ts";
import { MemorySink } from "../support/stream-sink.ts";
import { silent } from "../support/world.ts";

let kafka: Awaited<ReturnType<typeof startKafka>>;
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka?.stop());

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

const client = () => ({ clientId: "test", bootstrapBrokers: [kafka.broker], retries: 10, retryDelay: 300 });

let topics = 0;
async function createTopic(partitions: number): Promise<LogStream> {
  const topic = `changes-${topics++}`;
  const admin = new Admin(client());
  await admin.createTopics({ topics: [topic], partitions, replicas: 1 });
  await admin.close();
  return { transport: "kafka", topic, group: `tributary-${topic}`, events: anyEvents };
}

const textOf = (seq: number): string => JSON.stringify({ seq, id: `e${seq}` });

async function produce({ topic }: LogStream, from: number, to: number, partitions = 1): Promise<void> {
  const producer = new Producer(client());
  const messages = Array.from({ length: to - from + 1 }, (_, index) => ({
    topic,
    partition: (from + index) % partitions,
    value: Buffer.from(textOf(from + index)),
    headers: new Map([[Buffer.from("origin"), Buffer.from("test")]]),
  }));
  await producer.send({ messages, acks: -1 });
  await producer.close();
}

function start(stream: LogStream, sink: MemorySink, options: Partial<StreamParts> = {}) {
  const stop = new AbortController();
  const never = () => Promise.reject(new Error("no HTTP here"));
  const running = consumeStream(stream, {
    name: "x.changes",
    exchange: { open: never, openSocket: never, close: async () => undefined },
    kafka: { brokers: [kafka.broker], secrets: { read: () => new Secret("none") } },
    sink,
    clock: systemClock,
    random: () => 0.5,
    logger: silent,
    signal: stop.signal,
    ...options,
  });
  const end = async () => {
    stop.abort();
    await running;
  };
  stops.push(end);
  return end;
}

const seqs = (sink: MemorySink): number[] => sink.texts.map(text => (JSON.parse(text) as { seq: number }).seq);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
const inOrder = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b);

describe("a topic of Kafka", () => {
  it("is read with its headers, and taken up where the group left it: nothing durable comes again after a clean stop", async () => {
    const stream = await createTopic(1);
    await produce(stream, 1, 100);
    const first = new MemorySink();
    const stop = start(stream, first);
    await first.until(({ messages }) => messages.length === 100);
    await stop();
    await produce(stream, 101, 150);
    const second = new MemorySink();
    start(stream, second);
    await second.until(({ messages }) => messages.length >= 50);
    expect(seqs(first)).toEqual(upTo(100));
    expect(first.at).toBe(`${stream.topic}/0/99`);
    expect(second.messages[0]).toMatchObject({ text: textOf(101), id: `${stream.topic}/0/100`, headers: { origin: "test" } });
    expect(seqs(second)).toEqual(upTo(150).slice(100));
  });

  it("commits nothing that is not durable: what the store did not take comes again", async () => {
    const stream = await createTopic(1);
    await produce(stream, 1, 20);
    const failing = new MemorySink();
    failing.failures = Infinity;
    const stop = start(stream, failing);
    const refused = Promise.withResolvers<void>();
    const accept = failing.accept.bind(failing);
    failing.accept = async (messages, position) => {
      refused.resolve();
      await accept(messages, position);
    };
    await refused.promise;
    await stop();
    const sink = new MemorySink();
    start(stream, sink);
    await sink.until(({ messages }) => messages.length >= 20);
    expect(seqs(sink)).toEqual(upTo(20));
  });

  it("hands a record on with a mark that cannot be read, and one without a value, and goes on", async () => {
    const stream = await createTopic(1);
    const producer = new Producer(client());
    const values = [Buffer.from("{poison"), Buffer.from([0xff]), undefined, Buffer.from(textOf(1))];
    const messages = values.map(value => ({ topic: stream.topic, partition: 0, key: Buffer.from("k"), ...(value && { value }) }));
    await producer.send({ messages, acks: -1 });
    await producer.close();
    const sink = new MemorySink();
    start(stream, sink);
    await sink.until(({ messages: { length } }) => length === 4);
    expect(sink.messages.map(({ problem }) => problem !== undefined)).toEqual([true, true, true, false]);
  });

  it("is shared with a second member that comes and goes: every message is durable somewhere", async () => {
    const stream = await createTopic(4);
    const [one, other] = [new MemorySink(), new MemorySink()];
    start(stream, one);
    await produce(stream, 1, 200, 4);
    await one.until(({ messages }) => messages.length >= 200);
    const leave = start(stream, other);
    for (let from = 201; other.messages.length === 0; from += 100) await produce(stream, from, from + 99, 4);
    await leave();
    const before = Math.max(...seqs(one), ...seqs(other));
    const last = before + 400 - (before % 100);
    await produce(stream, before + 1, last, 4);
    const both = () => inOrder([...new Set([...seqs(one), ...seqs(other)])]);
    await one.until(() => both().length >= last);
    expect(both()).toEqual(upTo(last));
  });

  it("goes on when its broker was killed and has come back", async () => {
    const stream = await createTopic(2);
    const sink = new MemorySink();
    start(stream, sink);
    await produce(stream, 1, 100, 2);
    await sink.until(({ messages }) => messages.length >= 100);
    await kafka.kill();
    await kafka.start();
    await produce(stream, 101, 200, 2);
    await sink.until(each => seqs(each).length >= 200);
    expect(inOrder(seqs(sink))).toEqual(upTo(200));
  });

  it("whose brokers have dropped what was not read yet records a gap, and goes on behind it", async () => {
    const stream = await createTopic(1);
    await produce(stream, 1, 50);
    const before = new MemorySink();
    const stop = start(stream, before);
    await before.until(({ messages }) => messages.length >= 50);
    await stop();
    await produce(stream, 51, 100);
    const admin = new Admin(client());
    await admin.deleteRecords({ topics: [{ name: stream.topic, partitions: [{ partition: 0, offset: 80n }] }] });
    await admin.close();
    const sink = new MemorySink();
    sink.at = before.at;
    start(stream, sink);
    await sink.until(({ messages }) => messages.length >= 20);
    expect(sink.gaps.map(({ reason }) => reason)).toEqual([
      `the brokers do not keep the offsets of ${stream.topic} any more: partition 0 from 50 to 80`,
    ]);
    expect(seqs(sink)).toEqual(upTo(100).slice(80));
  });

  it("is read with a login, read anew for each connection; without the right one nothing is, and no password is logged", async () => {
    const stream = {
      ...(await createTopic(1)),
      login: { mechanism: "PLAIN", user: "KAFKA_USER", password: "KAFKA_PASSWORD" },
    } as const;
    await produce(stream, 1, 5);
    const known: Record<string, string> = { KAFKA_USER: kafkaUser.name, KAFKA_PASSWORD: "a-wrong-password" };
    const lines: string[] = [];
    const isRefused = Promise.withResolvers<void>();
    const log = (fields: object, message: string) => {
      lines.push(JSON.stringify([fields, message]));
      isRefused.resolve();
    };
    const sink = new MemorySink();
    start(stream, sink, {
      kafka: { brokers: [kafka.loginBroker], secrets: { read: name => new Secret(known[name] ?? "") } },
      logger: { debug: log, info: log, warn: log, error: log },
    });
    await isRefused.promise;
    expect(sink.messages).toEqual([]);
    known["KAFKA_PASSWORD"] = kafkaUser.password;
    await sink.until(({ messages }) => messages.length >= 5);
    expect(lines.join()).not.toMatch(/a-wrong-password|kafka-tests-only/);
  });

  it("much faster than its sink waits for it: little stands in memory, nothing is lost", async () => {
    const stream = await createTopic(1);
    await produce(stream, 1, 5_000);
    const sink = new MemorySink();
    sink.writeMs = 10;
    start(stream, sink, { bounds: { maxMessages: 100, maxLength: 100_000 } });
    await sink.until(({ messages }) => messages.length >= 5_000);
    expect(seqs(sink)).toEqual(upTo(5_000));
  });
});
