import { pipeline, Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { decodeText, declaredCharset } from "./charset.ts";
import { UpstreamError } from "../core/errors.ts";
import { checkUnfolded, decoderFailure, decoders, decompress, tooLarge } from "./content-coding.ts";

type Headers = Readonly<Record<string, string>>;
/** A body as it arrives. */
export type Incoming = Dispatcher.ResponseData["body"];

/** What is read of a body that comes with a failure: its form tells more of it, its size nothing. */
const MAX_FAILURE_BYTES = 256 * 1024;

/**
 * A body as text: decompressed, within `maxBytes` both ways, in its character set. Throws `UPSTREAM_TOO_LARGE` or `UPSTREAM_MALFORMED`. The body of
 * a failure that cannot be read is taken for empty: its status says what matters.
 */
export async function readText(body: Incoming, status: number, headers: Headers, maxBytes: number): Promise<string> {
  const isFailure = status < 200 || status >= 300;
  const bytes = await readBytes(body, isFailure ? Math.min(maxBytes, MAX_FAILURE_BYTES) : maxBytes);
  try {
    if (bytes === undefined) throw tooLarge(maxBytes);
    const unfolded = await decompress(bytes, headers["content-encoding"], maxBytes);
    return decodeText(unfolded, headers["content-type"]);
  } catch (thrown) {
    if (isFailure && thrown instanceof UpstreamError) return "";
    throw thrown;
  }
}

/** All bytes of a body, or undefined, and the connection closed, when there are too many. */
async function readBytes(body: Incoming, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) {
      body.destroy();
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** In bytes, for a body that is read line by line. */
export interface LineBounds {
  readonly maxBytes: number;
  readonly maxLineBytes: number;
}

/**
 * A body's lines as they arrive, without their ends, blank ones left out. Holds one chunk and one line in memory. Throws `UPSTREAM_TOO_LARGE`,
 * `UPSTREAM_MALFORMED`, or what broke the connection: a cut body never ends like a whole one.
 */
export async function* linesOf(body: Incoming, headers: Headers, { maxBytes, maxLineBytes }: LineBounds): AsyncGenerator<string> {
  let rest = "";
  for await (const text of textOf(body, headers, maxBytes)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > maxLineBytes || lines.some(line => line.length > maxLineBytes)) throw tooLarge(maxLineBytes);
    for (const line of lines) if (line.trim() !== "") yield line.replace(/\r$/, "");
  }
  if (rest.trim() !== "") yield rest;
}

async function* textOf(body: Incoming, headers: Headers, maxBytes: number): AsyncGenerator<string> {
  const decoder = new TextDecoder(declaredCharset(headers["content-type"]), { fatal: true });
  const decode = (bytes?: Buffer) => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch (cause) {
      throw new UpstreamError("UPSTREAM_MALFORMED", `the answer is not ${decoder.encoding} text, as it should be`, { cause });
    }
  };
  for await (const bytes of unfold(body, headers["content-encoding"], maxBytes)) yield decode(bytes);
  yield decode();
}

async function* unfold(body: Incoming, contentEncoding: string | undefined, maxBytes: number): AsyncGenerator<Buffer> {
  let received = 0;
  let unfolded = 0;
  const count = async function* (source: AsyncIterable<Buffer>) {
    for await (const chunk of source) {
      received += chunk.length;
      yield chunk;
    }
  };
  const counted = Readable.from(count(body as AsyncIterable<Buffer>), { objectMode: false });
  const stages = decoders(contentEncoding);
  const last = stages.length === 0 ? counted : pipeline([counted, ...stages], ignoreHere);
  try {
    for await (const chunk of last as AsyncIterable<Buffer>) {
      unfolded += chunk.length;
      checkUnfolded(received, unfolded, maxBytes);
      yield chunk;
    }
  } catch (thrown) {
    throw decoderFailure(thrown) ?? thrown;
  } finally {
    body.destroy();
  }
}

/** The last stage ends with the same error, and that is where it is read. */
const ignoreHere = () => undefined;
