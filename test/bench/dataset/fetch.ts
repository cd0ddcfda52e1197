import { pullSandbox, startSandbox } from "./sandbox.ts";

/** Pulls a sandbox of so many customers into a folder, once, for `build.ts`: `fetch.ts <customers> <folder> [sources]`. */
const [customers, home, sources] = [Number(process.argv[2]), process.argv[3]!, process.argv[4]?.split(",")];
const sandbox = await startSandbox(customers);
const startedAtMs = performance.now();
try {
  const { verdicts } = await pullSandbox(sandbox.environment, home, sources);
  for (const { source, collection, verdict, records } of verdicts)
    console.log(`${source}.${collection}: ${records} records, ${verdict}`);
  const records = verdicts.reduce((sum, each) => sum + each.records, 0);
  console.log(`${records} records in ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`);
} finally {
  sandbox.stop();
}
