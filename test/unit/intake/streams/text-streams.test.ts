import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { systemClock } from "../../../../src/core/ports.ts";
import { readLines } from "../../../../src/intake/streams/ndjson.ts";
import type { Reader } from "../../../../src/intake/streams/reader.ts";
import { readServerSentEvents } from "../../../../src/intake/streams/sse.ts";
import type { EventStream, LineStream } from "../../../../src/source/streams.ts";
import type { OpenStream } from "../../../../src/upstream/stream-exchange.ts";
import { anyEvents, hastyClock, inPieces, playing, readUntil } from "../../../support/stream-reading.ts";
import { MemorySink } from "../../../support/stream-sink.ts";

const sse: EventStream = { transport: "sse", path: "/events", events: anyEvents, maxMessageBytes: 200, forgottenEvent: "reset" };
const ndjson: LineStream = {
  transport: "ndjson",
  path: "/events",
  events: anyEvents,
  maxMessageBytes: 200,
  resume: { position: "seq", in: "query", name: "after" },
};

const texts = Array.from({ length: 8 }, (_, index) => JSON.stringify({ seq: index + 1, id: `e${index + 1}`, name: "Zoë 🦦 ☃" }));

const endings = ["\n", "\r\n", "\r"] as const;
/** Written with what the format allows: comments, names of events, data over several lines, all ends of lines. */
const asEvent = (text: string, index: number): string => {
  const [head = "", tail = ""] = text.split(/(?<=,)/, 2);
  const rest = text.slice(head.length + tail.length);
  const lines = [`: still here`, `event: change`, `id: ${index + 1}`, `data: ${head}`, `data:${tail}${rest}`, "", ""];
  return lines.join(endings[index % 3]);
};
const asLine = (text: string, index: number): string => `${text}${index % 2 === 0 ? "\n" : "\r\n\n"}`;
/** How an event's text comes out: the lines of its data are joined by newlines, which JSON does not mind. */
const joined = (text: string): unknown => JSON.parse(text);

interface Format {
  readonly name: string;
  readonly reader: (open: OpenStream) => Reader;
  readonly write: (text: string, index: number) => string;
  readonly asked: string;
}
const formats: readonly Format[] = [
  {
    name: "server-sent events",
    reader: open => readServerSentEvents(sse, open, systemClock),
    write: asEvent,
    asked: "last-event-id",
  },
  { name: "JSON lines", reader: open => readLines(ndjson, open, systemClock), write: asLine, asked: "after" },
];

describe.each(formats)("a stream of $name", ({ reader, write, asked }) => {
  const recordedAfter = (position: unknown) => {
    const from = position === undefined ? 0 : Number(position);
    return Buffer.from(texts.map(write).slice(from).join(""));
  };

  it("cut at any byte, however it arrives, gives every message in order, and none that nobody sent", async () => {
    const length = recordedAfter(undefined).length;
    for (let cut = 0; cut <= length; cut++) {
      const sizes = fc.sample(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }), {
        seed: cut,
        numRuns: 1,
      })[0];
      let connections = 0;
      const open = playing(given => {
        const bytes = recordedAfter(given[asked]);
        const isCut = connections++ === 0;
        return { pieces: inPieces(isCut ? bytes.subarray(0, cut) : bytes, sizes ?? [7]), isCut };
      });
      const sink = await readUntil(reader(open), ({ messages }) => messages.some(({ text }) => text.includes('"e8"')));
      expect(sink.texts.map(joined)).toEqual(texts.map(joined));
      expect(sink.at).toBe("8");
    }
  });

  it("cut at many bytes, one after another, loses nothing", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 12 }), async cuts => {
        let connection = 0;
        const open = playing(given => {
          const cut = cuts[connection++];
          const bytes = recordedAfter(given[asked]);
          return cut === undefined
            ? { pieces: [bytes], isCut: false }
            : { pieces: inPieces(bytes.subarray(0, cut), [3, 50]), isCut: true };
        });
        const sink = await readUntil(reader(open), ({ at }) => at === "8");
        expect(sink.texts.map(joined)).toEqual(texts.map(joined));
      }),
      { numRuns: 60 },
    );
  });

  it("whose source has forgotten the position records a gap, and goes on from wherever the source goes on", async () => {
    const sink = new MemorySink();
    sink.at = "3";
    const positions: unknown[] = [];
    const open = playing(given => {
      positions.push(given[asked]);
      return given[asked] === undefined ? { pieces: [recordedAfter(6)], isCut: false } : null;
    });
    await readUntil(reader(open), ({ at }) => at === "8", { sink });
    expect(sink.gaps).toEqual([{ from: "3", reason: "the source has forgotten the position" }]);
    expect(positions).toEqual(["3", undefined]);
    expect(sink.texts.map(joined)).toEqual(texts.slice(6).map(joined));
  });

  it("hands a record that is no JSON on as it is, with a mark, and goes on", async () => {
    const all = [texts[0], "{poison", texts[2]].map((text, index) => write(text ?? "", index)).join("");
    const open = playing(() => ({ pieces: [Buffer.from(all)], isCut: false }));
    const { messages } = await readUntil(reader(open), ({ messages: { length } }) => length === 3);
    expect(messages.map(({ problem }) => problem !== undefined)).toEqual([false, true, false]);
    expect(messages[1]?.text.trim()).toBe("{poison");
  });

  it("is not made of a page that somebody else answers with", async () => {
    const page: OpenStream = async () => ({
      endsWell: true,
      mediaType: "text/html",
      body: (async function* () {
        yield Buffer.from("<p>Please log in</p>\n\n");
      })(),
    });
    const flow = { heard: () => undefined, reconnectAfter: () => undefined, drained: async () => undefined };
    const put = async () => expect("nothing").toBe("taken");
    await expect(reader(page)(null, { ...flow, put }, new AbortController().signal)).rejects.toMatchObject({
      code: "UPSTREAM_MALFORMED",
    });
  });

  it("whose sink fails hands the same messages over again, in order, and reads no further ahead than it may", async () => {
    const sink = new MemorySink();
    sink.failures = 2;
    const open = playing(() => ({ pieces: [recordedAfter(undefined)], isCut: false }));
    await readUntil(reader(open), ({ at }) => at === "8", { sink });
    expect(sink.messages.map(({ text }) => joined(text))).toEqual(texts.map(joined));
  });
});

