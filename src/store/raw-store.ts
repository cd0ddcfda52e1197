import { createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createZstdCompress, type ZstdCompress } from "node:zlib";
import { asError, StoreError } from "../core/errors.ts";
import type { Completeness, ListingEvidence, Reason } from "../core/verdict.ts";
import type { DayWindow } from "../source/collection.ts";
import type { UpstreamRequest } from "../source/request.ts";

/** One response as it came, and what it answered: a line of a pull. Holds no secret: no authorization, and only allowed headers. */
export interface Envelope {
  /** Counted from 0. */
  readonly line: number;
  readonly request: {
    readonly operation: string;
    readonly method: string;
    readonly path: string;
    /** SHA-256, hexadecimal, of method, path, query and body. */
    readonly fingerprint: string;
  };
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** RFC 3339, UTC. */
  readonly receivedAt: string;
  /** SHA-256, hexadecimal, of the body's text in UTF-8. */
  readonly sha256: string;
  /** The body's own text. */
  readonly body: string;
}

/** A record that broke its contract: where it stands, its key if it has one, and the places that broke, without their values. */
export interface BrokenRecord {
  readonly line: number;
  /** Counted from 0 among the records of the line. */
  readonly index: number;
  readonly key: string | null;
  readonly breaks: readonly string[];
}

/** What the one who pulled knows about a pull when it ends. */
export interface PullFacts {
  readonly verdict: Completeness;
  /** Why the verdict is not `complete`. */
  readonly reason: { readonly code: string; readonly message: string } | null;
  /** All reasons, the gravest first; absent in manifests that were written before they were kept. */
  readonly reasons?: readonly Reason[];
  /** What the verdict rests on; absent in manifests that were written before it was kept. */
  readonly evidence?: ListingEvidence;
  readonly startedAt: string;
  readonly finishedAt: string;
  /** The days that a dated listing was asked for. */
  readonly window: DayWindow;
  readonly pages: number;
  readonly records: number;
  /** Records whose key an earlier record of the same pull had. */
  readonly duplicateKeys: number;
  readonly missingKeys: number;
  readonly advertisedTotal: number | null;
  readonly brokenRecords: number;
  /** The first of them. */
  readonly broken: readonly BrokenRecord[];
  /** Paths of the collection's fields: known before (null: nothing was), and known now; absent in manifests that were written before they were kept. */
  readonly fields?: { readonly before: readonly string[] | null; readonly after: readonly string[] };
}

/** The manifest of a pull, as it stands beside its responses. */
export interface PullManifest extends PullFacts {
  readonly format: 1;
  readonly source: string;
  readonly collection: string;
  readonly pull: string;
  readonly segment: {
    readonly file: string;
    /** SHA-256, hexadecimal, of the compressed file. */
    readonly sha256: string;
    readonly lines: number;
    /** Bytes of the longest line, uncompressed: what a reader must have room for. */
    readonly longestLineBytes: number;
  };
}

/** A pull that is kept. */
export interface StoredPull {
  readonly manifest: PullManifest;
  /** SHA-256, hexadecimal, of the manifest's own text. */
  readonly manifestSha256: string;
  /** The file of responses: newline-delimited JSON of `Envelope`, compressed with Zstandard. */
  readonly path: string;
}

type RawResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly receivedAtMs: number;
};

const SEGMENT = "responses.ndjson.zst";
const MANIFEST = "manifest.json";
const keptHeader =
  /^(content-type|content-language|date|etag|last-modified|age|retry-after|deprecation|sunset)$|rate-?limit|(^|-)(request|correlation|trace)-id$/;

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const instant = (atMs: number): string => new Date(atMs).toISOString();

/**
 * Responses kept as they came, one folder for each pull: `<home>/raw/<source>/<collection>/<pull>/`. A pull appears there whole, by
 * renaming its folder, or not at all.
 */
export class RawStore {
  readonly #root: string;

  constructor(home: string) {
    this.#root = `${home}/raw`;
  }

  /** Opens a new pull of a collection; `startedAtMs`, in ms since the epoch, names it. Throws `STORE_UNAVAILABLE`. */
  async begin(source: string, collection: string, startedAtMs: number): Promise<RawPull> {
    const parent = `${this.#root}/${source}/${collection}`;
    return guarded(parent, async () => {
      await mkdir(parent, { recursive: true });
      const taken = new Set(await readdir(parent));
      const stamp = instant(startedAtMs).replaceAll(/[-:.]/g, "");
      for (let number = 0; ; number++) {
        const pull = number === 0 ? stamp : `${stamp}-${String(number).padStart(3, "0")}`;
        if (taken.has(pull) || !(await createFolder(`${parent}/.${pull}.partial`))) continue;
        return new RawPull({ source, collection, pull, parent });
      }
    });
  }

