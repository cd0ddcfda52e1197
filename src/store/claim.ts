import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { readFileSync } from "node:fs";
import { StoreError } from "../core/errors.ts";

/** A process that was killed a moment ago may still be listed; it is given this long, in ms, to be gone. */
const GRACE_MS = 3_000;
const STEP_MS = 100;
/** Files that this process has placed, or is about to. */
const held = new Set<string>();

/** Claims a directory for one user by a file beside it that names the process; resolves with what gives it back. */
export async function claim(directory: string): Promise<() => Promise<void>> {
  const file = `${directory}.lock`;
  if (held.has(file)) throw inUse(directory, process.pid);
  held.add(file);
  try {
    await place(directory, file);
  } catch (thrown) {
    held.delete(file);
    throw thrown;
  }
  return async () => {
    await rm(file, { force: true });
    held.delete(file);
  };
}

async function place(directory: string, file: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (let waitedMs = 0; !(await tryPlace(file)); waitedMs += STEP_MS) {
    const holder = await holderOf(file);
    if (holder !== undefined && isAlive(holder)) {
      if (waitedMs >= GRACE_MS) throw inUse(directory, holder);
      await sleep(STEP_MS);
    } else await clear(file);
  }
}

const inUse = (directory: string, holder: number): StoreError =>
  new StoreError("STORE_UNAVAILABLE", `process ${holder} uses ${directory}: stop it, or set another TRIBUTARY_HOME`, {
    retryable: false,
  });

/** Puts a file that names this process in its place, whole, unless there is one. */
async function tryPlace(file: string): Promise<boolean> {
  const own = `${file}.${process.pid}`;
  await writeFile(own, String(process.pid));
  try {
    await link(own, file);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw thrown;
  } finally {
    await rm(own, { force: true });
  }
}

async function holderOf(file: string): Promise<number | undefined> {
  try {
    return Number(await readFile(file, "utf8"));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw thrown;
  }
}

/** Removes what a dead process left behind; of several that find it only one does, while it holds the right to. */
async function clear(file: string): Promise<void> {
  const right = `${file}.clearing`;
  if (!(await tryPlace(right))) {
    const holder = await holderOf(right);
    if (holder !== undefined && !isAlive(holder)) await rm(right, { force: true });
    await sleep(STEP_MS);
    return;
  }
  try {
    const holder = await holderOf(file);
    if (holder !== undefined && !isAlive(holder)) await rm(file, { force: true });
  } finally {
    await rm(right, { force: true });
  }
}

/** Whether a process runs; signal 0 only asks. One that belongs to somebody else runs too; one that only waits to be buried does not. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false; // our own number on an old file: a predecessor had it
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
  return !isBuried(pid);
}

function isBuried(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.startsWith("Z") === true;
  } catch {
    return false; // not a system that tells
  }
}
