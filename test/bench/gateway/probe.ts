/** Loaded before a measured server with `node --import`: tells the process that started it what the server has used. */
import { Session } from "node:inspector/promises";
import type { Profiler } from "node:inspector";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What a measured server has used so far. */
export interface Usage {
  /** User and system time since its start, in ms. */
  readonly cpuMs: number;
  readonly residentMiB: number;
  readonly heapMiB: number;
}

/** What may be asked of a measured server, with what it answers. `settled` collects all garbage first. */
export interface Answers {
  readonly usage: Usage;
  readonly settled: Usage;
  readonly startProfile: null;
  readonly stopProfile: Profiler.Profile;
}

const MIB = 1024 * 1024;
const SAMPLE_MICROSECONDS = 250;
const session = new Session();

function usage(): Usage {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return { cpuMs: (user + system) / 1000, residentMiB: rss / MIB, heapMiB: heapUsed / MIB };
}

function settled(): Usage {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return usage();
}

async function startProfile(): Promise<null> {
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: SAMPLE_MICROSECONDS });
  await session.post("Profiler.start");
  return null;
}

async function stopProfile(): Promise<Profiler.Profile> {
  const { profile } = await session.post("Profiler.stop");
  session.disconnect();
  return profile;
}

const answers: { readonly [Question in keyof Answers]: () => Answers[Question] | Promise<Answers[Question]> } = {
  usage,
  settled,
  startProfile,
  stopProfile,
};

process.on("message", async (question: keyof Answers) => process.send?.(await answers[question]()));
process.channel?.unref(); // else the server would not end by itself
