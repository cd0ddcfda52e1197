import { asError, RequestError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Clock, Logger, Meter, Random, Secrets } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";
import { isMirrored, maxMirroredOf } from "../source/collection.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import type { Source } from "../source/define-source.ts";
import type { EventRules } from "../source/events.ts";
import { defaultReconcile } from "../source/webhooks.ts";
import type { Inbox, InboxEvent, InboxQuery } from "../store/inbox.ts";
import type { Completeness, CompletenessDay, Reconciliation } from "../store/completeness.ts";
import type { ScheduledJob } from "../store/jobs.ts";
import type { RawStore } from "../store/raw/raw-store.ts";
import { type ApplyParts, applyEvents } from "./apply.ts";
import { Processor } from "./processor.ts";
import { readMessage, recordIn } from "./read-events.ts";
import { Reception } from "./reception.ts";
import type { FillParts } from "./fill.ts";
import { inboxSink } from "./inbox-sink.ts";
import { channelsOf, reconcile } from "./reconcile.ts";
import { consumeStream } from "./streams/streams.ts";
import type { StreamExchange } from "../upstream/stream-exchange.ts";
import { kafkaBrokersVariable, type Stream } from "../source/streams.ts";
import { UpdateBook } from "./update-book.ts";
import { type Delivery, verify } from "./webhooks/verify.ts";

/** Events that were settled are known so long, in ms, so that one that comes again has no effect. */
const KNOWN_FOR_MS = 7 * 86_400_000;
/** A process that does not read a stream looks so often, in ms, whether nobody does. */
const STREAM_TURN_MS = 2_000;
/** Reading begins so much, in ms, before a gap: what a stream tells of has happened before. */
const GAP_MARGIN_MS = 300_000;
const PRUNE_CRON = "7 * * * *";
/** A source of whose changes more than this share is missed is read more often. */
const MISSED_SHARE = 0.001;

export interface IntakeParts extends Pick<ApplyParts, "upstreamOf" | "mirror" | "onChanges"> {
  readonly catalog: Catalog;
  readonly inbox: Inbox;
  readonly isShared: boolean;
  readonly raw: RawStore;
  /** Opens streams of a source. */
  readonly streamExchangeOf: (source: Source) => StreamExchange;
  /** Where the source's Kafka cluster is. */
  readonly kafkaOf: (source: Source) => { readonly brokers: readonly string[]; readonly secrets: Secrets };
  /** The secrets that are live for a source's webhooks; none: it has no webhooks here. Read for every call: they are replaced while we run. */
  readonly webhookSecrets: (source: Source) => readonly Secret[];
  /** How sources are read, and what was found by it. */
  readonly fill: FillParts;
  readonly completeness: Completeness;
  /** Runs the work while no other process does the work of this name; undefined when one does. */
  readonly exclusively: <T>(name: string, work: () => Promise<T>) => Promise<{ readonly value: T } | undefined>;
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
  readonly #stop = new AbortController();
  #streams: Promise<unknown> = Promise.resolve();
  /** Source → in how many seconds it is read again, while much is missed. */
  readonly #pauses = new Map<string, number>();

