import { describe, expect, it } from "@jest/globals";
import { UpstreamError } from "../../../../src/core/errors.ts";
import { systemClock } from "../../../../src/core/ports.ts";
import { consume } from "../../../../src/intake/streams/consume.ts";
import type { Flow, Reader } from "../../../../src/intake/streams/reader.ts";
import { hastyClock, readUntil } from "../../../support/stream-reading.ts";
import { MemorySink } from "../../../support/stream-sink.ts";
import { silent } from "../../../support/world.ts";

const received = (seq: number) => ({ message: { text: String(seq), receivedAtMs: 0 }, position: String(seq) });
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    const fail = () => reject(signal.reason as Error);
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });

const started = (read: Reader, sink: MemorySink, waits: number[] = []) => {
  const stop = new AbortController();
  const options = { name: "x.stream", stallMs: 60_000, random: () => 0.5, logger: silent, signal: stop.signal };
  return { stop, running: consume({ ...options, read, sink, clock: hastyClock(waits) }) };
};

describe("a stream that cannot be opened", () => {
  it("is tried again after ever longer, jittered pauses up to a bound, and after short ones again once something came", async () => {
    const waits: number[] = [];
    let connections = 0;
    const read: Reader = async (_position, flow, signal) => {
      if (++connections === 12) await flow.put(received(1));
      if (connections < 14) throw new Error("no");
      await flow.put(received(2));
      return untilAborted(signal);
    };
    await readUntil(read, ({ at }) => at === "2", { clock: hastyClock(waits), random: () => 0.5 });
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000, 250, 500]);
  });

  it("is left alone for as long as the source asks, with a jitter above it", async () => {
    const waits: number[] = [];
    let connections = 0;
    const read: Reader = async (_position, flow, signal) => {
      if (connections++ === 0) throw new UpstreamError("UPSTREAM_THROTTLED", "x", { details: { retryAfterMs: 20_000 } });
      await flow.put(received(1));
      return untilAborted(signal);
    };
    await readUntil(read, ({ at }) => at === "1", { clock: hastyClock(waits), random: () => 0.5 });
    expect(waits).toEqual([20_250]);
  });

  it("can be stopped while it waits", async () => {
    const stop = new AbortController();
    const read: Reader = async () => {
      throw new UpstreamError("UPSTREAM_THROTTLED", "x", { details: { retryAfterMs: 600_000 } });
    };
    const options = { name: "x", stallMs: 60_000, random: () => 0, logger: silent, clock: systemClock };
    const running = consume({ ...options, read, sink: new MemorySink(), signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    await running;
  });
});

describe("a sink", () => {
  it("that is away while the connection breaks gets everything, before the stream is taken up behind it", async () => {
    const sink = new MemorySink();
    sink.failures = 3;
    const positions: (string | null)[] = [];
    const read: Reader = async (position, flow, signal) => {
      positions.push(position);
      await flow.put(received(Number(position) + 1));
      if (positions.length < 3) throw new Error("cut");
      return untilAborted(signal);
    };
    await readUntil(read, ({ at }) => at === "3", { sink });
    expect(positions).toEqual([null, "1", "2"]);
    expect(sink.messages.map(({ text }) => text)).toEqual(["1", "2", "3"]);
  });

  it("that never comes back does not keep the stream from being stopped, and nothing is acknowledged", async () => {
    const sink = new MemorySink();
    sink.failures = Infinity;
    let acknowledged = 0;
    const isRead = Promise.withResolvers<void>();
    const read: Reader = async (_position, flow, signal) => {
      await flow.put({ ...received(1), acknowledge: { lane: 0, send: () => void acknowledged++ } });
      isRead.resolve();
      return untilAborted(signal);
    };
    const { stop, running } = started(read, sink);
    await isRead.promise;
    stop.abort();
    await running;
    expect([acknowledged, sink.at]).toEqual([0, null]);
  });

  it("is acknowledged to the source lane by lane, after it has what it was given", async () => {
    const sink = new MemorySink();
    const seen: string[] = [];
    const read: Reader = async (_position, flow, signal) => {
      const put = (lane: number, seq: number) =>
        flow.put({
          ...received(seq),
          acknowledge: { lane, send: () => void seen.push(`${lane}:${seq} of ${sink.messages.length}`) },
        });
      await Promise.all([put(0, 1), put(1, 2), put(0, 3)]);
      await flow.drained();
      seen.push("drained");
      return untilAborted(signal);
    };
    const { stop, running } = started(read, sink);
    await sink.until(({ messages }) => messages.length === 3);
    await new Promise(resolve => setImmediate(resolve));
    stop.abort();
    await running;
    expect(seen).toEqual(["0:3 of 3", "1:2 of 3", "drained"]);
  });

  it("holds a reader up as soon as as much waits as may, by number or by length, and no longer", async () => {
    const room = Promise.withResolvers<void>();
    const held = () => {
      const sink = new MemorySink();
      const accept = sink.accept.bind(sink);
      sink.accept = async (messages, position) => {
        await room.promise;
        await accept(messages, position);
      };
      return sink;
    };
    const taken = { byNumber: 0, byLength: 0 };
    const reading =
      (name: keyof typeof taken, text: string): Reader =>
      async (_position, flow: Flow, signal) => {
        for (let seq = 1; seq <= 50 && !signal.aborted; seq++) {
          taken[name] = seq;
          await flow.put({ message: { text, receivedAtMs: 0 }, position: String(seq) });
        }
        return untilAborted(signal);
      };
    const bounds = { maxMessages: 10, maxLength: 1_000 };
    const done = [
      readUntil(reading("byNumber", "x"), ({ at }) => at === "50", { sink: held(), bounds }),
      readUntil(reading("byLength", "x".repeat(400)), ({ at }) => at === "50", { sink: held(), bounds }),
    ];
    await new Promise(resolve => setTimeout(resolve, 50));
    expect(taken).toEqual({ byNumber: 10, byLength: 3 });
    room.resolve();
    const sinks = await Promise.all(done);
    expect(sinks.map(({ messages }) => messages.length)).toEqual([50, 50]);
  });
});

describe("a stream that cannot be taken up", () => {
  const unplaced = (): Reader => {
    let connections = 0;
    return async (_position, flow, signal) => {
      await flow.put({ ...received(++connections), position: null });
      if (connections < 3) return {};
      return untilAborted(signal);
    };
  };

  it("leaves a gap at each connection", async () => {
    const sink = await readUntil(unplaced(), ({ messages }) => messages.length === 3, { isBlind: true });
    // The time of the last message before it, where there was one.
    expect(sink.gaps.map(({ from }) => from)).toEqual([null, "0", "0"]);
  });

  it("as none of its messages says where it is, leaves a gap after each connection", async () => {
    const sink = await readUntil(unplaced(), ({ messages }) => messages.length === 3);
    expect(sink.gaps).toHaveLength(2);
  });
});
