import { describe, expect, it } from "@jest/globals";
import { UpstreamError } from "../../../src/core/errors.ts";
import { systemClock } from "../../../src/core/ports.ts";
import { SharedReads } from "../../../src/gateway/shared-reads.ts";
import type { CatalogEntry } from "../../../src/source/catalog.ts";
import type { CallContext } from "../../../src/upstream/context.ts";

const entry = { id: "crm.contacts", name: "contacts", source: { name: "crm" } } as CatalogEntry;
const waiter = (signal = new AbortController().signal): CallContext => ({
  priority: "live",
  signal,
  deadlineAtMs: Date.now() + 1_000,
  requestId: "r",
});

/** Reads that are answered by hand, and a record of what was asked for. */
function byHand() {
  const asked: (readonly string[])[] = [];
  const contexts: CallContext[] = [];
  const answers: (() => void)[] = [];
  const load = (keys: readonly string[], context: CallContext) => {
    asked.push(keys);
    contexts.push(context);
    return new Promise<Map<string, object | null | Error>>((resolve, reject) => {
      context.signal.addEventListener("abort", () => reject(context.signal.reason as Error));
      answers.push(() =>
        resolve(new Map(keys.map(key => [key, key === "bad" ? new Error("bad key") : key === "none" ? null : { key }]))),
      );
    });
  };
  return {
    asked,
    contexts,
    answer: () => answers.forEach(each => each()),
    plan: { scope: "s", entry, freshMs: 60_000, maxAgeMs: { read: 0, kept: Infinity }, load },
  };
}

describe("SharedReads", () => {
  it("asks once for what many requests want at the same time", async () => {
    const hand = byHand();
    const reads = new SharedReads<object>(100, systemClock, () => Infinity);
    const both = Promise.all([reads.readMany(hand.plan, ["a", "b"], waiter()), reads.readMany(hand.plan, ["b", "c"], waiter())]);
    hand.answer();
    expect(await both).toEqual([
      [{ key: "a" }, { key: "b" }],
      [{ key: "b" }, { key: "c" }],
    ]);
    expect(hand.asked).toEqual([["a", "b"], ["c"]]);
  });

  it("keeps answers, also that there is none, but never failures", async () => {
    const hand = byHand();
    const reads = new SharedReads<object>(100, systemClock, () => Infinity);
    const first = reads.readMany(hand.plan, ["a", "none", "bad"], waiter());
    hand.answer();
    expect(await first).toEqual([{ key: "a" }, null, new Error("bad key")]);
    expect([reads.peek("s", "a", Infinity), reads.peek("s", "none", Infinity), reads.peek("s", "bad", Infinity)]).toEqual([
      { key: "a" },
      null,
      undefined,
    ]);
    const second = reads.readMany(hand.plan, ["a", "none", "bad"], waiter());
    hand.answer();
    await second;
    expect(hand.asked.at(-1)).toEqual(["bad"]);
  });

  it("leaves the work to the others when one asker goes, and cancels it when the last one goes", async () => {
    const hand = byHand();
    const reads = new SharedReads<object>(100, systemClock, () => Infinity);
    const [one, two] = [new AbortController(), new AbortController()];
    const first = reads.readMany(hand.plan, ["a"], waiter(one.signal));
    const second = reads.readMany(hand.plan, ["a"], waiter(two.signal));
    one.abort(new UpstreamError("UPSTREAM_CANCELLED", "gone"));
    expect(await first).toMatchObject([{ code: "UPSTREAM_CANCELLED" }]);
    expect(hand.contexts[0]?.signal.aborted).toBe(false);
    two.abort(new UpstreamError("UPSTREAM_DEADLINE", "late"));
    expect(await second).toMatchObject([{ code: "UPSTREAM_DEADLINE" }]);
    expect(hand.contexts[0]?.signal.aborted).toBe(true);
  });

  it("keeps the answers of different scopes apart", async () => {
    const hand = byHand();
    const reads = new SharedReads<object>(100, systemClock, () => Infinity);
    const first = reads.readMany(hand.plan, ["a"], waiter());
    hand.answer();
    await first;
    expect(reads.peek("other", "a", Infinity)).toBeUndefined();
  });

  it("keeps to how old an answer may be: what is kept, and what is being read for somebody less strict", async () => {
    const hand = byHand();
    const clock = { nowMs: () => 10_000 };
    const reads = new SharedReads<object>(100, clock, () => 4_000);
    const lenient = { ...hand.plan, maxAgeMs: { read: 8_000, kept: 8_000 } };
    const strict = { ...hand.plan, maxAgeMs: { read: 5_000, kept: 5_000 } };
    const both = Promise.all([reads.readMany(lenient, ["a"], waiter()), reads.readMany(strict, ["a"], waiter())]);
    hand.answer();
    await both;
    expect(hand.asked).toEqual([["a"], ["a"]]);
    const kept = reads.readMany(lenient, ["a"], waiter());
    expect(await kept).toEqual([{ key: "a" }]);
    const anew = reads.readMany(strict, ["a"], waiter());
    const joined = reads.readMany({ ...strict, maxAgeMs: { read: 5_500, kept: 5_500 } }, ["a"], waiter());
    hand.answer();
    await Promise.all([anew, joined]);
    expect(hand.asked).toEqual([["a"], ["a"], ["a"]]);
  });
});
