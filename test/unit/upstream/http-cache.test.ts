import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Clock } from "../../../src/core/ports.ts";
import { HttpCache } from "../../../src/upstream/http-cache.ts";
import { bodyOf, type WireRequest, type WireResponse } from "../../../src/upstream/wire.ts";

const startMs = Date.parse("2026-01-05T12:00:00Z");

/** A cache on a clock that stands still until it is moved. */
function cacheAt(maxBytes?: number) {
  const time = { nowMs: startMs };
  const clock: Clock = { nowMs: () => time.nowMs, sleep: async () => undefined };
  const pass = (seconds: number) => void (time.nowMs += seconds * 1000);
  return { cache: new HttpCache({ clock, ...(maxBytes !== undefined && { maxBytes }) }), pass, time };
}
const request = (path = "/rates", headers: Record<string, string> = {}): WireRequest => ({
  method: "GET",
  url: new URL(`https://source.example${path}`),
  headers: { accept: "application/json", ...headers },
});
const answer = (headers: Record<string, string>, text = '{"rate":1.1}', status = 200): WireResponse => ({
  status,
  headers,
  text,
});
const asked = (wire: WireRequest) => ({ etag: wire.headers["if-none-match"], since: wire.headers["if-modified-since"] });
const since = "Mon, 05 Jan 2026 11:00:00 GMT";

