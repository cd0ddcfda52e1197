import type { IncomingHttpHeaders } from "node:http";

/** Bytes of a file, both ends inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The one range of bytes that a request asks for; null for the whole: none asked for, several, one in another unit or ill-formed, or `If-Range` names
 * another version. @see https://www.rfc-editor.org/rfc/rfc9110#section-14
 */
export function rangeOf(headers: IncomingHttpHeaders, etag: string, sizeBytes: number): ByteRange | null | "unsatisfiable" {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(headers.range?.trim() ?? "") ?? [];
  const condition = headers["if-range"];
  if (first === undefined || last === undefined || (condition !== undefined && condition !== etag)) return null;
  if (first === "" && last === "") return null;
  const [start, end] =
    first === ""
      ? [Math.max(0, sizeBytes - Number(last)), sizeBytes - 1]
      : [Number(first), Math.min(sizeBytes - 1, last === "" ? Infinity : Number(last))];
  if (first !== "" && last !== "" && Number(last) < Number(first)) return null;
  return start >= sizeBytes || end < start ? "unsatisfiable" : { start, end };
}
