import { mkdir, readFile, writeFile } from "node:fs/promises";
import { StoreError } from "../../core/errors.ts";
import { guarded, sha256 } from "./durable.ts";
import type { Envelope } from "./envelope.ts";
import { unpack, unpackFrames } from "./frames.ts";
import type { StoredPull } from "./manifest.ts";
import { keyFor, type RawKey } from "./raw-key.ts";

/** A file of lines: a sealed one, or one that is still written to, of which only the first `sizeBytes` count. */
export interface LineFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly isOpen: boolean;
}

/** The lines of some files, in order. Throws `STORE_UNAVAILABLE`. */
export async function* linesOf(files: readonly LineFile[], key: RawKey | undefined): AsyncGenerator<Envelope> {
  for (const { path, sizeBytes, isOpen } of files) {
    const text = await guarded(path, async () => {
      const bytes = (await readFile(path)).subarray(0, sizeBytes);
      return (isOpen ? await unpackFrames(bytes, key) : await unpack(bytes, key)).toString("utf8");
    });
    let from = 0;
    for (let to = text.indexOf("\n"); to >= 0; to = text.indexOf("\n", from)) {
      yield JSON.parse(text.slice(from, to)) as Envelope;
      from = to + 1;
    }
  }
}

/**
 * Makes a pull's segments ready for a reader of plain files: holds each against the hash in the manifest, and writes what is encrypted as plain files
 * into `folder`, for the reader to remove. Returns the paths to read. Throws `STORE_UNAVAILABLE` when a file is not the one that its manifest was
 * written for, and when the key is missing or another one.
 */
export async function readyToRead(
  { manifest, paths }: StoredPull,
  { key, folder }: { readonly key: RawKey | undefined; readonly folder: string },
): Promise<readonly string[]> {
  const { keyId, segments, source, collection, pull } = manifest;
  const needed = keyFor(keyId, key, `${source}.${collection} ${pull}`);
  const ready: string[] = [];
  if (needed !== undefined) await guarded(folder, () => mkdir(folder, { recursive: true, mode: 0o700 }));
  for (const [index, segment] of segments.entries()) {
    const path = paths[index]!;
    await guarded(path, async () => {
      const bytes = await readFile(path);
      if (sha256(bytes) !== segment.sha256)
        throw new StoreError("STORE_UNAVAILABLE", `${path} is not the file that its manifest was written for`);
      const plain = `${folder}/${segment.sha256}.ndjson.zst`;
      if (needed !== undefined) await writeFile(plain, needed.unseal(bytes, 0), { mode: 0o600 });
      ready.push(needed === undefined ? path : plain);
    });
  }
  return ready;
}
