import { createHash } from "node:crypto";
import { mkdir, open, readdir } from "node:fs/promises";
import { asError, StoreError } from "../../core/errors.ts";

/** SHA-256, hexadecimal. */
export const sha256 = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex");

/** Whether the operating system gave this code for what was thrown. */
export const isSystemError = (thrown: unknown, code: string): boolean =>
  typeof thrown === "object" && thrown !== null && "code" in thrown && thrown.code === code;

/** Writes a file so that it is there after a power cut. */
export async function writeDurably(path: string, content: string | Buffer): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Creates a folder; false when it is there already. */
export async function createFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (thrown) {
    if (isSystemError(thrown, "EEXIST")) return false;
    throw thrown;
  }
}

/** Names of the folders in a folder; none where there is no folder. */
export async function foldersIn(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter(entry => entry.isDirectory()).map(({ name }) => name);
  } catch (thrown) {
    if (isSystemError(thrown, "ENOENT")) return [];
    throw thrown;
  }
}

/** Does work on files; what fails is a `STORE_UNAVAILABLE` that says where, and of a full disk what to do. */
export async function guarded<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    const advice = isSystemError(cause, "ENOSPC")
      ? "; the disk is full: what was kept so far stays, and once there is room the next pull goes on from there"
      : "";
    throw new StoreError("STORE_UNAVAILABLE", `raw store, ${place}: ${asError(cause).message}${advice}`, { cause });
  }
}
