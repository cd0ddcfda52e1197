import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { fixedWindow, leakyBucket, slidingWindow } from "../../../src/sandbox/quota.ts";

describe("slidingWindow", () => {
  it("never grants more than its limit in any stretch of the window, and refuses only when the window is full", () => {
    const steps = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 9 }), (gaps, limit) => {
        const quota = slidingWindow({ limit, windowMs: 100 });
        const granted: number[] = [];
        let now = 1_000_000;
        return gaps.every(gap => {
          now += gap;
          const inWindow = granted.filter(at => at > now - 100).length;
          const answer = quota.take(now);
          if (answer.granted) granted.push(now);
          return answer.granted === inWindow < limit && answer.remaining === limit - Math.min(limit, inWindow + 1);
        });
      }),
    );
  });

  it("says when enough units return, and they do then but not a millisecond before", () => {
    const quota = slidingWindow({ limit: 5, windowMs: 1000 });
    for (const at of [0, 100, 200, 300, 400]) quota.take(at);
    const { granted, resetMs } = quota.take(450, 3);
    expect({ granted, resetMs }).toEqual({ granted: false, resetMs: 750 });
    expect(quota.take(1199, 3).granted).toBe(false);
    expect(quota.take(1200, 3).granted).toBe(true);
  });

  it("spends nothing on a refusal or a look, and forgets on reset", () => {
    const quota = slidingWindow({ limit: 2, windowMs: 1000 });
    expect(quota.take(0, 3).granted).toBe(false);
    expect(quota.peek(0)).toEqual({ granted: true, remaining: 2, resetMs: 0 });
    quota.take(0, 2);
    quota.reset();
    expect(quota.take(1, 2)).toEqual({ granted: true, remaining: 0, resetMs: 1000 });
  });
});

describe("fixedWindow", () => {
  it("opens with the first request and forgets all at once", () => {
    const quota = fixedWindow({ limit: 2, windowMs: 1000 });
    expect(quota.take(500)).toEqual({ granted: true, remaining: 1, resetMs: 1000 });
    expect(quota.take(1400)).toEqual({ granted: true, remaining: 0, resetMs: 100 });
    expect(quota.take(1499)).toEqual({ granted: false, remaining: 0, resetMs: 1 });
    expect(quota.take(1500)).toEqual({ granted: true, remaining: 1, resetMs: 1000 });
  });
});

describe("leakyBucket", () => {
  it("refills steadily up to its capacity", () => {
    const quota = leakyBucket({ capacity: 100, restorePerSecond: 10 });
    expect(quota.take(0, 100)).toEqual({ granted: true, remaining: 0, resetMs: 10_000 });
    expect(quota.take(1000, 11)).toEqual({ granted: false, remaining: 10, resetMs: 100 });
    expect(quota.take(1100, 11)).toEqual({ granted: true, remaining: 0, resetMs: 10_000 });
    expect(quota.peek(1_000_000).remaining).toBe(100);
  });
});
