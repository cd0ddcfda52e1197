import { fork } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { build, DEFAULT_BUILD_MIB } from "../../../src/pipeline/build.ts";
import { discoverSources } from "../../../src/app/registry.ts";
import { DatasetStore } from "../../../src/pipeline/dataset.ts";
import { buildFloor } from "./floor.ts";

/**
 * What a build costs, beside the SQL that somebody would write by hand for the same files: `build.ts <home>…`, each a home that `fetch.ts` filled. Every run has a process
 * of its own.
 */
interface Measured {
  readonly seconds: number;
  readonly residentMib: number;
  /** Of a build: records of all collections, customers' records, and how long it took to find out who is who. */
  readonly records: number;
  readonly customerRecords: number;
  readonly identitySeconds: number;
}

const now = () => performance.now() / 1_000;

async function measureBuild(home: string): Promise<Omit<Measured, "residentMib">> {
  await rm(`${home}/dataset`, { recursive: true, force: true });
  const startedAt = now();
  let [normalizedAt, identitySeconds] = [startedAt, 0];
  const result = await build({
    catalog: await discoverSources(),
    home,
    onProgress({ stage }) {
      if (stage === "normalize") normalizedAt = now();
      if (stage === "identity") identitySeconds = now() - normalizedAt;
    },
  });
  const seconds = now() - startedAt;
  const records = result.collections.reduce((sum, collection) => sum + collection.records, 0);
  const customerRecords = result.tables.find(({ name }) => name === "identities")?.rows ?? 0;
  return { seconds, records, customerRecords, identitySeconds };
}

async function measureFloor(home: string): Promise<Omit<Measured, "residentMib">> {
  const store = new DatasetStore(home);
  const members = `${store.pathOf((await store.currentVersion())!)}/identities.parquet`;
  const startedAt = now();
  await buildFloor(home, members, `${home}/floor`, DEFAULT_BUILD_MIB);
  const seconds = now() - startedAt;
  await rm(`${home}/floor`, { recursive: true });
  return { seconds, records: 0, customerRecords: 0, identitySeconds: 0 };
}

async function inOwnProcess(kind: "build" | "floor", home: string): Promise<Measured> {
  const child = fork(import.meta.filename, [`--${kind}`, home], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const [message] = (await Promise.race([once(child, "message"), failed(child)])) as [Measured];
  return message;
}

async function failed(child: ReturnType<typeof fork>): Promise<never> {
  const [code] = (await once(child, "exit")) as [number | null];
  throw new Error(`a measuring process ended with ${code}`);
}

const [first, ...homes] = process.argv.slice(2);
if (first === "--build" || first === "--floor") {
  const measured = await (first === "--build" ? measureBuild : measureFloor)(homes[0]!);
  process.send!({ ...measured, residentMib: Math.round(process.resourceUsage().maxRSS / 1024) });
  process.disconnect();
} else {
  const fixed = (value: number) => value.toFixed(1);
  for (const home of [first!, ...homes]) {
    const built = await inOwnProcess("build", home);
    const floor = await inOwnProcess("floor", home);
    console.log(
      [
        `${home}: ${built.records} records in ${fixed(built.seconds)} s, ${built.residentMib} MiB`,
        `identity of ${built.customerRecords} records ${fixed(built.identitySeconds)} s`,
        `floor ${fixed(floor.seconds)} s, ${floor.residentMib} MiB`,
        `${fixed(built.seconds / floor.seconds)} x the floor, ${fixed((built.seconds - built.identitySeconds) / floor.seconds)} x without identity`,
        `${fixed((1e6 * built.seconds) / built.records)} us a record`,
      ].join("; "),
    );
  }
}
