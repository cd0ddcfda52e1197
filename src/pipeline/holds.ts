import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { isAlive } from "../store/claim.ts";
import { guarded } from "../store/raw/durable.ts";

/** Files of this process that hold a dataset. */
const held = new Set<string>();

const holdName = /^\.([0-9a-f]+)\.(\d+)\.[0-9a-f-]+\.reading$/;

/**
 * Keeps a version from being removed while it is read, by a file beside it that names the process; resolves with what lets it go. To be taken before it is
 * looked whether the version is there. One that a dead process left holds nothing.
 */
export async function hold(root: string, version: string): Promise<() => Promise<void>> {
  const name = `.${version}.${process.pid}.${randomUUID()}.reading`;
  await guarded(root, async () => {
    await mkdir(root, { recursive: true });
    held.add(name);
    await writeFile(`${root}/${name}`, "");
  });
  return async () => {
    held.delete(name);
    await rm(`${root}/${name}`, { force: true });
  };
}

/** The versions that somebody reads. What dead processes have left is removed. */
export async function heldVersions(root: string): Promise<ReadonlySet<string>> {
  const versions = new Set<string>();
  for (const name of await readdir(root)) {
    const [, version, pid] = holdName.exec(name) ?? [];
    if (version === undefined) continue;
    if (held.has(name) || isAlive(Number(pid))) versions.add(version);
    else await rm(`${root}/${name}`, { force: true });
  }
  return versions;
}
