import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { clusterPairs, type ClusterRules, type Marks, noMarks, noPairs } from "../../../../src/identity/matching/cluster.ts";

type Pair = readonly [a: number, b: number, weight: number];
const rules = { leastWeight: 3, ties: noPairs, marks: noMarks };
const pair = (a: number, b: number, weight: number): Pair => [a, b, weight];
const columnsOf = (pairs: readonly (readonly number[])[]) => ({
  a: Int32Array.from(pairs, ([a]) => a!),
  b: Int32Array.from(pairs, ([, b]) => b!),
  weight: Float64Array.from(pairs, ([, , weight]) => weight ?? 0),
});
const clusters = (records: number, pairs: readonly Pair[], more: ClusterRules = rules) => [
  ...clusterPairs(records, columnsOf(pairs), more).roots,
];
/** Marks of so many records: each its own. */
const marksOf = (...records: readonly number[]): Marks => ({
  record: Int32Array.from(records),
  space: new Int32Array(records.length),
  value: Int32Array.from(records),
});

describe("clusterPairs", () => {
  it("puts together what a good pair links, and names a cluster by its smallest record", () => {
    expect(clusters(4, [pair(1, 3, 9)])).toEqual([0, 1, 2, 1]);
  });

  it("leaves apart what is below the threshold", () => {
    expect(clusters(2, [pair(0, 1, 2.9)])).toEqual([0, 1]);
  });

  it("does not chain two entities together by one pair that the others contradict", () => {
    const two = [pair(0, 1, 12), pair(2, 3, 12), pair(1, 2, 5), pair(0, 2, -10), pair(0, 3, -10), pair(1, 3, -10)];
    expect(clusters(4, two)).toEqual([0, 0, 2, 2]);
  });

  it("never puts two records with different marks together, however alike they are", () => {
    const pairs = [pair(0, 1, 30), pair(0, 2, 10), pair(1, 2, 5)];
    expect(clusters(3, pairs, { ...rules, marks: marksOf(0, 1) })).toEqual([0, 1, 0]);
  });

  it("leaves a record alone that might as well be either of two", () => {
    expect(clusters(3, [pair(0, 2, 10), pair(1, 2, 9)], { ...rules, marks: marksOf(0, 1) })).toEqual([0, 1, 2]);
  });

  it("puts together what is tied, however unlike, unless their marks differ", () => {
    const ties = columnsOf([
      [0, 1],
      [1, 2],
    ]);
    expect(clusters(3, [pair(0, 1, -10)], { ...rules, ties, marks: marksOf(0, 2) })).toEqual([0, 0, 2]);
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
        expect(clusters(10, shuffled)).toEqual(clusters(10, pairs));
      }),
    );
  });
});
