import { ConfigError, RequestError } from "../core/errors.ts";
import type { Clock, Logger, Meter, Random } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import type { Source } from "../source/define-source.ts";
import type { EventRules } from "../source/events.ts";
import type { Inbox, InboxEvent, InboxQuery } from "../store/inbox.ts";
import type { RawStore } from "../store/raw/raw-store.ts";
import { type ApplyParts, applyEvents } from "./apply.ts";
import { Processor } from "./processor.ts";
import { readMessage, recordIn } from "./read-events.ts";
import { Reception } from "./reception.ts";
import { UpdateBook } from "./update-book.ts";
import { type Delivery, verify } from "./webhooks/verify.ts";

/** Events that were settled are known so long, in ms, so that one that comes again has no effect. */
const KNOWN_FOR_MS = 7 * 86_400_000;
const PRUNE_EVERY_MS = 3_600_000;

export interface IntakeParts extends Pick<ApplyParts, "upstreamOf" | "mirror" | "onChanges"> {
  readonly catalog: Catalog;
  readonly inbox: Inbox;
  readonly isShared: boolean;
  readonly raw: RawStore;
  /** The secrets that are live for a source's webhooks; none: it has no webhooks here. Read for every call: they are replaced while we run. */
  readonly webhookSecrets: (source: Source) => readonly Secret[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** What became of a call: what an HTTP server answers. */
export type Received = "kept" | "no such webhooks" | "not genuine";

/** Takes in what sources send, and works it off. */
export class Intake {
  readonly #parts: IntakeParts;
  readonly #reception: Reception;
  readonly #processor: Processor;
  readonly #book: UpdateBook;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
    this.#book = new UpdateBook(parts.raw, parts);
    this.#processor = new Processor({
      ...parts,
      holder: crypto.randomUUID(),
      apply: (collection, objects, context) => applyEvents(this.#applyParts, parts.catalog.get(collection), objects, context),
    });
    this.#reception = new Reception(parts.inbox, () => this.#processor.wake());
  }

  /** Begins with what waits. Throws `STORE_UNAVAILABLE`. */
  async start(): Promise<void> {
    const { catalog } = this.#parts;
    await this.#book.recover(catalog.entries);
    this.#processor.start(catalog.sources.filter(({ webhooks }) => webhooks).map(({ name }) => name));
    this.#timer = setInterval(() => void this.#prune(), PRUNE_EVERY_MS).unref();
  }

  /** Ends; what has come and is not worked off stays for the next start. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#processor.stop();
    await this.#book.close();
  }

  /**
   * Takes a webhook's call in: durable when it resolves with `kept`. What is not genuine is neither read nor kept. Throws `STORE_UNAVAILABLE`, when
   * the source should call again.
   */
  async receive(sourceName: string, delivery: Delivery): Promise<Received> {
    const { catalog, clock, logger, meter } = this.#parts;
    const source = catalog.sources.find(({ name }) => name === sourceName);
    const secrets = source?.webhooks ? this.#parts.webhookSecrets(source) : [];
    if (!source?.webhooks || secrets.length === 0) return "no such webhooks";
    const receivedAtMs = clock.nowMs();
    const verification = verify(source.webhooks.signature, delivery, { secrets, nowMs: receivedAtMs });
    if (!verification.isGenuine) {
      meter.count("tributary_intake_events_total", { source: sourceName, outcome: "refused" });
      logger.warn({ source: sourceName, reason: verification.reason }, "a webhook's call was refused");
      return "not genuine";
    }
    const facts = { source: sourceName, channel: "webhook", receivedAtMs };
    const { arrivals, unwanted } = readMessage(source.webhooks.events, delivery.body.toString("utf8"), facts);
    await this.#reception.take(arrivals);
    meter.count("tributary_intake_events_total", { source: sourceName, outcome: "kept" }, arrivals.length);
    meter.count("tributary_intake_events_total", { source: sourceName, outcome: "unwanted" }, unwanted);
    return "kept";
  }

  list(query: InboxQuery): Promise<readonly InboxEvent[]> {
    return this.#parts.inbox.list(query);
  }

  /** Throws `REQUEST_INVALID` when there is none. */
  async show(id: string): Promise<InboxEvent> {
    const event = /^\d{1,18}$/.test(id) ? await this.#parts.inbox.get(id) : undefined;
    if (event === undefined) throw new RequestError("REQUEST_INVALID", `there is no event ${id} in the inbox`);
    return event;
  }

  /** Lets dead events wait anew; returns how many. */
  async retry(ids: readonly string[] | "all"): Promise<number> {
    const retried = await this.#parts.inbox.retry(ids, this.#parts.clock.nowMs());
    this.#processor.wake();
    return retried;
  }

  /** Gives events up for good; returns how many. */
  discard(ids: readonly string[] | "all"): Promise<number> {
    return this.#parts.inbox.discard(ids, this.#parts.clock.nowMs());
  }

  get #applyParts(): ApplyParts {
    const keeperOf = (entry: CatalogEntry) => this.#book.keeperOf(entry, itemsOf(entry));
    return { ...this.#parts, keeperOf, recordIn: (entry, { type, body }) => recordIn(rulesOf(entry), type, body) };
  }

  async #prune(): Promise<void> {
    const { inbox, clock, logger } = this.#parts;
    try {
      await inbox.prune(clock.nowMs() - KNOWN_FOR_MS);
    } catch (thrown) {
      logger.warn(
        { problem: thrown instanceof Error ? thrown.message : String(thrown) },
        "the inbox could not be cleared of old events",
      );
    }
  }
}

function rulesOf({ source }: CatalogEntry): EventRules {
  if (!source.webhooks) throw new ConfigError("SOURCE_INVALID", `${source.name} declares no events`);
  return source.webhooks.events;
}

/** Where records stand in what is kept of a collection: in the lookup's answers, else in the events. */
function itemsOf(entry: CatalogEntry): string {
  const { lookup } = entry.collection;
  if (lookup) return lookup.mode === "batch" ? lookup.items : (lookup.item ?? "");
  return rulesOf(entry).kinds.find(({ collection }) => collection === entry.name)?.record ?? "";
}
