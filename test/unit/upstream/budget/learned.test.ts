import { describe, expect, it } from "@jest/globals";
import { xRateLimit } from "../../../../src/source/limits.ts";
import { actualCost, learnedFrom, resetAt } from "../../../../src/upstream/budget/learned.ts";

const NOW = Date.UTC(2026, 10, 23);

describe("resetAt", () => {
  it.each([
    ["30", "delta-seconds", NOW + 30_000],
    ["30", "delta-milliseconds", NOW + 30],
    [String(NOW / 1000 + 30), "epoch-seconds", NOW + 30_000],
    [String(NOW + 30), "epoch-milliseconds", NOW + 30],
    ["Mon, 23 Nov 2026 00:00:30 GMT", "http-date", NOW + 30_000],
    ["0", "delta-seconds", NOW],
    [String(NOW / 1000 - 30), "epoch-seconds", NOW],
    ["-5", "delta-seconds", null],
    ["soon", "delta-seconds", null],
    ["", "delta-seconds", null],
    [undefined, "delta-seconds", null],
    ["99999999999", "delta-seconds", null],
    ["1e400", "epoch-seconds", null],
  ] as const)("%s in %s", (text, unit, expected) => {
    expect(resetAt(text, unit, NOW)).toBe(expected);
  });
});

describe("learnedFrom", () => {
  const limits = (learned: Parameters<typeof learnedFrom>[0], headers: Record<string, string>, body?: object) =>
    learnedFrom(learned, headers, body as never, NOW).map(({ left, allowed, resetsAtMs, windowMs }) => [
      left,
      allowed,
      resetsAtMs === null ? null : resetsAtMs - NOW,
      windowMs,
    ]);

  it("reads what is said of single operations, and nothing where nothing sensible is said", () => {
    const endpoints = [{ header: "Zendesk-RateLimit-tickets-index", operations: ["tickets.list"] }];
    const said = (text: string) => learnedFrom({ endpoints }, { "zendesk-ratelimit-tickets-index": text }, undefined, NOW);
    expect(said("total=100; remaining=99; resets=41")).toEqual([
      expect.objectContaining({ left: 99, allowed: 100, resetsAtMs: NOW + 41_000, operations: ["tickets.list"] }),
    ]);
    expect(said("remaining=7")).toEqual([expect.objectContaining({ left: 7, allowed: null, resetsAtMs: null })]);
    for (const text of ["", "total=100", "remaining=-1", "remaining=x; resets=2"]) expect(said(text)).toEqual([]);
  });

  it("reads RateLimit and RateLimit-Policy, several policies at once", () => {
    const headers = {
      ratelimit: '"burst";r=5;t=3, "daily";r=900;t=3600',
      "ratelimit-policy": '"burst";q=10;w=10, "daily";q=1000;w=86400',
    };
    expect(limits({ hasRateLimitFields: true }, headers)).toEqual([
      [5, 10, 3_000, 10_000],
      [900, 1000, 3_600_000, 86_400_000],
    ]);
  });

  it("reads the older forms of both", () => {
    const older = { "ratelimit-limit": "100", "ratelimit-remaining": "7", "ratelimit-reset": "20" };
    expect(limits({ hasRateLimitFields: true }, older)).toEqual([[7, 100, 20_000, null]]);
    expect(limits({ hasRateLimitFields: true }, { ratelimit: "limit=100, remaining=7, reset=20" })).toEqual([
      [7, null, 20_000, null],
    ]);
  });

  it.each(["", "???", "7", '"a";r=-1', '"a";r="many"'])("takes nothing from RateLimit: %s", text => {
    expect(limits({ hasRateLimitFields: true }, { ratelimit: text })).toEqual([]);
  });

  it("reads X-RateLimit headers in the unit that is declared", () => {
    const headers = { "x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(NOW / 1000 + 9) };
    expect(limits({ headers: [xRateLimit("epoch-seconds")] }, headers)).toEqual([[0, 60, 9_000, null]]);
  });

  it("takes nothing from a header that is empty, missing or no number", () => {
    for (const text of ["", "many"]) expect(limits({ headers: [{ remaining: "Left" }] }, { left: text })).toEqual([]);
    expect(limits({ headers: [{ remaining: "Left" }] }, {})).toEqual([]);
  });

  it("reads what is used of what is allowed", () => {
    const usage = { header: "Sforce-Limit-Info", name: "api-usage" };
    const text = "per-app-api-usage=17/250(appName=x); api-usage=25/5000";
    expect(limits({ usage }, { "sforce-limit-info": text })).toEqual([[4975, 5000, null, null]]);
  });

  it("reads the points that a GraphQL answer leaves, and what it cost", () => {
    const cost = { available: "extensions.cost.left", actual: "extensions.cost.actual" };
    const body = { extensions: { cost: { left: 12, actual: 3 } } };
    expect(limits({ cost }, {}, body)).toEqual([[12, null, null, null]]);
    expect(actualCost({ cost }, body)).toBe(3);
    expect(actualCost({ cost }, {})).toBeUndefined();
  });
});
