import CachePolicy from "http-cache-semantics";
import { LRUCache } from "lru-cache";
import { UpstreamError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import { bodyOf, type WireRequest, type WireResponse, withHeaders } from "./wire.ts";

interface Kept {
  readonly response: WireResponse;
  readonly policy: CachePolicy;
}

interface HttpCacheOptions {
  readonly clock: Clock;
  /** For the kept answers with what was parsed of them; 64 MiB unless stated. */
  readonly maxBytes?: number;
}

const MAX_BYTES = 64 * 1024 * 1024;
const MAX_ENTRIES = 10_000;
/** What a kept answer takes for each character of its text: one or two bytes, and what was parsed of it about 1.7. Measured. */
const BYTES_PER_CHARACTER = 4;
/** These describe a message that came, not what it says. */
const messageHeaders = new Set([
  "content-length",
  "content-encoding",
  "transfer-encoding",
  "content-range",
  "connection",
  "keep-alive",
]);

/**
 * A private cache of a source's answers to GET, in memory only, as far as the source allows it. Keyed by address and by the scope of the credential
 * (a string that stands for who asks); of several variants of an address it keeps the last. Nothing stale is ever answered, no freshness guessed.
 *
 * All methods take the request as it was prepared, before credentials: a credential is no part of what is kept, and the headers that `conditional`
 * adds are signed with the rest.
 * @see https://www.rfc-editor.org/rfc/rfc9111
 */
export class HttpCache {
  readonly #clock: Clock;
  readonly #kept: LRUCache<string, Kept>;

  constructor({ clock, maxBytes = MAX_BYTES }: HttpCacheOptions) {
    this.#clock = clock;
    this.#kept = new LRUCache({
      max: MAX_ENTRIES,
      maxSize: maxBytes,
      maxEntrySize: Math.max(1, Math.floor(maxBytes / 4)),
      sizeCalculation: ({ response }) => 1 + response.text.length * BYTES_PER_CHARACTER,
    });
  }

  /** The kept answer while it is fresh, under its present `Age`: nothing needs to be sent, nothing is taken from a budget. */
  fresh(request: WireRequest, scope: string): WireResponse | undefined {
    const kept = this.#find(request, scope);
    if (!kept?.policy.satisfiesWithoutRevalidation(asAsked(request, scope))) return undefined;
    return withHeaders(kept.response, { ...kept.response.headers, age: String(Math.round(kept.policy.age())) });
  }

  /** The request with the kept answer's `If-None-Match` and `If-Modified-Since`, or as it is. */
  conditional(request: WireRequest, scope: string): WireRequest {
    const kept = this.#find(request, scope);
    if (kept === undefined) return request;
    const headers = kept.policy.revalidationHeaders(asAsked(request, scope));
    const { "if-none-match": etag, "if-modified-since": since } = headers as Record<string, string | undefined>;
    const added = { ...(etag && { "if-none-match": etag }), ...(since && { "if-modified-since": since }) };
    return { ...request, headers: { ...request.headers, ...added } };
  }

  /**
   * What an answer means: 304 becomes the kept answer, parsed as it is, under the new headers; another one is kept if it may be. Throws
   * `UPSTREAM_MALFORMED`, worth a retry without conditions, for a 304 about something else than what is kept.
   */
  settle(request: WireRequest, scope: string, response: WireResponse): WireResponse {
    if (request.method !== "GET") return this.#afterWrite(request, scope, response);
    if (response.status === 304) return this.#renew(request, scope, response);
    if (!isUsable(response)) return response;
    this.#keep(request, scope, response);
    return response;
  }

  /** Whether nothing is kept at all. */
  get isEmpty(): boolean {
    return this.#kept.size === 0;
  }

  /** Drops a kept answer that proved unusable after all, so that it is not given again. */
  forget(request: WireRequest, scope: string): void {
    this.#kept.delete(keyOf(request.url, scope));
  }

  /** Drops everything, e.g. when a credential was revoked. */
  clear(): void {
    this.#kept.clear();
  }

  #find(request: WireRequest, scope: string): Kept | undefined {
    return request.method === "GET" && !("range" in request.headers) ? this.#kept.get(keyOf(request.url, scope)) : undefined;
  }

  #renew(request: WireRequest, scope: string, answer: WireResponse): WireResponse {
    const kept = this.#find(request, scope);
    if (kept === undefined || !isAbout(answer, kept.response)) {
      this.forget(request, scope);
      throw new UpstreamError("UPSTREAM_MALFORMED", "the source answered 304 for an answer that is not kept", {
        details: { httpStatus: 304 },
      });
    }
    const news = Object.entries(answer.headers).filter(([name]) => !messageHeaders.has(name));
    // Its age and date are those of the answer that has come now, also where that one does not state them.
    const { age: _age, date: _date, ...headers } = kept.response.headers;
    const response = withHeaders(kept.response, { ...headers, ...Object.fromEntries(news) });
    this.#keep(request, scope, response);
    return response;
  }

  #keep(request: WireRequest, scope: string, response: WireResponse): void {
    const key = keyOf(request.url, scope);
    const policy = this.#policy(request, scope, response);
    const { headers } = response;
    const isOfUse = policy.timeToLive() > 0 || "etag" in headers || "last-modified" in headers;
    const isMatchable = !/(^|,)\s*\*\s*(,|$)/.test(headers["vary"] ?? "");
    const mayBeKept = policy.storable() && isOfUse && isMatchable && !("range" in request.headers);
    if (mayBeKept) this.#kept.set(key, { response, policy });
    else this.#kept.delete(key);
  }

  #policy(request: WireRequest, scope: string, response: WireResponse): CachePolicy {
    const nowMs = this.#clock.nowMs();
    const control = response.headers["cache-control"];
    const headers = {
      ...response.headers,
      ...(control !== undefined && { "cache-control": directives(control) }),
      age: ageOf(response, nowMs),
    };
    return new (policyClass(this.#clock))(
      asAsked(request, scope),
      { status: response.status, headers },
      { shared: false, cacheHeuristic: 0, immutableMinTimeToLive: 0 },
    );
  }

  /** A write that may have changed what an address shows makes what is kept of it void. @see https://www.rfc-editor.org/rfc/rfc9111#section-4.4 */
  #afterWrite(request: WireRequest, scope: string, response: WireResponse): WireResponse {
    if (response.status >= 200 && response.status < 400) this.forget(request, scope);
    return response;
  }
}

