import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { clusterPairs, type ScoredPair } from "../../../../src/identity/matching/cluster.ts";

const rules = { leastWeight: 3, ties: [], marksOf: () => undefined };
const pair = (a: number, b: number, weight: number): ScoredPair => ({ a, b, weight });

describe("clusterPairs", () => {
  it("puts together what a good pair links, and names a cluster by its smallest record", () => {
    expect([...clusterPairs(4, [pair(1, 3, 9)], rules)]).toEqual([0, 1, 2, 1]);
  });

  it("leaves apart what is below the threshold", () => {
    expect([...clusterPairs(2, [pair(0, 1, 2.9)], rules)]).toEqual([0, 1]);
  });

  it("does not chain two entities together by one pair that the others contradict", () => {
    const two = [pair(0, 1, 12), pair(2, 3, 12), pair(1, 2, 5), pair(0, 2, -10), pair(0, 3, -10), pair(1, 3, -10)];
    expect([...clusterPairs(4, two, rules)]).toEqual([0, 0, 2, 2]);
  });

  it("never puts two records with different marks together, however alike they are", () => {
    const marksOf = (record: number) => (record < 2 ? new Map([["file", String(record)]]) : undefined);
    const pairs = [pair(0, 1, 30), pair(0, 2, 10), pair(1, 2, 5)];
    expect([...clusterPairs(3, pairs, { ...rules, marksOf })]).toEqual([0, 1, 0]);
  });

  it("leaves a record alone that might as well be either of two", () => {
    const marksOf = (record: number) => (record < 2 ? new Map([["file", String(record)]]) : undefined);
    expect([...clusterPairs(3, [pair(0, 2, 10), pair(1, 2, 9)], { ...rules, marksOf })]).toEqual([0, 1, 2]);
  });

  it("puts together what is tied, however unlike, unless their marks differ", () => {
    const ties = [
      [0, 1],
      [1, 2],
    ] as const;
    const marksOf = (record: number) => (record === 1 ? undefined : new Map([["account", String(record)]]));
    expect([...clusterPairs(3, [pair(0, 1, -10)], { ...rules, ties, marksOf })]).toEqual([0, 0, 2]);
  });

  it("does not depend on the order of the pairs", () => {
    const scored = fc
      .uniqueArray(fc.tuple(fc.nat(9), fc.nat(9)), { selector: ([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`, maxLength: 30 })
      .chain(keys =>
        fc.tuple(
          fc.constant(keys),
          fc.array(fc.integer({ min: -12, max: 12 }), { minLength: keys.length, maxLength: keys.length }),
        ),
      )
      .map(([keys, weights]) =>
        keys.flatMap(([a, b], at) => (a === b ? [] : [pair(Math.min(a, b), Math.max(a, b), weights[at] ?? 0)])),
      );
    fc.assert(
      fc.property(scored, fc.infiniteStream(fc.nat()), (pairs, dice) => {
        const shuffled = pairs
          .map(each => ({ each, at: dice.next().value as number }))
          .sort((x, y) => x.at - y.at)
          .map(({ each }) => each);
        expect([...clusterPairs(10, shuffled, rules)]).toEqual([...clusterPairs(10, pairs, rules)]);
      }),
    );
  });
});
