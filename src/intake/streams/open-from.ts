import { UpstreamError } from "../../core/errors.ts";
import { get, type UpstreamRequest } from "../../source/request.ts";
import type { Resume, WebStream } from "../../source/streams.ts";
import type { OpenedStream, OpenStream } from "../../upstream/stream-exchange.ts";
import type { Ended } from "./reader.ts";

/** A request and headers beside those that every request to the source has. */
export interface StreamRequest {
  readonly request: UpstreamRequest;
  readonly headers: Readonly<Record<string, string>>;
}

interface OpenOptions {
  readonly open: OpenStream;
  readonly accept: string;
  readonly position: string | null;
  readonly resume: Omit<Resume, "position"> | undefined;
}

/** Opens a stream behind a position; a gap when the source has forgotten it. */
export async function openFrom(
  stream: WebStream,
  { open, accept, position, resume }: OpenOptions,
  signal: AbortSignal,
): Promise<OpenedStream | Required<Ended>> {
  const { request, headers } = resumed(stream, position, resume);
  const opened = await open(
    request,
    { accept, "cache-control": "no-store", ...headers },
    { signal, maySay: forgottenStatus(stream) },
  );
  if (opened === undefined) return { gap: FORGOTTEN };
  // A page of a proxy's or a login's, instead of the stream.
  if (opened.mediaType === "text/html" || (stream.transport === "sse" && opened.mediaType !== accept))
    throw new UpstreamError("UPSTREAM_MALFORMED", `the answer is ${opened.mediaType || "of no stated type"}, not ${accept}`);
  return opened;
}

export const FORGOTTEN = "the source has forgotten the position";
export const forgottenStatus = (stream: WebStream): number => stream.forgottenStatus ?? 410;

/** The request that asks for what came after a position. */
export function resumed(stream: WebStream, position: string | null, resume: Omit<Resume, "position"> | undefined): StreamRequest {
  const asked = resume !== undefined && position !== null && position !== "" ? { [resume.name]: position } : {};
  const isQuery = resume?.in === "query";
  return {
    request: get(`stream.${stream.transport}`, stream.path, { ...stream.query, ...(isQuery && asked) }),
    headers: isQuery ? {} : asked,
  };
}
