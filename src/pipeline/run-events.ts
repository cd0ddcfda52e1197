import { randomUUID } from "node:crypto";
import { appendFile, mkdir } from "node:fs/promises";
import { asError, TributaryError } from "../core/errors.ts";
import { systemClock } from "../core/ports.ts";
import { guarded } from "../store/raw/durable.ts";
import type { DatasetManifest } from "./dataset.ts";
import { type BuildInput, reportInput } from "./inputs.ts";
import { type BuildRun, completeEvent, failEvent, type RunEvent, startEvent } from "./openlineage.ts";

/** Where the steps of a build are told, beside the file. */
export interface LineageTarget {
  readonly namespace: string;
  /** Must not reject: a build does not fail for it. */
  readonly emit: (event: RunEvent) => Promise<void>;
}

interface RunParts {
  readonly home: string;
  readonly version: string;
  readonly inputs: readonly BuildInput[];
  readonly target?: LineageTarget | undefined;
}

const NAMESPACE = "tributary";

/** The file of the events of every build of a version, one JSON object a line. It is no part of the dataset: that does not depend on when it was built. */
export const eventsFile = (home: string, version: string): string => `${home}/openlineage/${version}.jsonl`;

/** Runs a build and tells of its start and of its end. Throws what the build throws, and `STORE_UNAVAILABLE`. */
export async function withRunEvents(parts: RunParts, work: () => Promise<DatasetManifest>): Promise<DatasetManifest> {
  const { inputs, target } = parts;
  const run: BuildRun = { runId: randomUUID(), namespace: target?.namespace ?? NAMESPACE, inputs: inputs.map(reportInput) };
  const now = () => new Date(systemClock.nowMs()).toISOString();
  await tell(parts, startEvent(run, now()));
  try {
    const manifest = await work();
    await tell(parts, completeEvent(run, now(), manifest));
    return manifest;
  } catch (thrown) {
    // Whatever comes of telling it, the caller is to see why the build failed.
    await Promise.allSettled([tell(parts, failEvent(run, now(), messageOf(thrown)))]);
    throw thrown;
  }
}

async function tell({ home, version, target }: RunParts, event: RunEvent): Promise<void> {
  const path = eventsFile(home, version);
  await guarded(path, async () => {
    await mkdir(`${home}/openlineage`, { recursive: true });
    await appendFile(path, `${JSON.stringify(event)}\n`);
  });
  await target?.emit(event);
}

/** Our own errors say nothing that may not be shown; of others the kind is told. */
const messageOf = (thrown: unknown): string =>
  thrown instanceof TributaryError ? `${thrown.code}: ${thrown.message}` : asError(thrown).name;
