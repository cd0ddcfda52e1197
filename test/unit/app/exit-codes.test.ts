import { describe, expect, it } from "@jest/globals";
import { exitCodeOf } from "../../../src/app/exit-codes.ts";
import type { CollectionVerdict } from "../../../src/pipeline/pull.ts";

const verdict = (word: CollectionVerdict["verdict"], pausedUntil?: string) =>
  ({ verdict: word, ...(pausedUntil !== undefined && { pausedUntil }) }) as CollectionVerdict;

describe("exitCodeOf", () => {
  it("tells complete, partial and paused apart", () => {
    const [complete, paused] = [verdict("complete"), verdict("partial", "2026-02-01T00:00:00.000Z")];
    expect(exitCodeOf([complete, complete])).toBe(0);
    expect(exitCodeOf([complete, paused])).toBe(3);
    expect(exitCodeOf([paused, verdict("partial")])).toBe(2);
    expect(exitCodeOf([complete, verdict("unknown")])).toBe(2);
  });
});
