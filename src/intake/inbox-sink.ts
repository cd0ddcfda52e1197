import type { Clock, Logger, Meter } from "../core/ports.ts";
import type { EventRules } from "../source/events.ts";
import type { Arrival, Inbox } from "../store/inbox.ts";
import { readMessage, unreadable } from "./read-events.ts";
import type { Sink } from "./streams/sink.ts";

export interface SinkParts {
  readonly inbox: Inbox;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Is called when something new is durable. */
  readonly onKept: () => void;
  /** Is called when something was missed for good, and that is durable. */
  readonly onGap: () => void;
}

/** One stream and how its messages are read. */
export interface SinkStream {
  readonly source: string;
  /** `<source>.<stream>`. */
  readonly stream: string;
  readonly rules: EventRules;
}

/** A stream's messages go into the inbox, and how far it was read with them, in one transaction. */
export function inboxSink(parts: SinkParts, { source, stream, rules }: SinkStream): Sink {
  const { inbox, clock, logger, meter, onKept, onGap } = parts;
  const channel = stream.slice(source.length + 1);
  return {
    position: async () => (await inbox.position(stream))?.position ?? null,
    async accept(messages, position) {
      const arrivals: Arrival[] = [];
      let unwanted = 0;
      for (const { text, receivedAtMs, problem } of messages) {
        const facts = { source, channel, receivedAtMs };
        if (problem !== undefined) arrivals.push(unreadable(facts, text, problem));
        else {
          const read = readMessage(rules, text, facts);
          arrivals.push(...read.arrivals);
          unwanted += read.unwanted;
        }
      }
      const isNew = await inbox.accept(arrivals, position === null ? undefined : { stream, position, atMs: clock.nowMs() });
      meter.count("tributary_intake_events_total", { source, outcome: "kept" }, arrivals.length);
      meter.count("tributary_intake_events_total", { source, outcome: "unwanted" }, unwanted);
      if (isNew > 0) onKept();
    },
    async gap(from, reason) {
      const atMs = clock.nowMs();
      const fromMs = (await inbox.position(stream))?.atMs ?? atMs;
      await inbox.noteGap({ stream, fromMs, atMs, reason });
      logger.warn({ stream, from, reason }, "something of a stream was missed; its source is read for it");
      onGap();
    },
  };
}
