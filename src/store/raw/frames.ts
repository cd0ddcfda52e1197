import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import type { RawKey } from "./raw-key.ts";

// One zstd frame at a time: Node's decoder ends, without a word, after the first of several.
const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
const LENGTH_BYTES = 4;

/** Bytes as they are kept: compressed, and encrypted where there is a key. `place`: the frame's number in its file. */
export async function pack(bytes: Buffer, key: RawKey | undefined, place = 0): Promise<Buffer> {
  const compressed = await compress(bytes);
  return key === undefined ? compressed : key.seal(compressed, place);
}

export async function unpack(packed: Buffer, key: RawKey | undefined, place = 0): Promise<Buffer> {
  return decompress(key === undefined ? packed : key.unseal(packed, place));
}

/** A frame behind its length, as it stands among others in a file that is still written to. */
export function framed(packed: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(packed.length);
  return Buffer.concat([length, packed]);
}

/** What all frames of a file hold. */
export async function unpackFrames(file: Buffer, key: RawKey | undefined): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let at = 0; at < file.length;) {
    const end = at + LENGTH_BYTES + file.readUInt32BE(at);
    parts.push(await unpack(file.subarray(at + LENGTH_BYTES, end), key, parts.length));
    at = end;
  }
  return Buffer.concat(parts);
}