describe("server-sent events", () => {
  const read = (...pieces: string[]) =>
    readServerSentEvents(
      sse,
      playing(() => ({ pieces: pieces.map(piece => Buffer.from(piece)), isCut: false })),
      systemClock,
    );

  it("keep an id until the next one, and take an empty one for none", async () => {
    const { messages } = await readUntil(
      read("id: a\ndata: 1\n\ndata: 2\n\nid\ndata: 3\n\n"),
      ({ messages: { length } }) => length === 3,
    );
    expect(messages.map(({ id }) => id)).toEqual(["a", "a", undefined]);
  });

  it("say how long to wait before the next connection", async () => {
    const waits: number[] = [];
    let connections = 0;
    const open = playing(() => {
      const text = connections++ === 0 ? "retry: 4321\n\n" : "data: 1\n\n";
      return { pieces: [Buffer.from(text)], isCut: true };
    });
    await readUntil(readServerSentEvents(sse, open, systemClock), ({ messages }) => messages.length > 0, {
      clock: hastyClock(waits),
    });
    expect(waits).toContain(4321);
  });

  it("that begin anew by an event of the agreed type leave a gap", async () => {
    const sink = new MemorySink();
    sink.at = "a";
    const open = playing(asked =>
      asked["last-event-id"] === "a"
        ? { pieces: [Buffer.from("event: reset\ndata: {}\n\n")], isCut: false }
        : { pieces: [Buffer.from("id: b\ndata: 1\n\n")], isCut: false },
    );
    await readUntil(readServerSentEvents(sse, open, systemClock), ({ at }) => at === "b", { sink });
    expect(sink.gaps.map(({ from }) => from)).toEqual(["a"]);
    expect(sink.texts).toEqual(["1"]);
  });

  it("longer than they may be leave a gap: nothing is kept of them", async () => {
    let connections = 0;
    const open = playing(() => {
      const text = connections++ === 0 ? `data: ${"x".repeat(300)}` : "data: 1\n\n";
      return { pieces: inPieces(Buffer.from(text), [50]), isCut: false };
    });
    const sink = await readUntil(readServerSentEvents(sse, open, systemClock), ({ messages }) => messages.length > 0);
    expect(sink.gaps).toEqual([{ from: null, reason: "an event is longer than 200 characters" }]);
  });
});

describe("JSON lines", () => {
  it("longer than they may be are handed on cut short, with a mark, and do not stop the next one", async () => {
    const bytes = Buffer.from(`"${"x".repeat(1_000)}"\n${texts[0]}\n`);
    const open = playing(() => ({ pieces: inPieces(bytes, [64]), isCut: false }));
    const { messages } = await readUntil(readLines(ndjson, open, systemClock), ({ at }) => at === "1");
    expect(messages.map(({ text }) => text.length)).toEqual([200, texts[0]?.length]);
    expect(messages[0]?.problem).toContain("longer than 200 bytes");
  });

  it("that are no UTF-8 are handed on with a mark", async () => {
    const bytes = Buffer.concat([Buffer.from('{"seq":1,"name":"'), Buffer.from([0xff]), Buffer.from(`"}\n${texts[1]}\n`)]);
    const open = playing(() => ({ pieces: [bytes], isCut: false }));
    const { messages } = await readUntil(readLines(ndjson, open, systemClock), ({ at }) => at === "2");
    expect(messages.map(({ problem }) => problem)).toEqual(["it is not UTF-8", undefined]);
  });

  it("count without a last newline only when the answer ended as it said it would", async () => {
    const ending =
      (endsWell: boolean): OpenStream =>
      async () => ({
        endsWell,
        mediaType: "application/x-ndjson",
        body: (async function* () {
          yield Buffer.from(`${texts[0]}\n${texts[1]}`);
        })(),
      });
    const once = async (endsWell: boolean) => {
      const taken: string[] = [];
      const flow = { heard: () => undefined, reconnectAfter: () => undefined, drained: async () => undefined };
      const put = async ({ message }: { readonly message: { readonly text: string } }) => void taken.push(message.text);
      await readLines(ndjson, ending(endsWell), systemClock)(null, { ...flow, put }, new AbortController().signal);
      return taken;
    };
    expect(await once(true)).toEqual([texts[0], texts[1]]);
    expect(await once(false)).toEqual([texts[0]]);
  });
});
