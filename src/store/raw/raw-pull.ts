import { copyFile, type FileHandle, link, open, readFile, rename, rm } from "node:fs/promises";
import { asError } from "../../core/errors.ts";
import type { UpstreamRequest } from "../../source/request.ts";
import { type Checkpoint, checkpointFile, type OpenSegment, saveCheckpoint } from "./checkpoint.ts";
import { framed, pack, unpackFrames } from "./frames.ts";
import { guarded, isSystemError, sha256, syncFolder, writeDurably } from "./durable.ts";
import { type Envelope, envelopeOf, type RawResponse } from "./envelope.ts";
import {
  FORMAT,
  MANIFEST,
  type PullFacts,
  type PullManifest,
  type PullStart,
  readPull,
  type Segment,
  type StoredPull,
} from "./manifest.ts";
import { keyFor, type RawKey } from "./raw-key.ts";
import { linesOf } from "./segment-reader.ts";

/** Lines that are made durable together: as soon as they are this many bytes, or the first has waited this long, in ms. */
const FRAME_BYTES = 4 * 1024 ** 2;
const FRAME_MS = 1_000;
/** Text that waits to be made durable at most; then who appends waits. */
const MAX_WAITING_BYTES = 4 * FRAME_BYTES;
/** A segment of this much text is sealed. */
const SEGMENT_BYTES = 32 * 1024 ** 2;

/** Where a pull is written, and what is settled about it. */
export interface PullPlace {
  readonly source: string;
  readonly collection: string;
  readonly pull: string;
  readonly parent: string;
  readonly key: RawKey | undefined;
  readonly isUpdate: boolean;
  /** Lower-case names of headers that are kept beside the usual ones. */
  readonly alsoKept: ReadonlySet<string>;
}

interface Frame {
  readonly text: string;
  readonly bytes: number;
  readonly lines: number;
  readonly longestLineBytes: number;
}

const noFrame = { texts: [] as string[], bytes: 0, longestLineBytes: 0 };

/**
 * A pull that is being written. What is appended becomes durable soon after, frame by frame, and the checkpoint follows. It ends by `finish`, by
 * `leave`, after which the next pull can go on from it, or by `abandon`.
 */
export class RawPull {
  readonly pull: string;
  /** Lines that it began with. */
  readonly keptLines: number;
  readonly #place: PullPlace;
  readonly #folder: string;
  #checkpoint: Checkpoint;
  #file: FileHandle | undefined;
  #lines: number;
  #waiting = { ...noFrame, texts: [] as string[] };
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #committed: Promise<void> = Promise.resolve();
  #failure: Error | undefined;

  constructor(place: PullPlace, checkpoint: Checkpoint) {
    this.pull = place.pull;
    this.#place = place;
    this.#folder = partialFolder(place);
    this.#checkpoint = checkpoint;
    this.keptLines = this.#lines = durableLines(checkpoint);
  }

  get start(): PullStart {
    return this.#checkpoint;
  }

  /** Lines that it has. */
  get lines(): number {
    return this.#lines;
  }

  /** How long it lay between breaking off and going on, in ms. */
  get pausedMs(): number {
    return this.#checkpoint.pausedMs;
  }