describe("HttpCache", () => {
  it("answers while fresh, under the present age, and asks on condition from then on", () => {
    const { cache, pass } = cacheAt();
    cache.settle(request(), "a", answer({ "cache-control": "max-age=60", etag: '"1"' }));
    pass(59);
    expect(cache.fresh(request(), "a")).toMatchObject({ status: 200, text: '{"rate":1.1}', headers: { age: "59" } });
    pass(1);
    expect(cache.fresh(request(), "a")).toBeUndefined();
    expect(asked(cache.conditional(request(), "a"))).toEqual({ etag: '"1"', since: undefined });
  });

  it.each([
    ["max-age=60, must-revalidate", true],
    ["MAX-AGE=60", true],
    ['max-age="60"', true],
    ["private, max-age=60", true],
    ["max-age=60, stale-while-revalidate=600", true],
    ["max-age=60, s-maxage=0, proxy-revalidate", true],
    ["s-maxage=60", false],
    ["public", false],
    ["immutable", false],
    ["no-cache", false],
    ["max-age=60, no-cache", false],
    ["max-age=0", false],
    ["max-age=-5", false],
    ["max-age=abc", false],
    ["max-age=60, max-age=600", false],
    ["max-age=60, No-Store", false],
    ["", false],
  ])("with Cache-Control %j is fresh: %s", (control, isFresh) => {
    const { cache } = cacheAt();
    cache.settle(request(), "a", answer({ "cache-control": control, etag: '"1"' }));
    expect(cache.fresh(request(), "a") !== undefined).toBe(isFresh);
  });

  it("is never fresh beyond its lifetime, whatever else the header allows", () => {
    for (const control of ["max-age=60, stale-while-revalidate=600", "max-age=60, stale-if-error=600", "max-age=60, immutable"]) {
      const { cache, pass } = cacheAt();
      cache.settle(request(), "a", answer({ "cache-control": control, etag: '"1"' }));
      pass(60);
      expect(cache.fresh(request(), "a")).toBeUndefined();
    }
  });

  it("counts the age that an answer had when it came, by Age or by Date", () => {
    const { cache, pass } = cacheAt();
    cache.settle(request("/a"), "a", answer({ "cache-control": "max-age=60", age: "50" }));
    cache.settle(request("/d"), "a", answer({ "cache-control": "max-age=60", date: new Date(startMs - 50_000).toUTCString() }));
    pass(9);
    expect(cache.fresh(request("/a"), "a")).toBeDefined();
    expect(cache.fresh(request("/d"), "a")).toBeDefined();
    pass(1);
    expect(cache.fresh(request("/a"), "a")).toBeUndefined();
    expect(cache.fresh(request("/d"), "a")).toBeUndefined();
  });

  it("reads Expires where there is no max-age, and guesses no lifetime from Last-Modified", () => {
    const { cache } = cacheAt();
    const date = new Date(startMs).toUTCString();
    cache.settle(request("/e"), "a", answer({ date, expires: new Date(startMs + 60_000).toUTCString() }));
    cache.settle(request("/z"), "a", answer({ date, expires: "0", etag: '"1"' }));
    cache.settle(request("/l"), "a", answer({ date, "last-modified": "Thu, 01 Jan 2015 00:00:00 GMT" }));
    expect(cache.fresh(request("/e"), "a")).toBeDefined();
    expect(cache.fresh(request("/z"), "a")).toBeUndefined();
    expect(cache.fresh(request("/l"), "a")).toBeUndefined();
    expect(asked(cache.conditional(request("/l"), "a")).since).toBe("Thu, 01 Jan 2015 00:00:00 GMT");
  });

  it("gives for a 304 what it kept, parsed only once, under the new headers", () => {
    const { cache, pass } = cacheAt();
    const first = cache.settle(request(), "a", answer({ "cache-control": "max-age=1", etag: '"1"', "x-remaining": "9" }));
    const body = bodyOf(first);
    pass(100);
    const renewed = cache.settle(
      request(),
      "a",
      answer({ etag: '"1"', "x-remaining": "8", "cache-control": "max-age=60", "content-length": "0" }, "", 304),
    );
    expect(renewed).toMatchObject({ status: 200, text: first.text, headers: { "x-remaining": "8" } });
    expect(renewed.headers).not.toHaveProperty("content-length");
    expect(bodyOf(renewed)).toBe(body);
    pass(59);
    expect(cache.fresh(request(), "a")).toBeDefined();
    pass(1);
    expect(cache.fresh(request(), "a")).toBeUndefined();
  });

  it.each([
    ["no validator", {}],
    ["the weak form of the same tag", { etag: 'W/"1"' }],
    ["the same tag and another date", { etag: '"1"', "last-modified": since }],
  ])("takes a 304 with %s for what it kept", (_name, headers) => {
    const { cache } = cacheAt();
    cache.settle(request(), "a", answer({ etag: '"1"', "last-modified": since }));
    expect(cache.settle(request(), "a", answer(headers, "", 304)).text).toBe('{"rate":1.1}');
  });

  it("counts age from the 304, also where that one states neither age nor date", () => {
    const { cache, pass } = cacheAt();
    const date = new Date(startMs).toUTCString();
    cache.settle(request(), "a", answer({ "cache-control": "max-age=60", etag: '"1"', age: "30", date }));
    pass(90);
    cache.settle(request(), "a", answer({ etag: '"1"' }, "", 304));
    pass(59);
    expect(cache.fresh(request(), "a")).toMatchObject({ headers: { age: "59" } });
  });

  it("fails for a 304 about something else, and asks without condition the next time", () => {
    const { cache } = cacheAt();
    const unasked = () => cache.settle(request(), "a", answer({ etag: '"2"' }, "", 304));
    expect(unasked).toThrow(expect.objectContaining({ code: "UPSTREAM_MALFORMED", retryable: true }));
    cache.settle(request(), "a", answer({ etag: '"1"' }));
    expect(unasked).toThrow(expect.objectContaining({ code: "UPSTREAM_MALFORMED", retryable: true }));
    expect(asked(cache.conditional(request(), "a"))).toEqual({ etag: undefined, since: undefined });
  });

  it("shows nobody what was kept for another credential", () => {
    const { cache } = cacheAt();
    cache.settle(request(), "anna", answer({ "cache-control": "max-age=60, public", etag: '"1"' }));
    expect(cache.fresh(request(), "ben")).toBeUndefined();
    expect(asked(cache.conditional(request(), "ben")).etag).toBeUndefined();
    expect(cache.fresh(request(), "anna")).toBeDefined();
  });

  it("tells variants apart by what they vary with, and keeps none that vary with anything", () => {
    const { cache } = cacheAt();
    const keep = (vary: string) => cache.settle(request(), "a", answer({ "cache-control": "max-age=60", etag: '"1"', vary }));
    keep("Accept, Authorization");
    expect(cache.fresh(request(), "a")).toBeDefined();
    expect(cache.fresh(request("/rates", { authorization: "a renewed token of the same scope" }), "a")).toBeDefined();
    const other = request("/rates", { accept: "text/csv" });
    expect(cache.fresh(other, "a")).toBeUndefined();
    expect(asked(cache.conditional(other, "a")).etag).toBeUndefined();
    for (const vary of ["*", "Accept, *"]) {
      keep(vary);
      expect(cache.fresh(request(), "a")).toBeUndefined();
      expect(asked(cache.conditional(request(), "a")).etag).toBeUndefined();
    }
  });

  it.each([
    ["no-store", answer({ "cache-control": "no-store", etag: '"2"' })],
    ["nothing that could be asked for again", answer({})],
    ["a body that is no JSON", answer({ "cache-control": "max-age=60", etag: '"2"' }, "<html>")],
  ])("does not keep an answer with %s", (_name, response) => {
    const { cache } = cacheAt();
    cache.settle(request(), "a", response);
    expect(cache.fresh(request(), "a")).toBeUndefined();
    expect(asked(cache.conditional(request(), "a")).etag).toBeUndefined();
  });

  it("keeps what it has over a failure, and gives nothing stale in place of one", () => {
    const { cache, pass } = cacheAt();
    cache.settle(request(), "a", answer({ "cache-control": "max-age=10, stale-if-error=600", etag: '"1"' }));
    pass(20);
    const failure = answer({}, "{}", 503);
    expect(cache.settle(request(), "a", failure)).toBe(failure);
    expect(asked(cache.conditional(request(), "a")).etag).toBe('"1"');
  });

  it("keeps nothing of other methods and parts, and forgets what a write may have changed", () => {
    const { cache } = cacheAt();
    const fresh = answer({ "cache-control": "max-age=60" });
    cache.settle({ ...request(), method: "POST" }, "a", fresh);
    cache.settle(request("/rates", { range: "bytes=0-1" }), "a", fresh);
    expect(cache.fresh(request(), "a")).toBeUndefined();
    cache.settle(request(), "a", fresh);
    cache.settle({ ...request(), method: "POST" }, "a", answer({}, "{}", 201));
    expect(cache.fresh(request(), "a")).toBeUndefined();
  });

  it("forgets on request, and holds no more than it may", () => {
    const { cache } = cacheAt(40_000);
    const large = answer({ "cache-control": "max-age=60" }, JSON.stringify("x".repeat(2_000)));
    for (let count = 0; count < 10; count++) cache.settle(request(`/${count}`), "a", large);
    const kept = Array.from({ length: 10 }, (_, count) => cache.fresh(request(`/${count}`), "a")).filter(Boolean);
    expect(kept).toHaveLength(4);
    cache.forget(request("/9"), "a");
    expect(cache.fresh(request("/9"), "a")).toBeUndefined();
    cache.clear();
    expect(cache.fresh(request("/8"), "a")).toBeUndefined();
  });

  it("whatever the headers, answers nobody else's, nothing older than its lifetime and nothing after no-store", () => {
    const seconds = fc.nat({ max: 200 });
    const header = fc.record({
      maxAge: fc.option(seconds),
      age: seconds,
      extra: fc.subarray(["no-cache", "must-revalidate", "private", "public", "no-store", "immutable", "stale-if-error=900"]),
    });
    fc.assert(
      fc.property(header, seconds, fc.constantFrom("a", "b"), ({ maxAge, age, extra }, waitS, scope) => {
        const { cache, pass } = cacheAt();
        const control = [...extra, ...(maxAge === null ? [] : [`max-age=${maxAge}`])].join(", ");
        cache.settle(request(), "a", answer({ "cache-control": control, age: String(age), etag: '"1"' }));
        pass(waitS);
        const mayAnswer =
          scope === "a" && maxAge !== null && age + waitS < maxAge && !extra.includes("no-cache") && !extra.includes("no-store");
        expect(cache.fresh(request(), scope) !== undefined).toBe(mayAnswer);
      }),
    );
  });
});
