import { createHash } from "node:crypto";
import { asError, TributaryError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { DayWindow } from "../source/collection.ts";
import type { UpstreamRequest } from "../source/request.ts";
import { sha256 } from "../store/raw/durable.ts";
import { type Envelope, fingerprintOf } from "../store/raw/envelope.ts";
import type { PullStart, Since } from "../store/raw/manifest.ts";
import type { RawPull } from "../store/raw/raw-pull.ts";
import type { PullTarget, RawStore, Unfinished } from "../store/raw/raw-store.ts";
import type { CallContext } from "../upstream/context.ts";
import type { ListingUpstream } from "../upstream/listing/listing-upstream.ts";
import { changesOf } from "../upstream/listing/changes.ts";
import type { Page } from "../upstream/listing/walk.ts";
import type { Check, UpstreamResponse } from "../upstream/upstream.ts";

/** How long after it broke off a pull is gone on with, unless its collection says otherwise. */
const DEFAULT_RESUMABLE_MS = 86_400_000;

/** What an earlier pull has left cannot be gone on with; the message says why. */
export class CannotGoOn extends Error {}

/** A pull that is open, and why it does not go on with what an earlier one left, where that is so. */
export interface Opened {
  readonly raw: RawPull;
  readonly startedAnew: string | null;
}

/** What a pull is opened with. */
export interface Opening {
  readonly store: RawStore;
  readonly keyId: string | null;
  readonly entry: CatalogEntry;
  readonly baseUrl: string;
  readonly nowMs: number;
  /** The days that a dated listing is asked for when the pull starts anew. */
  readonly window: DayWindow;
  /** Where it begins when it starts anew and lists what changed only; null for everything. */
  readonly since: Since | null;
  /** Whether everything is asked for, whatever was left. */
  readonly isFullWanted: boolean;
}

/** Opens a pull: the one that broke off where that can be gone on with, else a new one. Throws `STORE_UNAVAILABLE`. */
export async function openPull(opening: Opening): Promise<Opened> {
  const { store, nowMs } = opening;
  const target = targetOf(opening.entry);
  const unfinished = await store.unfinished(target);
  const obstacle = unfinished && obstacleTo(unfinished, opening);
  if (unfinished === null || obstacle !== null) return openAnew(opening, obstacle);
  await store.discardPartials(target, unfinished.pull);
  return { raw: await store.resume(target, unfinished, nowMs), startedAnew: null };
}

/** Opens a new pull, whatever was left. */
export async function openAnew(opening: Opening, startedAnew: string | null): Promise<Opened> {
  const { store, entry, nowMs } = opening;
  await store.discardPartials(targetOf(entry));
  return { raw: await store.begin(targetOf(entry), startOf(opening, opening.window), nowMs), startedAnew };
}

/** What a pull lists: everything, or what changed. */
export const listedBy = (entry: CatalogEntry, since: Since | null): CatalogEntry => (since === null ? entry : changesOf(entry));

/** What a next page is found by is kept beside the usual headers. */
function targetOf({ source, name, collection }: CatalogEntry): PullTarget {
  const { pages, watermark } = collection.list;
  const alsoKept = [pages, watermark?.listing?.pages].flatMap(each => (each && "nextHeader" in each ? [each.nextHeader] : []));
  return { source: source.name, collection: name, ...(alsoKept.length > 0 && { alsoKept }) };
}

const startOf = ({ entry, baseUrl, nowMs, since }: Opening, window: DayWindow): PullStart => ({
  startedAt: new Date(nowMs).toISOString(),
  window,
  declaration: declarationHash(listedBy(entry, since), baseUrl, window),
  since,
});

/** Stands for how a listing is asked for. */
export function declarationHash({ collection }: CatalogEntry, baseUrl: string, window: DayWindow): string {
  const { list } = collection;
  return createHash("sha256")
    .update(JSON.stringify([baseUrl, list, list.request(window)]))
    .digest("hex");
}

/** Why a pull that broke off cannot be gone on with, or null. */
function obstacleTo({ start, savedAt, keyId }: Unfinished, opening: Opening): string | null {
  const { entry, baseUrl, nowMs, keyId: own, isFullWanted } = opening;
  const since = start.since ?? null;
  if (since !== null && isFullWanted) return "everything is asked for";
  if (since !== null && since.after !== opening.since?.after) return "it does not follow the pull that is the last now";
  const listed = listedBy(entry, since);
  const { pages, resumableMs = DEFAULT_RESUMABLE_MS } = listed.collection.list;
  if (pages.style === "export") return "an export is read from its beginning";
  if (keyId !== own) return "what it kept is encrypted under another key, or under none";
  if (nowMs - Date.parse(savedAt) > resumableMs) return `it broke off more than ${resumableMs / 3_600_000} hours ago`;
  if (start.declaration !== declarationHash(listed, baseUrl, start.window)) return "the listing is declared otherwise since";
  return null;
}

/** Whether a reading that an error ended can be gone on with where it stopped. */
export function mayGoOnAfter(error: Error): boolean {
  if (!(error instanceof TributaryError)) return false;
  return error.retryable || ["UPSTREAM_AUTH", "UPSTREAM_FORBIDDEN", "CONFIG_SECRET_MISSING"].includes(error.code);
}

/**
 * Gives a listing what an earlier pull has kept in place of asking for it again, as long as the same requests come in the same order; then asks the
 * source. So whatever was gathered from the earlier pages is gathered again: cursors, guards, ranges, evidence.
 */
export class Continuation {
  readonly #raw: RawPull;
  readonly #kept: AsyncGenerator<Envelope>;
  readonly #lines = new WeakMap<UpstreamResponse, number>();
  #next: Envelope | undefined;
  /** Pages that were not kept before. */
  newPages = 0;

  private constructor(raw: RawPull) {
    this.#raw = raw;
    this.#kept = raw.kept();
  }

  static async of(raw: RawPull): Promise<Continuation> {
    const continuation = new Continuation(raw);
    await continuation.#advance();
    return continuation;
  }

  /** Whether everything that was kept has been read again. */
  get isCaughtUp(): boolean {
    return this.#next === undefined;
  }

  /** The source, behind what was kept. */
  over(upstream: ListingUpstream): ListingUpstream {
    const { source, baseUrl } = upstream;
    return {
      source,
      send: (request, context, check) => this.#send(upstream, request, context, check),
      ...(baseUrl !== undefined && { baseUrl }),
      ...(upstream.download && { download: (from, context) => upstream.download!(from, context) }),
    };
  }

  /** The line of a page: its own where it was kept before, else a new one. Throws `CannotGoOn` for a new page among kept ones. */
  async lineOf({ request, response }: Page): Promise<number> {
    const line = this.#lines.get(response);
    if (line !== undefined) return line;
    if (!this.isCaughtUp) throw new CannotGoOn("the listing goes another way than it did");
    this.newPages++;
    return this.#raw.append(request, response);
  }

  async #send(
    upstream: ListingUpstream,
    request: UpstreamRequest,
    context: CallContext,
    check?: Check,
  ): Promise<UpstreamResponse> {
    const kept = this.#next;
    if (kept === undefined || kept.request.fingerprint !== fingerprintOf(request)) return upstream.send(request, context, check);
    context.signal.throwIfAborted();
    const response = responseOf(kept);
    this.#lines.set(response, kept.line);
    await this.#advance();
    return response;
  }

  async #advance(): Promise<void> {
    try {
      const { value, done } = await this.#kept.next();
      this.#next = done === true ? undefined : value;
    } catch (thrown) {
      throw new CannotGoOn(`what it kept cannot be read: ${asError(thrown).message}`, { cause: thrown });
    }
  }
}

function responseOf({ status, headers, body, receivedAt, sha256: hash }: Envelope): UpstreamResponse {
  if (sha256(body) !== hash) throw new CannotGoOn("what it kept is not what came");
  return {
    status,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    text: body,
    body: parseJson(body),
    problems: [],
    receivedAtMs: Date.parse(receivedAt),
    attempts: 1,
  };
}
