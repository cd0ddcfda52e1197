import { beforeAll, describe, expect, it } from "@jest/globals";
import { type RandomFaults, runRandomFaults } from "../support/random-faults.ts";

let run: RandomFaults;
beforeAll(async () => {
  run = await runRandomFaults({ customers: 1_300, percent: 1 });
}, 120_000);

describe("a source that fails one request in a hundred, in every way", () => {
  it("is asked some 2,000 times and fails some 20 times", () => {
    expect(run.calls.pull + run.calls.live).toBeGreaterThan(1_800);
    expect(run.broken).toBeGreaterThan(5);
  });

  it("is pulled whole: every record once", () => {
    const { verdict, records, duplicateKeys, missingKeys, brokenRecords } = run.verdict;
    expect({ verdict, records, duplicateKeys, missingKeys, brokenRecords }).toEqual({
      verdict: "complete",
      records: run.truth.length,
      duplicateKeys: 0,
      missingKeys: 0,
      brokenRecords: 0,
    });
  });

  it("answers every lookup with the true record", () => {
    expect(run.live.failures).toEqual([]);
    expect(run.live.records).toEqual(run.truth);
  });

  it("is retried for its failures and nothing else, within the retry budget", () => {
    expect(run.retries).toBeLessThanOrEqual(run.broken);
    expect(run.retries).toBeLessThanOrEqual(0.1 * (run.calls.pull + run.calls.live));
    expect(run.calls.pull + run.calls.live).toBe(2 * run.truth.length + run.broken);
  });
});