const keyOf = (url: URL, scope: string): string => `${scope}\n${url.href}`;

/** A whole answer that can be read: one that cannot must not be repeated for an hour. */
function isUsable(response: WireResponse): boolean {
  if (response.status !== 200) return false;
  try {
    bodyOf(response);
    return true;
  } catch {
    return false; // whoever reads it next says what is wrong with it
  }
}

/** The request as the cache's rules see it: whoever asks stands for the credential, also where an answer varies by it. */
const asAsked = ({ method, url, headers }: WireRequest, scope: string) => ({
  method,
  url: url.href,
  headers: { ...headers, authorization: scope },
});

/** Whether a 304 speaks of the kept answer: one that names no validator can mean no other than the one we named. */
function isAbout({ headers: answer }: WireResponse, { headers: kept }: WireResponse): boolean {
  const strong = (etag: string) => etag.replace(/^W\//, "");
  if (answer["etag"] !== undefined) return kept["etag"] !== undefined && strong(answer["etag"]) === strong(kept["etag"]);
  if (answer["last-modified"] === undefined || kept["etag"] !== undefined) return true;
  return answer["last-modified"] === kept["last-modified"];
}

/**
 * `Cache-Control` as the library wants it: names in lower case; of two lifetimes none. What only matters to whoever answers stale is left out: we never
 * do, and the library would take `must-revalidate` for "never fresh".
 */
function directives(header: string): string {
  const staleOnly = new Set(["must-revalidate", "proxy-revalidate", "stale-while-revalidate", "stale-if-error"]);
  const found = new Map<string, string>();
  for (const [, name = "", value] of header.matchAll(/([\w-]+)(?:\s*=\s*("[^"]*"|[^\s,]*))?/g)) {
    const key = name.toLowerCase();
    const text = value === undefined ? key : `${key}=${value.replaceAll(/[",]/g, " ").trim()}`;
    const isTwofold = found.has(key) && found.get(key) !== text;
    if (!staleOnly.has(key)) found.set(key, isTwofold && key === "max-age" ? "max-age=0" : text);
  }
  return [...found.values()].join(", ");
}

/** The answer's age in seconds when it came: what the caches before us say, or what its `Date` says, whichever is more. */
function ageOf({ headers }: WireResponse, nowMs: number): string {
  const stated = Number(headers["age"] ?? 0);
  const apparent = (nowMs - Date.parse(headers["date"] ?? "")) / 1000;
  return String(Math.max(0, Number.isFinite(stated) ? stated : 0, Number.isFinite(apparent) ? Math.floor(apparent) : 0));
}

/** The library's policy on our clock. It asks for the time before a field of a subclass could hold the clock. */
function policyClass(clock: Clock): typeof CachePolicy {
  const known = policyClasses.get(clock);
  if (known) return known;
  const Timed = class extends CachePolicy {
    now(): number {
      return clock.nowMs();
    }
  };
  policyClasses.set(clock, Timed);
  return Timed;
}
const policyClasses = new WeakMap<Clock, typeof CachePolicy>();
