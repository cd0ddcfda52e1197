import { asError, ContractError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Clock, Logger } from "../core/ports.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { UpstreamRequest } from "../source/request.ts";
import { sha256 } from "../store/raw/durable.ts";
import type { RawResponse } from "../store/raw/envelope.ts";
import type { PullFacts } from "../store/raw/manifest.ts";
import type { RawPull } from "../store/raw/raw-pull.ts";
import type { RawStore } from "../store/raw/raw-store.ts";
import { Evidence } from "../upstream/listing/evidence.ts";
import { itemsAt } from "../upstream/records.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { InboxEvent } from "../store/inbox.ts";

/** An update that is written to is finished, and so part of the next build, so long after its first answer, in ms. */
const FINISHED_AFTER_MS = 5_000;
/** One that nobody has written to for so long, in ms, was left by a process that is dead: a live one finishes them much sooner. */
const LEFT_AFTER_MS = 30_000;

interface OpenUpdate {
  readonly entry: CatalogEntry;
  readonly raw: Promise<RawPull>;
  readonly since: number;
  /** Who is writing to it. */
  writers: number;
}

/** What one piece of work keeps: it writes to one update, or to none. */
export interface UpdateKeeper {
  /** A door to the source that keeps what passes. */
  over(upstream: Pick<Upstream, "send">): Pick<Upstream, "send">;
  /** Keeps an event that is the only word on its object, from a moment on (ms since the epoch): its record, or that there is none. */
  event(event: InboxEvent, atMs: number, isGone: boolean): void;
  /** Makes durable what was kept. `absent`: the keys that the source said it does not have. Returns the update that it is in. Throws `STORE_UNAVAILABLE`. */
  durable(absent: readonly string[]): Promise<string | null>;
}

interface Kept {
  readonly request: UpstreamRequest;
  readonly response: RawResponse;
}

/** Keeps what sources say of single records because they sent word of them, as it came: raw material for builds, beside the pulls. */
export class UpdateBook {
  readonly #store: RawStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #open = new Map<string, OpenUpdate>();
  readonly #ended = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #recovering: NodeJS.Timeout | undefined;

