/** A producer some 20 times as fast as the sink: what stands in memory, and whether anything is lost. See README.md. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Admin, Producer } from "@platformatic/kafka";
import { systemClock } from "../../../src/core/ports.ts";
import { Secret } from "../../../src/core/secret.ts";
import type { Sink } from "../../../src/intake/streams/sink.ts";
import { consumeStream } from "../../../src/intake/streams/streams.ts";
import { noAuth } from "../../../src/source/auth.ts";
import type { Stream } from "../../../src/source/streams.ts";
import { createStreamExchange } from "../../../src/upstream/stream-exchange.ts";
import { startKafka } from "../../support/kafka/broker.ts";
import { anyEvents } from "../../support/stream-reading.ts";
import { silent } from "../../support/world.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "60" }, factor: { type: "string", default: "20" } },
});
const [seconds, factor] = [Number(values.seconds), Number(values.factor)];
const PROBE_S = 3;
const MIB = 1024 ** 2;
const { gc } = globalThis;
if (gc === undefined) throw new Error("run it with --expose-gc");

const resume = { position: "seq", in: "query", name: "after" } as const;
const streams: readonly Stream[] = [
  { transport: "sse", path: "/events", events: anyEvents },
  { transport: "ndjson", path: "/events", events: anyEvents, resume },
  { transport: "websocket", path: "/events", events: anyEvents, resume },
  { transport: "kafka", topic: "bench", group: "bench", events: anyEvents },
];

/** Keeps nothing; sees that numbers follow one another. */
class CountingSink implements Sink {
  count = 0;
  missing = 0;
  #last: number | undefined;
  readonly #perSecond: number;
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }
  async position(): Promise<string | null> {
    return this.#last === undefined ? null : String(this.#last);
  }
  async accept(messages: Parameters<Sink["accept"]>[0]): Promise<void> {
    if (Number.isFinite(this.#perSecond)) await wait((messages.length / this.#perSecond) * 1_000);
    for (const { text } of messages) {
      const { seq } = JSON.parse(text) as { seq: number };
      if (this.#last !== undefined && seq !== this.#last + 1) this.missing++;
      this.#last = seq;
    }
    this.count += messages.length;
  }
  async gap(): Promise<void> {
    this.missing++;
  }
}

interface Place {
  readonly baseUrl: string;
  readonly broker: string;
}

function start(stream: Stream, { baseUrl, broker }: Place, sink: Sink) {
  const secrets = { read: () => new Secret("none") };
  const client = { baseUrl, auth: noAuth(), limits: [] };
  const source = { kind: "source", name: "bench", title: "Bench", version: "1", collections: {}, client } as const;
  const exchange = createStreamExchange(source, { baseUrl, secrets, clock: systemClock, logger: silent });
  const stop = new AbortController();
  const named = stream.transport === "kafka" ? { ...stream, group: `bench-${Math.random()}` } : stream;
  const parts = {
    name: "bench.stream",
    exchange,
    sink,
    clock: systemClock,
    random: Math.random,
    logger: silent,
    signal: stop.signal,
  };
  const running = consumeStream(named, { ...parts, kafka: { brokers: [broker], secrets } });
  return async () => {
    stop.abort();
    await running;
    await exchange.close();
  };
}

const inUse = () => {
  gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: (heapUsed + external) / MIB, rss: rss / MIB };
};

async function measure(stream: Stream, place: Place) {
  const probe = new CountingSink(Infinity);
  const stopProbe = start(stream, place, probe);
  await wait(PROBE_S * 1_000);
  const fullRate = probe.count / PROBE_S;
  await stopProbe();
  const sink = new CountingSink(fullRate / factor);
  const before = inUse();
  const stop = start(stream, place, sink);
  const seen: ReturnType<typeof inUse>[] = [];
  for (let second = 0; second < seconds; second++) {
    await wait(1_000);
    seen.push(inUse());
  }
  const { count } = sink;
  await stop();
  const [early, late] = [seen.slice(5, 15), seen.slice(-10)].map(part => Math.max(...part.map(({ heap }) => heap)));
  const most = { heap: Math.max(...seen.map(({ heap }) => heap)), rss: Math.max(...seen.map(({ rss }) => rss)) };
  const cells = [
    fullRate,
    count / seconds,
    before.heap,
    early ?? 0,
    late ?? 0,
    most.heap,
    most.rss,
    sink.missing + probe.missing,
  ];
  console.log(`| ${[stream.transport, ...cells.map(cell => Math.round(cell).toLocaleString("en"))].join(" | ")} |`);
}

/** Enough that the topic does not end while it is read slowly. */
async function fill(broker: string, topic: string, count: number): Promise<void> {
  const client = { clientId: "bench", bootstrapBrokers: [broker] };
  const admin = new Admin(client);
  await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
  await admin.close();
  const producer = new Producer(client);
  for (let from = 1; from <= count; from += 2_000) {
    const messages = Array.from({ length: 2_000 }, (_, index) => {
      const seq = from + index;
      return { topic, partition: 0, value: Buffer.from(JSON.stringify({ seq, id: `e${seq}`, PADDING: "x".repeat(240) })) };
    });
    await producer.send({ messages, acks: 1 });
  }
  await producer.close();
}

const kafka = await startKafka();
const producer = fork(join(import.meta.dirname, "producer.ts"));
const [port] = (await once(producer, "message")) as [number];
await fill(kafka.broker, "bench", 600_000);
const place = { baseUrl: `http://127.0.0.1:${port}`, broker: kafka.broker };
console.log(
  "| transport | messages/s, as fast as it goes | messages/s, slow sink | MiB before | MiB, 5th to 15th second | MiB, last 10 s | most MiB | most MiB resident | missing or out of order |",
);
console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
for (const stream of streams) await measure(stream, place);
producer.disconnect();
await kafka.stop();