  /** The lines that it began with. Throws `STORE_UNAVAILABLE`. */
  kept(): AsyncGenerator<Envelope> {
    const { sealed, open: last } = this.#checkpoint;
    const files = [...sealed, ...(last ? [last] : [])].map(({ file, sizeBytes }) => ({
      path: `${this.#folder}/${file}`,
      sizeBytes,
      isOpen: file === last?.file,
    }));
    return linesOf(files, this.#key());
  }

  /** Adds a response and returns its line. Throws `STORE_UNAVAILABLE`, also for what could not be made durable before. */
  async append(request: UpstreamRequest, response: RawResponse): Promise<number> {
    this.#throwFailure();
    const line = this.#lines++;
    const text = `${JSON.stringify(envelopeOf(line, request, response, this.#place.alsoKept))}\n`;
    const bytes = Buffer.byteLength(text);
    this.#waiting.texts.push(text);
    this.#waiting.bytes += bytes;
    this.#waiting.longestLineBytes = Math.max(this.#waiting.longestLineBytes, bytes);
    this.#waitingBytes += bytes;
    if (this.#waiting.bytes >= FRAME_BYTES) this.#commit();
    else this.#timer ??= setTimeout(() => this.#commit(), FRAME_MS).unref();
    if (this.#waitingBytes > MAX_WAITING_BYTES) await this.durable();
    return line;
  }

  /** Makes everything durable, writes the manifest and lets the pull appear. Throws `STORE_UNAVAILABLE`. */
  async finish(facts: PullFacts): Promise<StoredPull> {
    const { source, collection, parent } = this.#place;
    return guarded(parent, async () => {
      await this.durable();
      if (this.#checkpoint.open) await this.#seal(this.#checkpoint.open);
      const { startedAt, window, declaration, since, update, continues, pausedMs, keyId, sealed } = this.#checkpoint;
      const settled = { startedAt, window, declaration, since, ...(update && { update }), continues, pausedMs, keyId };
      const manifest: PullManifest = {
        format: FORMAT,
        source,
        collection,
        pull: this.pull,
        ...settled,
        ...facts,
        lines: this.#lines,
        segments: sealed,
      };
      await writeDurably(`${this.#folder}/${MANIFEST}`, `${JSON.stringify(manifest, null, 2)}\n`);
      await syncFolder(this.#folder);
      await rename(this.#folder, `${parent}/${this.pull}`);
      await syncFolder(parent);
      await rm(checkpointFile(`${parent}/${this.pull}`), { force: true });
      return readPull(`${parent}/${this.pull}`);
    });
  }

  /** Stops writing; what is durable stays, for the next pull to go on from. */
  async leave(): Promise<void> {
    this.#stopTimer();
    await this.#committed;
    await this.#file?.close();
    this.#file = undefined;
  }

  /** Gives the pull up and removes what was written. */
  async abandon(): Promise<void> {
    await this.leave();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Makes everything durable that was appended. Throws `STORE_UNAVAILABLE`. */
  async durable(): Promise<void> {
    this.#commit();
    await this.#committed;
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure;
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Lets what waits become durable, after what went before; a failure is thrown by the next append or by finish. */
  #commit(): void {
    this.#stopTimer();
    const { texts, bytes, longestLineBytes } = this.#waiting;
    if (texts.length === 0) return;
    this.#waiting = { ...noFrame, texts: [] };
    const frame = { text: texts.join(""), lines: texts.length, bytes, longestLineBytes };
    this.#committed = this.#writeAfter(this.#committed, frame);
  }

  async #writeAfter(before: Promise<void>, frame: Frame): Promise<void> {
    await before;
    if (this.#failure) return;
    try {
      await guarded(this.#folder, () => this.#write(frame));
    } catch (thrown) {
      this.#failure = asError(thrown);
    }
    this.#waitingBytes -= frame.bytes;
  }

  async #write({ text, lines, bytes, longestLineBytes }: Frame): Promise<void> {
    const before = this.#checkpoint.open ?? this.#newSegment();
    const data = framed(await pack(Buffer.from(text), this.#key(), before.frames));
    const file = await this.#openFile(before);
    await writeAll(file, data, before.sizeBytes);
    await file.datasync();
    const segment = {
      ...before,
      sizeBytes: before.sizeBytes + data.length,
      frames: before.frames + 1,
      lines: before.lines + lines,
      textBytes: before.textBytes + bytes,
      longestLineBytes: Math.max(before.longestLineBytes, longestLineBytes),
    };
    if (segment.textBytes >= SEGMENT_BYTES) await this.#seal(segment);
    else await this.#save({ open: segment });
  }

  #newSegment(): OpenSegment {
    const file = `segment-${this.#checkpoint.sealed.length}.open`;
    return { file, sizeBytes: 0, frames: 0, lines: 0, longestLineBytes: 0, textBytes: 0 };
  }

  async #openFile({ file, frames }: OpenSegment): Promise<FileHandle> {
    if (this.#file) return this.#file;
    this.#file = await open(`${this.#folder}/${file}`, frames === 0 ? "w" : "r+");
    if (frames === 0) await syncFolder(this.#folder);
    return this.#file;
  }

  /** Makes one file, named after its content, of a segment's frames. Both are there until the checkpoint knows the new one. */
  async #seal({ file, sizeBytes, lines, longestLineBytes }: OpenSegment): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    const path = `${this.#folder}/${file}`;
    const text = await unpackFrames((await readFile(path)).subarray(0, sizeBytes), this.#key());
    const bytes = await pack(text, this.#key());
    const hash = sha256(bytes);
    const name = `${hash}.ndjson.zst${this.#checkpoint.keyId === null ? "" : ".aes"}`;
    await writeDurably(`${this.#folder}/${name}`, bytes);
    await syncFolder(this.#folder);
    const segment: Segment = { file: name, sha256: hash, sizeBytes: bytes.length, lines, longestLineBytes };
    await this.#save({ sealed: [...this.#checkpoint.sealed, segment], open: null });
    await rm(path);
  }

  #key(): RawKey | undefined {
    const { source, collection, key, pull } = this.#place;
    return keyFor(this.#checkpoint.keyId, key, `${source}.${collection} ${pull}`);
  }

  async #save(changed: Partial<Checkpoint>): Promise<void> {
    const checkpoint = { ...this.#checkpoint, ...changed, savedAt: new Date().toISOString() };
    await saveCheckpoint(this.#folder, checkpoint);
    this.#checkpoint = checkpoint;
  }
}

/** The folder of one that is not finished; what a listing left, and only that, is gone on with by the next pull. */
export const partialFolder = ({ parent, pull, isUpdate }: Pick<PullPlace, "parent" | "pull"> & Partial<PullPlace>): string =>
  `${parent}/.${pull}.${isUpdate === true ? "update" : "partial"}`;

/** Lines that a checkpoint vouches for. */
export const durableLines = ({ sealed, open: last }: Pick<Checkpoint, "sealed" | "open">): number =>
  sealed.reduce((total, { lines }) => total + lines, last?.lines ?? 0);

/** Gives a file a second name; a copy where the file system has no such thing. */
export async function placeFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (thrown) {
    if (isSystemError(thrown, "EEXIST")) return;
    if (!["EPERM", "ENOTSUP", "EXDEV", "EMLINK"].some(code => isSystemError(thrown, code))) throw thrown;
    await copyFile(from, to);
  }
}

async function writeAll(file: FileHandle, data: Buffer, position: number): Promise<void> {
  for (let written = 0; written < data.length;) {
    const { bytesWritten } = await file.write(data, written, data.length - written, position + written);
    written += bytesWritten;
  }
}