  constructor(parts: IntakeParts) {
    this.#parts = parts;
    this.#book = new UpdateBook(parts.raw, parts);
    this.#processor = new Processor({
      ...parts,
      holder: crypto.randomUUID(),
      ...(parts.fill.drift && { drift: parts.fill.drift.log }),
      apply: (collection, objects, context) => applyEvents(this.#applyParts, parts.catalog.get(collection), objects, context),
    });
    this.#reception = new Reception(parts.inbox, () => this.#processor.wake());
  }

  /** Begins with what waits. Throws `STORE_UNAVAILABLE`. */
  async start(): Promise<void> {
    const { catalog } = this.#parts;
    await this.#book.recover(catalog.entries);
    this.#processor.start(catalog.sources.filter(source => channelsOf(source).length > 0).map(({ name }) => name));
    this.#streams = Promise.all(
      catalog.sources.flatMap(source =>
        Object.entries(source.streams ?? {}).map(([name, stream]) => this.#readStream(source, name, stream)),
      ),
    );
  }

  /** What is to be done regularly, by one of the processes that share the store. */
  jobs(): readonly ScheduledJob[] {
    const { catalog } = this.#parts;
    const reconciled = catalog.sources.flatMap(source => {
      const { cron } = source.webhooks?.reconcile ?? defaultReconcile;
      return channelsOf(source).length > 0
        ? [{ name: `reconcile/${source.name}`, cron, run: () => this.#reconcileDue(source) }]
        : [];
    });
    return [...reconciled, { name: "prune", cron: PRUNE_CRON, run: () => this.#prune() }];
  }

  /** Ends; what has come and is not worked off stays for the next start. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the intake was stopped"));
    await this.#streams;
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

  /**
   * Reads sources for what their webhooks missed: what changed since the last time, or everything. A failure is in the result. Throws `SOURCE_UNKNOWN` for
   * one that is not there or sends no word of changes, and `REQUEST_INVALID` while it is reconciled already.
   */
  async reconcile(names: readonly string[], isFull: boolean): Promise<readonly Reconciliation[]> {
    const known = this.#parts.catalog.sources.filter(source => channelsOf(source).length > 0);
    const unknown = names.find(name => !known.some(source => source.name === name));
    if (unknown !== undefined)
      throw new RequestError(
        "SOURCE_UNKNOWN",
        `${unknown} sends no word of changes; these do: ${known.map(({ name }) => name).join(", ")}`,
      );
    const chosen = known.filter(({ name }) => names.length === 0 || names.includes(name));
    return Promise.all(
      chosen.map(async source => {
        const run = await this.#reconcileAlone(source, isFull);
        if (run === undefined) throw new RequestError("REQUEST_INVALID", `${source.name} is being reconciled already`);
        return run;
      }),
    );
  }

  /** How complete events were in the last days, counted now; the newest day first. */
  async completeness(days: number): Promise<readonly CompletenessDay[]> {
    const { completeness, clock } = this.#parts;
    await completeness.count(clock.nowMs());
    return completeness.days(clock.nowMs() - (days - 1) * 86_400_000);
  }

  /** The last reconciliations, the newest first. */
  reconciliations(limit: number): Promise<readonly Reconciliation[]> {
    return this.#parts.completeness.runs(limit);
  }

  /** Reads a stream until the end: one of the processes that share the store does, unless the stream itself shares its messages out. */
  async #readStream(source: Source, name: string, stream: Stream): Promise<void> {
    const { clock, exclusively, logger } = this.#parts;
    const { signal } = this.#stop;
    const id = `${source.name}.${name}`;
    if (stream.transport === "kafka" && this.#parts.kafkaOf(source).brokers.length === 0) {
      logger.warn(
        { stream: id, setting: kafkaBrokersVariable(source.name) },
        "a stream is not read: nobody says where its brokers are",
      );
      return;
    }
    const read = () => this.#consume(source, id, stream);
    while (!signal.aborted) {
      try {
        if (stream.transport === "kafka") await read();
        else await exclusively(`stream ${id}`, read);
      } catch (thrown) {
        logger.error({ stream: id, problem: asError(thrown).message }, "a stream could not be read; trying again");
      }
      await clock.sleep(STREAM_TURN_MS, signal);
    }
  }

  async #consume(source: Source, id: string, stream: Stream): Promise<void> {
    const { streamExchangeOf, kafkaOf, clock, random, logger } = this.#parts;
    const exchange = streamExchangeOf(source);
    const kafka = kafkaOf(source);
    const sink = inboxSink(
      { ...this.#parts, onKept: () => this.#processor.wake(), onGap: () => void this.#closeGaps(source) },
      { source: source.name, stream: id, rules: stream.events },
    );
    try {
      await consumeStream(stream, { name: id, exchange, sink, clock, random, logger, kafka, signal: this.#stop.signal });
    } finally {
      await exchange.close();
    }
  }

  /** Reads the source for what its streams have missed for good; what cannot be read now is when the source is reconciled the next time. */
  async #closeGaps(source: Source): Promise<void> {
    const { inbox, clock, logger } = this.#parts;
    try {
      const gaps = await inbox.openGaps(source.name);
      if (gaps.length === 0) return;
      const sinceMs = Math.min(...gaps.map(({ fromMs }) => fromMs)) - GAP_MARGIN_MS;
      const run = await this.#reconcileAlone(source, false, sinceMs);
      const ids = gaps.map(({ id }) => id);
      if (run?.problem === null) await inbox.closeGaps(ids, clock.nowMs());
    } catch (thrown) {
      logger.error(
        { source: source.name, problem: asError(thrown).message },
        "a gap in a stream could not be closed; trying again",
      );
    }
  }

  async #reconcileAlone(source: Source, isFull: boolean, sinceMs?: number): Promise<Reconciliation | undefined> {
    const done = await this.#parts.exclusively(`reconcile ${source.name}`, () =>
      reconcile(this.#parts, source, { isFull, ...(sinceMs !== undefined && { sinceMs }), signal: this.#stop.signal }),
    );
    if (done && done.value.found > 0)
      this.#parts.meter.count("tributary_intake_missed_total", { source: source.name }, done.value.found);
    return done?.value;
  }

  /** While more than a thousandth of what comes is missed, it is read again after half the pause; when nothing is, the regular time does. */
  async #reconcileDue(source: Source): Promise<number | null> {
    await this.#closeGaps(source);
    const run = await this.#reconcileAlone(source, false);
    const today = (await this.completeness(1)).find(day => day.source === source.name);
    const { leastS } = source.webhooks?.reconcile ?? defaultReconcile;
    const known = this.#pauses.get(source.name) ?? 16 * leastS;
    const isMuch = run !== undefined && run.found > MISSED_SHARE * (today?.delivered ?? 0) && run.found > 0;
    const pauseS = isMuch ? Math.max(leastS, known / 2) : known * 2;
    if (pauseS > 16 * leastS) this.#pauses.delete(source.name);
    else this.#pauses.set(source.name, pauseS);
    return this.#pauses.get(source.name) ?? null;
  }

  get #applyParts(): ApplyParts {
    const keeperOf = (entry: CatalogEntry) => this.#book.keeperOf(entry, itemsOf(entry));
    return { ...this.#parts, keeperOf, recordIn: recordOf };
  }

  /** Counts what is about to be forgotten, and forgets it; keeps the mirror within its bounds. */
  async #prune(): Promise<null> {
    const { catalog, fill, inbox, completeness, clock } = this.#parts;
    await completeness.count(clock.nowMs());
    await inbox.prune(clock.nowMs() - KNOWN_FOR_MS);
    for (const { id, collection } of catalog.entries) {
      // Of what is mirrored as a whole nothing may be missing: a whole that is too large is given up by whoever reads it.
      if (!isMirrored(collection)) await fill.mirror.trim(id, maxMirroredOf(collection));
    }
    return null;
  }
}

/** What a source sends of a collection: by its webhooks, else by a stream. */
function rulesOf({ source, name }: CatalogEntry): EventRules | undefined {
  return channelsOf(source).find(({ kinds }) => kinds.some(({ collection }) => collection === name));
}

/** The record that an event carries. */
function recordOf({ source }: CatalogEntry, { channel, type, body }: InboxEvent): Json | undefined {
  const rules = channel === "webhook" ? source.webhooks?.events : source.streams?.[channel]?.events;
  return rules && recordIn(rules, type, body);
}

/** Where records stand in what is kept of a collection: in the lookup's answers, else in the events. */
function itemsOf(entry: CatalogEntry): string {
  const { lookup } = entry.collection;
  if (lookup) return lookup.mode === "batch" ? lookup.items : (lookup.item ?? "");
  return rulesOf(entry)?.kinds.find(({ collection }) => collection === entry.name)?.record ?? "";
}
