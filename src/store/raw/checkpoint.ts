import { readdir, readFile, rename, rm, stat, truncate } from "node:fs/promises";
import { isSystemError, writeDurably } from "./durable.ts";
import { FORMAT, type PullStart, type Segment } from "./manifest.ts";

const CHECKPOINT = "checkpoint.json";

/** A segment that is still written to, as far as it is durable. */
export interface OpenSegment {
  readonly file: string;
  readonly sizeBytes: number;
  readonly frames: number;
  readonly lines: number;
  readonly longestLineBytes: number;
  /** Of its lines, uncompressed. */
  readonly textBytes: number;
}

/** How far a pull that is being written has come. What it names is durable. */
export interface Checkpoint extends PullStart {
  readonly format: typeof FORMAT;
  readonly continues: string | null;
  readonly pausedMs: number;
  readonly keyId: string | null;
  readonly savedAt: string;
  readonly sealed: readonly Segment[];
  readonly open: OpenSegment | null;
}

/** Replaces the checkpoint in a folder as a whole. */
export async function saveCheckpoint(folder: string, checkpoint: Checkpoint): Promise<void> {
  await writeDurably(`${folder}/${CHECKPOINT}.new`, JSON.stringify(checkpoint));
  await rename(`${folder}/${CHECKPOINT}.new`, `${folder}/${CHECKPOINT}`);
}

export const checkpointFile = (folder: string): string => `${folder}/${CHECKPOINT}`;

/**
 * The checkpoint in a folder, with its files brought to what it says: bytes and files that are not part of it are removed. Undefined when there
 * is none, or when the files have less than it says.
 */
export async function recoverCheckpoint(folder: string): Promise<Checkpoint | undefined> {
  const checkpoint = await readCheckpoint(folder);
  if (checkpoint === undefined) return undefined;
  for (const { file, sizeBytes } of checkpoint.sealed) if ((await sizeOf(`${folder}/${file}`)) !== sizeBytes) return undefined;
  const { open } = checkpoint;
  await removeAllBut(folder, [CHECKPOINT, ...checkpoint.sealed.map(({ file }) => file), ...(open ? [open.file] : [])]);
  if (open === null) return checkpoint;
  const path = `${folder}/${open.file}`;
  const sizeBytes = await sizeOf(path);
  if (sizeBytes === undefined || sizeBytes < open.sizeBytes) return undefined;
  if (sizeBytes > open.sizeBytes) await truncate(path, open.sizeBytes);
  return checkpoint;
}

async function removeAllBut(folder: string, kept: readonly string[]): Promise<void> {
  for (const name of await readdir(folder)) if (!kept.includes(name)) await rm(`${folder}/${name}`, { recursive: true });
}

/** The checkpoint in a folder; undefined when there is none that can be read. */
export async function readCheckpoint(folder: string): Promise<Checkpoint | undefined> {
  try {
    const checkpoint = JSON.parse(await readFile(checkpointFile(folder), "utf8")) as Checkpoint;
    return checkpoint.format === FORMAT ? checkpoint : undefined;
  } catch (thrown) {
    if (isSystemError(thrown, "ENOENT") || thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (thrown) {
    if (isSystemError(thrown, "ENOENT")) return undefined;
    throw thrown;
  }
}