  constructor(store: RawStore, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Finishes what processes that are dead have left, now and again and again: what one left a moment ago cannot be told from what one writes. Throws `STORE_UNAVAILABLE`. */
  async recover(entries: readonly CatalogEntry[]): Promise<void> {
    await this.#finishLeft(entries);
    const again = () => this.#tried(this.#finishLeft(entries), "an update that was left could not be finished");
    this.#recovering = setInterval(again, LEFT_AFTER_MS).unref();
  }

  async #finishLeft(entries: readonly CatalogEntry[]): Promise<void> {
    const nowMs = this.#clock.nowMs();
    for (const { source, name, collection } of entries)
      for (const left of await this.#store.leftUpdates({ source: source.name, collection: name }, nowMs - LEFT_AFTER_MS))
        await left.finish(factsOf(left.keptLines, nowMs, collection.list));
  }

  /** `items`: the path of an event's record in its text; the lookup says where those of its answers are. */
  keeperOf(entry: CatalogEntry, items: string): UpdateKeeper {
    const kept: Kept[] = [];
    const write = (all: readonly Kept[]) => this.#write(entry, items, all);
    return {
      over: upstream => ({
        async send(request, context, ...more) {
          const response = await upstream.send(request, context, ...more);
          if (isReadable(entry, response.body, items)) kept.push({ request, response });
          return response;
        },
      }),
      event: (event, atMs, isGone) =>
        void kept.push(keptEvent(entry, event, { asOfMs: atMs, ...(isGone && { absent: [event.key ?? ""] }) })),
      durable: absent => write(absent.length === 0 ? kept : [...kept, this.#absence(entry, absent)]),
    };
  }

  /** Finishes everything that is open. Throws `STORE_UNAVAILABLE`. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    clearInterval(this.#recovering);
    for (const key of this.#open.keys()) this.#end(key);
    await Promise.all(this.#ended);
  }

  #absence(entry: CatalogEntry, absent: readonly string[]): Kept {
    const request = { operation: `${entry.name}.absent`, method: "GET" as const, path: "/", isSafe: true };
    return { request, response: { status: 404, headers: {}, text: "", receivedAtMs: this.#clock.nowMs(), absent } };
  }

  async #write(entry: CatalogEntry, items: string, kept: readonly Kept[]): Promise<string | null> {
    if (kept.length === 0) return null;
    const key = `${entry.id} ${items}`;
    const open = this.#open.get(key) ?? this.#begin(entry, key, items);
    open.writers++;
    try {
      const raw = await open.raw;
      for (const { request, response } of kept) await raw.append(request, response);
      await raw.durable();
      return `${entry.source.name}/${entry.name}/${raw.pull}`;
    } finally {
      open.writers--;
    }
  }

  #begin(entry: CatalogEntry, key: string, items: string): OpenUpdate {
    const nowMs = this.#clock.nowMs();
    const day = new Date(nowMs).toISOString().slice(0, 10);
    const start = {
      startedAt: new Date(nowMs).toISOString(),
      window: { from: day, to: day },
      declaration: sha256(key),
      since: null,
      update: { items },
    };
    const raw = this.#store.begin({ source: entry.source.name, collection: entry.name }, start, nowMs);
    // Told to whoever writes to it.
    raw.catch(() => this.#open.delete(key));
    const open = { entry, raw, since: nowMs, writers: 0 };
    this.#open.set(key, open);
    this.#timer ??= setTimeout(() => this.#endOld(), FINISHED_AFTER_MS).unref();
    return open;
  }

  #endOld(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.nowMs();
    for (const [key, { since, writers }] of this.#open)
      if (writers === 0 && nowMs - since >= FINISHED_AFTER_MS - 50) this.#end(key);
    if (this.#open.size > 0) this.#timer = setTimeout(() => this.#endOld(), 1_000).unref();
  }

  #end(key: string): void {
    const open = this.#open.get(key);
    this.#open.delete(key);
    if (open === undefined) return;
    this.#tried(this.#finish(open), "an update could not be finished");
  }

  async #finish({ entry, raw }: OpenUpdate): Promise<void> {
    const pull = await raw;
    await pull.finish(factsOf(pull.lines, this.#clock.nowMs(), entry.collection.list));
  }

  /** What cannot be finished stays as it is, durable, and is tried again. */
  #tried(work: Promise<void>, problem: string): void {
    const ended = work
      .catch((thrown: unknown) => this.#logger.error({ problem: asError(thrown).message }, problem))
      .finally(() => this.#ended.delete(ended));
    this.#ended.add(ended);
  }
}

/** An answer without the records it should have is a failure of the source, and told as one. */
function isReadable(entry: CatalogEntry, body: Json, items: string): boolean {
  try {
    itemsAt(body, items, entry.id);
    return true;
  } catch (thrown) {
    if (thrown instanceof ContractError) return false;
    throw thrown;
  }
}

function keptEvent(entry: CatalogEntry, event: InboxEvent, holds: Pick<RawResponse, "asOfMs" | "absent">): Kept {
  const request = {
    operation: `${entry.name}.${event.channel}`,
    method: "POST" as const,
    path: `/${event.channel}`,
    isSafe: false,
  };
  const headers = { "content-type": "application/json" };
  return { request, response: { status: 200, headers, text: event.body, receivedAtMs: event.receivedAtMs, ...holds } };
}

function factsOf(lines: number, nowMs: number, list: CatalogEntry["collection"]["list"]): PullFacts {
  const { evidence } = new Evidence(list).verdict();
  return {
    verdict: "complete",
    reason: null,
    reasons: [],
    evidence: { ...evidence, pages: lines },
    finishedAt: new Date(nowMs).toISOString(),
    pages: lines,
    records: 0,
    duplicateKeys: 0,
    missingKeys: 0,
    advertisedTotal: null,
    brokenRecords: 0,
    broken: [],
    fields: { before: null, after: [] },
    mayGoOn: false,
    startedAnew: null,
    pausedUntil: null,
    watermarkMs: null,
  };
}
