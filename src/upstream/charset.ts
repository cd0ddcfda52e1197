import { isUtf8 } from "node:buffer";
import { MIMEType } from "node:util";
import { UpstreamError } from "../core/errors.ts";

/** Names of the character sets that are read, and what the platform calls them. */
const readable: Readonly<Record<string, "utf-8" | "utf-16" | "utf-16le" | "utf-16be" | "windows-1252">> = {
  "utf-8": "utf-8",
  utf8: "utf-8",
  "us-ascii": "utf-8",
  ascii: "utf-8",
  "utf-16": "utf-16",
  "utf-16le": "utf-16le",
  "utf-16be": "utf-16be",
  "iso-8859-1": "windows-1252",
  latin1: "windows-1252",
  "windows-1252": "windows-1252",
  cp1252: "windows-1252",
};

/** Media type and character set of a `Content-Type` header, both in lower case; undefined what it does not say. */
export function contentTypeOf(header: string | undefined): { readonly type?: string; readonly charset?: string } {
  try {
    const { essence, params } = new MIMEType(header ?? "");
    const charset = params.get("charset")?.trim().toLowerCase();
    return { type: essence, ...(charset ? { charset } : {}) };
  } catch {
    return {}; // no header, or one that says nothing readable: the body alone decides
  }
}

/**
 * The text of a body: a byte order mark decides, else the declared character set, else UTF-8. Bytes that are not of their character set are
 * `UPSTREAM_MALFORMED` rather than replaced: a name with a hole in it is wrong data.
 */
export function decodeText(bytes: Buffer, contentType: string | undefined): string {
  const name = markOf(bytes) ?? declaredCharset(contentType);
  if (name === "utf-8" && isUtf8(bytes)) return bytes.toString("utf8", hasUtf8Mark(bytes) ? 3 : 0);
  try {
    return new TextDecoder(name === "utf-16" ? byteOrder(bytes) : name, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new UpstreamError("UPSTREAM_MALFORMED", `the answer is not ${name} text, as it should be`, { cause });
  }
}

/** The character set that a header declares, UTF-8 unless stated; throws `UPSTREAM_MALFORMED` for one that is not read. */
export function declaredCharset(contentType: string | undefined): string {
  const { charset = "utf-8" } = contentTypeOf(contentType);
  const name = Object.hasOwn(readable, charset) ? readable[charset] : undefined;
  if (name === undefined) {
    const shown = charset.replaceAll(/[^\w.-]/g, "?").slice(0, 40);
    throw new UpstreamError("UPSTREAM_MALFORMED", `the answer's character set ${shown} is not read`, { retryable: false });
  }
  return name;
}

const hasUtf8Mark = (bytes: Buffer): boolean => bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;

function markOf(bytes: Buffer): string | undefined {
  if (hasUtf8Mark(bytes)) return "utf-8";
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  return bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : undefined;
}

/** JSON begins with an ASCII character, so that its zero byte tells the order where no mark does. */
const byteOrder = (bytes: Buffer): string => (bytes[0] === 0 ? "utf-16be" : "utf-16le");
