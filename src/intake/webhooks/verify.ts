import { createHmac, timingSafeEqual } from "node:crypto";
import type { Secret } from "../../core/secret.ts";
import type { Signature, TimestampFormat } from "../../source/webhooks.ts";

/** A call as it came. */
export interface Delivery {
  readonly method: string;
  /** As the source was told it, with the query that came. */
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The very bytes. */
  readonly body: Buffer;
}

/** Whether a call is its source's own, and fresh. `reason` says nothing of what the call holds. */
export type Verification = { readonly isGenuine: true } | { readonly isGenuine: false; readonly reason: string };

const DEFAULT_TOLERANCE_S = 300;
/** Signatures in one header that are looked at. */
const MAX_SIGNATURES = 20;

const refused = (reason: string): Verification => ({ isGenuine: false, reason });

/**
 * Holds a call against its signature: over the raw bytes, in constant time, with each of the secrets that are live while one is replaced. One that was signed
 * too long ago, or too far ahead, is refused. Never throws for anything that a stranger can send.
 */
export function verify(
  signature: Signature,
  delivery: Delivery,
  { secrets, nowMs }: { readonly secrets: readonly Secret[]; readonly nowMs: number },
): Verification {
  const header = headerOf(delivery, signature.header);
  if (header === undefined) return refused("it is not signed");
  const given = signaturesIn(signature, header);
  if (given.length === 0) return refused("its signature cannot be read");
  const timestamp = timestampOf(signature, delivery, header);
  if (signature.timestamp) {
    const problem = staleness(signature, timestamp, nowMs);
    if (problem !== undefined) return refused(problem);
  }
  const id = signature.id === undefined ? "" : headerOf(delivery, signature.id);
  if (id === undefined) return refused("it has no id");
  const signed = signedBytes(signature, delivery, { timestamp: timestamp ?? "", id });
  const isGenuine = secrets
    .map(secret => createHmac("sha256", keyOf(signature, secret)).update(signed).digest())
    .map(expected => given.map(each => each.length === expected.length && timingSafeEqual(each, expected)).some(Boolean))
    .some(Boolean);
  return isGenuine ? { isGenuine } : refused("its signature is not ours");
}

/** A header that came once; one that came several times is nobody's. */
function headerOf({ headers }: Delivery, name: string): string | undefined {
  const value = headers[name.toLowerCase()];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function signaturesIn({ form, encoding }: Signature, header: string): readonly Buffer[] {
  const texts =
    "prefix" in form
      ? header.startsWith(form.prefix)
        ? [header.slice(form.prefix.length)]
        : []
      : "pairs" in form
        ? pairsOf(header).flatMap(([name, value]) => (name === form.pairs ? [value] : []))
        : header.split(" ").flatMap(word => (word.startsWith(`${form.words},`) ? [word.slice(form.words.length + 1)] : []));
  return texts.slice(0, MAX_SIGNATURES).flatMap(text => bytesOf(text, encoding) ?? []);
}

/** Node's decoder takes what is not quite hex or base64 too: what does not come out as it went in is none. */
function bytesOf(text: string, encoding: "hex" | "base64"): Buffer | undefined {
  const bytes = Buffer.from(text, encoding);
  return bytes.length > 0 && bytes.toString(encoding) === (encoding === "hex" ? text.toLowerCase() : text) ? bytes : undefined;
}

const pairsOf = (header: string): (readonly [string, string])[] =>
  header.split(",").flatMap(pair => {
    const at = pair.indexOf("=");
    return at < 0 ? [] : [[pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const];
  });

function timestampOf({ timestamp }: Signature, delivery: Delivery, header: string): string | undefined {
  if (timestamp === undefined) return undefined;
  const { from } = timestamp;
  if ("header" in from) return headerOf(delivery, from.header);
  const found = pairsOf(header).filter(([name]) => name === from.pair);
  return found.length === 1 ? found[0]![1] : undefined;
}

function staleness(
  { timestamp, toleranceS = DEFAULT_TOLERANCE_S }: Signature,
  text: string | undefined,
  nowMs: number,
): string | undefined {
  const atMs = timestamp && text !== undefined ? momentOf(text, timestamp.format) : undefined;
  if (atMs === undefined) return "it does not say when it was signed";
  if (nowMs - atMs > toleranceS * 1_000) return "it was signed too long ago";
  return atMs - nowMs > toleranceS * 1_000 ? "it was signed in the future" : undefined;
}

function momentOf(text: string, format: TimestampFormat): number | undefined {
  const atMs =
    format === "rfc3339"
      ? /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/.test(text)
        ? Date.parse(text)
        : Number.NaN
      : /^\d{1,15}$/.test(text)
        ? Number(text) * (format === "epoch-seconds" ? 1_000 : 1)
        : Number.NaN;
  return Number.isFinite(atMs) ? atMs : undefined;
}

function signedBytes(
  { signs, decoded = [] }: Signature,
  { method, url, body }: Delivery,
  { timestamp, id }: { readonly timestamp: string; readonly id: string },
): Buffer {
  const plainUrl = decoded.reduce((text, code) => text.replaceAll(new RegExp(code, "gi"), decodeURIComponent(code)), url);
  const texts: Readonly<Record<string, string>> = { "{timestamp}": timestamp, "{id}": id, "{method}": method, "{url}": plainUrl };
  return Buffer.concat(
    signs.split(/(\{[a-z]+\})/).map(part => (part === "{body}" ? body : Buffer.from(texts[part] ?? part, "utf8"))),
  );
}

function keyOf({ key }: Signature, secret: Secret): Buffer {
  const text = secret.reveal();
  if (key === undefined) return Buffer.from(text, "utf8");
  return Buffer.from(text.startsWith(key.base64After) ? text.slice(key.base64After.length) : text, "base64");
}
