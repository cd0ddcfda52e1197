import { runRandomFaults } from "../../support/random-faults.ts";

/** So many people are some 5,000 accounts. */
const customers = Number(process.argv[2] ?? 6_500);

const { calls, broken, retries, verdict, truth, live, pullMs, liveMs } = await runRandomFaults({ customers, percent: 1 });
const wrong = live.records.filter((record, at) => JSON.stringify(record) !== JSON.stringify(truth[at])).length;
const rows = {
  requests: `${calls.pull} in the pull, ${calls.live} live`,
  "faults met": broken,
  retries,
  "pull, records of those that there are": `${verdict.records} of ${truth.length}, ${verdict.duplicateKeys} twice, ${verdict.verdict}`,
  "live, records of those that there are": `${live.records.length} of ${truth.length}, ${wrong} wrong, ${live.failures.length} errors`,
  "time in s": `${(pullMs / 1000).toFixed(1)} pull, ${(liveMs / 1000).toFixed(1)} live`,
};
for (const [name, value] of Object.entries(rows)) console.log(`${name}: ${value}`);
const isSound = verdict.verdict === "complete" && verdict.records === truth.length && verdict.duplicateKeys === 0;
if (!isSound || live.records.length !== truth.length || wrong > 0) process.exitCode = 1;
