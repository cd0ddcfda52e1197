import { mkdir, open, readFile, rm } from "node:fs/promises";
import { StoreError } from "../core/errors.ts";

/** Claims a directory for this process by a file beside it that names the process; resolves with what gives it back. */
export async function claim(directory: string): Promise<() => Promise<void>> {
  const file = `${directory}.lock`;
  await mkdir(directory, { recursive: true });
  if (!(await tryCreate(file))) {
    const holder = Number(await readFile(file, "utf8"));
    if (isAlive(holder)) throw inUse(directory, holder);
    await rm(file, { force: true }); // left behind by a process that was killed
    if (!(await tryCreate(file))) throw inUse(directory, holder);
  }
  return () => rm(file, { force: true });
}

const inUse = (directory: string, holder: number): StoreError =>
  new StoreError("STORE_UNAVAILABLE", `process ${holder} uses ${directory}: stop it, or set another TRIBUTARY_HOME`, {
    retryable: false,
  });

async function tryCreate(file: string): Promise<boolean> {
  try {
    const handle = await open(file, "wx");
    await handle.writeFile(String(process.pid));
    await handle.close();
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw thrown;
  }
}

/** Whether a process runs; signal 0 only asks. One that belongs to somebody else runs too. */
function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}