  /** The kept pulls of a collection, newest first; none is an empty list. Throws `STORE_UNAVAILABLE` when a manifest cannot be read. */
  async pulls(source: string, collection: string): Promise<readonly StoredPull[]> {
    const parent = `${this.#root}/${source}/${collection}`;
    return guarded(parent, async () => {
      const names = (await foldersIn(parent)).filter(name => !name.startsWith(".")).toSorted();
      return Promise.all(names.toReversed().map(name => readPull(`${parent}/${name}`)));
    });
  }
}

/** A pull that is being written. It ends by `finish` or by `abandon`. */
export class RawPull {
  readonly pull: string;
  readonly #place: { source: string; collection: string; parent: string };
  readonly #folder: string;
  readonly #compressor: ZstdCompress = createZstdCompress();
  readonly #hash: Hash = createHash("sha256");
  readonly #written: Promise<void>;
  #lines = 0;
  #longestLineBytes = 0;

  constructor({ pull, ...place }: { pull: string; source: string; collection: string; parent: string }) {
    this.pull = pull;
    this.#place = place;
    this.#folder = `${place.parent}/.${pull}.partial`;
    const file = createWriteStream(`${this.#folder}/${SEGMENT}`, { flush: true });
    this.#written = pipeline(this.#compressor, hashing(this.#hash), file);
    // What went wrong is thrown by the next append or by finish; until then nobody listens.
    this.#written.catch(() => undefined);
  }

  /** Adds a response and returns its line. Throws `STORE_UNAVAILABLE`. */
  async append(request: UpstreamRequest, response: RawResponse): Promise<number> {
    const line = this.#lines++;
    const text = `${JSON.stringify(envelopeOf(line, request, response))}\n`;
    this.#longestLineBytes = Math.max(this.#longestLineBytes, Buffer.byteLength(text));
    await guarded(this.#folder, async () => {
      if (!this.#compressor.write(text)) await Promise.race([once(this.#compressor, "drain"), this.#written]);
    });
    return line;
  }

  /** Makes the responses durable, writes the manifest and lets the pull appear. Throws `STORE_UNAVAILABLE`. */
  async finish(facts: PullFacts): Promise<StoredPull> {
    const { source, collection, parent } = this.#place;
    return guarded(parent, async () => {
      this.#compressor.end();
      await this.#written;
      const segment = {
        file: SEGMENT,
        sha256: this.#hash.digest("hex"),
        lines: this.#lines,
        longestLineBytes: this.#longestLineBytes,
      };
      const manifest: PullManifest = { format: 1, source, collection, pull: this.pull, ...facts, segment };
      await writeDurably(`${this.#folder}/${MANIFEST}`, `${JSON.stringify(manifest, null, 2)}\n`);
      await syncFolder(this.#folder);
      await rename(this.#folder, `${parent}/${this.pull}`);
      await syncFolder(parent);
      return readPull(`${parent}/${this.pull}`);
    });
  }

  /** Gives the pull up and removes what was written. */
  async abandon(): Promise<void> {
    this.#compressor.destroy();
    await this.#written.catch(() => undefined);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Reads a pull's file of responses against the hash in its manifest; throws `STORE_UNAVAILABLE` when they differ. */
export async function verifySegment({ path, manifest }: StoredPull): Promise<void> {
  const hash = createHash("sha256");
  await guarded(path, async () => {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  });
  if (hash.digest("hex") !== manifest.segment.sha256)
    throw new StoreError("STORE_UNAVAILABLE", `${path} is not the file that its manifest was written for`);
}

function envelopeOf(line: number, request: UpstreamRequest, response: RawResponse): Envelope {
  const { operation, method, path, query = {}, body = null } = request;
  const headers = Object.entries(response.headers).filter(([name]) => keptHeader.test(name.toLowerCase()));
  return {
    line,
    request: { operation, method, path, fingerprint: sha256(JSON.stringify([method, path, query, body])) },
    status: response.status,
    headers: Object.fromEntries(headers),
    receivedAt: instant(response.receivedAtMs),
    sha256: sha256(response.text),
    body: response.text,
  };
}

async function readPull(folder: string): Promise<StoredPull> {
  const text = await readFile(`${folder}/${MANIFEST}`, "utf8");
  const manifest = JSON.parse(text) as PullManifest;
  return { manifest, manifestSha256: sha256(text), path: `${folder}/${manifest.segment.file}` };
}

const hashing = (hash: Hash): Transform =>
  new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });

/** Creates a folder; false when it is there already. */
async function createFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (thrown) {
    if (isSystemError(thrown, "EEXIST")) return false;
    throw thrown;
  }
}

async function foldersIn(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter(entry => entry.isDirectory()).map(({ name }) => name);
  } catch (thrown) {
    if (isSystemError(thrown, "ENOENT")) return [];
    throw thrown;
  }
}

/** Whether the operating system gave this code for what was thrown. */
export const isSystemError = (thrown: unknown, code: string): boolean =>
  typeof thrown === "object" && thrown !== null && "code" in thrown && thrown.code === code;

/** Writes a file so that it is there after a power cut. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(text);
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

async function guarded<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError("STORE_UNAVAILABLE", `raw store, ${place}: ${asError(cause).message}`, { cause });
  }
}
