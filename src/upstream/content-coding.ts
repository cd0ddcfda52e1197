import type { Transform } from "node:stream";
import { promisify } from "node:util";
import zlib from "node:zlib";
import { UpstreamError } from "../core/errors.ts";
import { platformCode } from "./connection-failure.ts";

/** What we ask for and can read. */
export const ACCEPT_ENCODING = "gzip, br, zstd, deflate";

/** A body may not unfold to more than this many times its size, once it is larger than `FREE_BYTES`. */
const MAX_RATIO = 200;
const FREE_BYTES = 1024 * 1024;
const MAX_CODINGS = 3;
/** The largest window that a decoder must support, 8 MiB. @see https://www.rfc-editor.org/rfc/rfc9659#section-3 */
const zstdOptions = { params: { [zlib.constants.ZSTD_d_windowLogMax]: 23 } };

/** Up to here a body is decompressed at once: the way to another thread and back takes ten times as long. In bytes. */
const MAX_INLINE_BYTES = 16 * 1024;
/** For larger ones; the platform's own 16 KiB goes to the other thread and back for each. */
const CHUNK_BYTES = 256 * 1024;

interface Bounds {
  readonly maxOutputLength: number;
  readonly chunkSize: number;
}

interface Coding {
  readonly inline: (bytes: Buffer, bounds: Bounds) => Buffer;
  readonly apart: (bytes: Buffer, bounds: Bounds) => Promise<Buffer>;
  readonly stream: () => Transform;
}

const gunzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip);
const unbrotli = promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress);
const unzstd = promisify<Buffer, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress);
const inflate = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate);
const inflateRaw = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflateRaw);

const gzip: Coding = { inline: zlib.gunzipSync, apart: gunzip, stream: () => zlib.createGunzip() };

/** Some servers send it bare, without the zlib header that the standard asks for: the low four bits of a zlib stream's first byte are 8. */
const isZlib = (bytes: Buffer): boolean => (bytes[0] ?? 0) % 16 === 8;

const codings: Readonly<Record<string, Coding>> = {
  gzip,
  "x-gzip": gzip,
  br: { inline: zlib.brotliDecompressSync, apart: unbrotli, stream: () => zlib.createBrotliDecompress() },
  zstd: {
    inline: (bytes, bounds) => zlib.zstdDecompressSync(bytes, { ...zstdOptions, ...bounds }),
    apart: (bytes, bounds) => unzstd(bytes, { ...zstdOptions, ...bounds }),
    stream: () => zlib.createZstdDecompress(zstdOptions),
  },
  deflate: {
    inline: (bytes, bounds) => (isZlib(bytes) ? zlib.inflateSync : zlib.inflateRawSync)(bytes, bounds),
    apart: (bytes, bounds) => (isZlib(bytes) ? inflate : inflateRaw)(bytes, bounds),
    stream: () => zlib.createInflate(),
  },
};

/** The codings that a body went through, the outermost first. Throws `UPSTREAM_MALFORMED` for one that is not read, or too many. */
function codingsOf(header: string | undefined): readonly [name: string, Coding][] {
  const names = (header ?? "")
    .split(",")
    .map(name => name.trim().toLowerCase())
    .filter(name => name !== "" && name !== "identity");
  if (names.length > MAX_CODINGS) throw malformed(`the answer is encoded ${names.length} times over`);
  return names.toReversed().map(name => {
    const coding = Object.hasOwn(codings, name) ? codings[name] : undefined;
    if (coding === undefined)
      throw malformed(`the answer's encoding ${name.replaceAll(/[^\w-]/g, "?").slice(0, 40)} is not read`);
    return [name, coding];
  });
}

const malformed = (problem: string): UpstreamError => new UpstreamError("UPSTREAM_MALFORMED", problem, { retryable: false });

/**
 * A body as it was before its content codings. Throws `UPSTREAM_TOO_LARGE` when it unfolds to more than `maxBytes` or 200 times its size, before
 * more than that is held in memory; `UPSTREAM_MALFORMED` when it is cut or broken.
 */
export async function decompress(bytes: Buffer, contentEncoding: string | undefined, maxBytes: number): Promise<Buffer> {
  let current = bytes;
  for (const [name, coding] of codingsOf(contentEncoding)) {
    if (current.length === 0) return current;
    const allowed = maxUnfolded(bytes.length);
    try {
      const bounds = { maxOutputLength: Math.min(maxBytes, allowed), chunkSize: CHUNK_BYTES };
      current = current.length <= MAX_INLINE_BYTES ? coding.inline(current, bounds) : await coding.apart(current, bounds);
    } catch (thrown) {
      throw codingError(thrown, name, allowed < maxBytes ? tooDense() : tooLarge(maxBytes));
    }
  }
  return current;
}

const maxUnfolded = (sizeBytes: number): number => Math.max(FREE_BYTES, sizeBytes * MAX_RATIO);

function codingError(thrown: unknown, name: string, whenTooLarge: UpstreamError): UpstreamError {
  if (platformCode(thrown) === "ERR_BUFFER_TOO_LARGE") return whenTooLarge;
  return new UpstreamError("UPSTREAM_MALFORMED", `the answer cannot be read as ${name}: it is cut or broken`, { cause: thrown });
}

export const tooLarge = (maxBytes: number): UpstreamError =>
  new UpstreamError("UPSTREAM_TOO_LARGE", `the answer is larger than ${maxBytes} bytes`, { details: { maxBytes } });

const tooDense = (): UpstreamError =>
  new UpstreamError("UPSTREAM_TOO_LARGE", `the answer unfolds to more than ${MAX_RATIO} times its size`, {
    details: { maxRatio: MAX_RATIO },
  });

/** The decoders for a body that is read as it arrives, in the order that it goes through them. */
export const decoders = (contentEncoding: string | undefined): readonly Transform[] =>
  codingsOf(contentEncoding).map(([, coding]) => coding.stream());

/** Throws when a stream of so many bytes has unfolded to so many: too large, or too much for its size. */
export function checkUnfolded(receivedBytes: number, unfoldedBytes: number, maxBytes: number): void {
  if (unfoldedBytes > maxBytes) throw tooLarge(maxBytes);
  if (unfoldedBytes > maxUnfolded(receivedBytes)) throw tooDense();
}

/** A failure of a decoder in a stream; undefined for anything else. */
export const decoderFailure = (thrown: unknown): UpstreamError | undefined =>
  /^(Z_|ERR__ERROR_|ERR_BROTLI|ERR_ZLIB|ERR_ZSTD|ZSTD_)/.test(platformCode(thrown))
    ? codingError(thrown, "what its headers say", tooLarge(0))
    : undefined;
