import type { Clock } from "../../core/ports.ts";
import type { LineStream } from "../../source/streams.ts";
import type { OpenStream } from "../../upstream/stream-exchange.ts";
import { type Line, LineSplitter } from "./lines.ts";
import { textOf, withOwnPosition } from "./message.ts";
import { openFrom } from "./open-from.ts";
import type { Flow, Reader } from "./reader.ts";
import { DEFAULT_MAX_MESSAGE_BYTES } from "./sizes.ts";

/** Reads a stream of JSON lines. A last line without an end counts only when the answer ended as its headers said it would. */
export const readLines =
  (stream: LineStream, open: OpenStream, clock: Clock): Reader =>
  async (position, flow, signal) => {
    const opened = await openFrom(stream, { open, accept: "application/x-ndjson", position, resume: stream.resume }, signal);
    if ("gap" in opened) return opened;
    flow.heard();
    const splitter = new LineSplitter(stream.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES);
    const put = lineTaker(stream, flow, clock);
    for await (const piece of opened.body) {
      flow.heard();
      for (const line of splitter.split(piece)) {
        await put(line);
        signal.throwIfAborted();
      }
    }
    if (opened.endsWell) await put(splitter.rest());
    return {};
  };

function lineTaker({ resume, maxMessageBytes }: LineStream, flow: Flow, clock: Clock) {
  return async ({ bytes, isTooLong }: Line): Promise<void> => {
    if (bytes.length === 0) return;
    const { text, problem } = textOf(bytes);
    if (text.trim() === "") return;
    const wrong = isTooLong ? `it is longer than ${maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES} bytes` : problem;
    const message = { text, receivedAtMs: clock.nowMs(), ...(wrong !== undefined && { problem: wrong }) };
    await flow.put(withOwnPosition(message, resume?.position));
  };
}
