import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Clock } from "../../core/ports.ts";
import type { EventStream } from "../../source/streams.ts";
import type { OpenStream } from "../../upstream/stream-exchange.ts";
import { withOwnPosition } from "./message.ts";
import { FORGOTTEN, openFrom } from "./open-from.ts";
import type { Flow, Reader } from "./reader.ts";
import { DEFAULT_MAX_MESSAGE_BYTES } from "./sizes.ts";

const resume = { in: "header", name: "last-event-id" } as const;

/** Reads server-sent events. An event that is not closed by a blank line does not count; an `id` holds until the next one. */
export const readServerSentEvents =
  (stream: EventStream, open: OpenStream, clock: Clock): Reader =>
  async (position, flow, signal) => {
    const opened = await openFrom(stream, { open, accept: "text/event-stream", position, resume }, signal);
    if ("gap" in opened) return opened;
    flow.heard();
    const events = new EventReader(stream, position, flow);
    const decoder = new TextDecoder();
    for await (const piece of opened.body) {
      flow.heard();
      for (const { event, id } of events.read(decoder.decode(piece, { stream: true }))) {
        if (stream.forgottenEvent !== undefined && event.event === stream.forgottenEvent) return { gap: FORGOTTEN };
        await flow.put(receivedOf(event, id, clock));
        signal.throwIfAborted();
      }
      if (events.isTooLong) return { gap: `an event is longer than ${events.maxLength} characters` };
    }
    return {};
  };

interface KnownEvent {
  readonly event: EventSourceMessage;
  /** The last `id` that was given up to here. */
  readonly id: string | null;
}

class EventReader {
  readonly maxLength: number;
  isTooLong = false;
  readonly #parser;
  #id: string | null;
  #events: KnownEvent[] = [];

  constructor({ maxMessageBytes = DEFAULT_MAX_MESSAGE_BYTES }: EventStream, position: string | null, flow: Flow) {
    this.maxLength = maxMessageBytes;
    this.#id = position;
    this.#parser = createParser({
      maxBufferSize: maxMessageBytes,
      onId: id => (this.#id = id),
      onRetry: ms => flow.reconnectAfter(ms),
      onEvent: event => this.#events.push({ event, id: this.#id }),
      onError: error => (this.isTooLong ||= error.type === "max-buffer-size-exceeded"),
    });
  }

  /** The events that end in this piece. */
  read(piece: string): readonly KnownEvent[] {
    this.#parser.feed(piece);
    return this.#events.splice(0);
  }
}

function receivedOf({ event, data }: EventSourceMessage, id: string | null, clock: Clock) {
  const message = {
    text: data,
    receivedAtMs: clock.nowMs(),
    ...(id !== null && id !== "" && { id }),
    ...(event !== undefined && { headers: { event } }),
  };
  return { message: withOwnPosition(message, undefined).message, position: id };
}
