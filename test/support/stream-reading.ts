import { type Clock, systemClock } from "../../src/core/ports.ts";
import { consume, type ConsumeOptions } from "../../src/intake/streams/consume.ts";
import type { Reader } from "../../src/intake/streams/reader.ts";
import type { EventRules } from "../../src/source/events.ts";
import type { OpenStream } from "../../src/upstream/stream-exchange.ts";
import { MemorySink } from "./stream-sink.ts";
import { silent } from "./world.ts";

/** Rules that no reader looks at. */
export const anyEvents: EventRules = {
  type: "type",
  identity: ["id"],
  kinds: [{ types: ["*"], collection: "things", key: "id" }],
};

const NEVER_MS = 3_600_000;

/** A clock by which the waits between connections take no time; `waits` holds them. */
export function hastyClock(waits: number[] = []): Clock {
  const sleep = async (ms: number, signal?: AbortSignal) => {
    if (ms > NEVER_MS / 2) return systemClock.sleep(ms, signal);
    waits.push(ms);
    await new Promise(resolve => setImmediate(resolve));
  };
  return { ...systemClock, sleep };
}

/** Reads without a wait between connections until the sink has what the test wants, then stops cleanly. */
export async function readUntil(
  read: Reader,
  isMet: (sink: MemorySink) => boolean,
  options: Partial<ConsumeOptions> & { readonly sink?: MemorySink } = {},
): Promise<MemorySink> {
  const stop = new AbortController();
  const { sink = new MemorySink() } = options;
  const running = consume({
    name: "x.stream",
    read,
    stallMs: NEVER_MS,
    clock: hastyClock(),
    random: () => 0,
    logger: silent,
    signal: stop.signal,
    ...options,
    sink,
  });
  await sink.until(isMet);
  stop.abort();
  await running;
  return sink;
}

/** What one connection gives: the answer's bytes in pieces, and whether it then breaks. */
export interface Played {
  readonly pieces: readonly Uint8Array[];
  readonly isCut: boolean;
}

/** A source in memory: what it answers depends on the headers and query that it is asked with; null is the status that says forgotten. */
export const playing =
  (answer: (asked: Readonly<Record<string, unknown>>) => Played | null): OpenStream =>
  async (request, headers, { signal }) => {
    const played = answer({ ...headers, ...request.query });
    return played === null ? undefined : { body: bodyOf(played, signal), endsWell: true, mediaType: headers["accept"] ?? "" };
  };

async function* bodyOf({ pieces, isCut }: Played, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* pieces;
  if (isCut) throw new Error("the connection broke");
  await new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    if (signal.aborted) reject(signal.reason as Error);
  });
}

/** Bytes in pieces of the given lengths, again and again. */
export function inPieces(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let from = 0; from < bytes.length;) {
    const to = from + (lengths[pieces.length % lengths.length] ?? bytes.length);
    pieces.push(bytes.subarray(from, to));
    from = to;
  }
  return pieces;
}
