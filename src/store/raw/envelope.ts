import type { UpstreamRequest } from "../../source/request.ts";
import { sha256 } from "./durable.ts";

/** One response as it came, and what it answered: a line of a pull. Holds no secret: no authorization, and only allowed headers. */
export interface Envelope {
  /** Counted from 0. */
  readonly line: number;
  readonly request: {
    readonly operation: string;
    readonly method: string;
    /** Without its query. */
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
  /** Keys of which the source said, by this answer or the ones before it, that it has no record. */
  readonly absent?: readonly string[];
  /** From when on it holds, where that is not when it was received; RFC 3339, UTC. */
  readonly asOf?: string;
}

/** A response before it is kept. */
export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly receivedAtMs: number;
  readonly absent?: readonly string[];
  /** From when on it holds, in ms since the epoch; when it was received unless given. */
  readonly asOfMs?: number;
}

const keptHeader =
  /^(content-type|content-language|date|etag|last-modified|age|retry-after|deprecation|sunset|link)$|rate-?limit|(^|-)(request|correlation|trace)-id$/;
/** Parameters of an address that may be credentials. */
const secretParameter =
  /([?&](?:api[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret|password|secret|sig|signature|x-amz-[a-z-]+)=)[^&#>"\s]*/gi;

/** Stands for a request: two with the same one ask for the same. */
export const fingerprintOf = ({ method, path, query = {}, body }: UpstreamRequest): string =>
  sha256(JSON.stringify([method, path, query, body ?? null]));

/** A response as a line. `alsoKept`: lower-case names of further headers that are kept. */
export function envelopeOf(
  line: number,
  request: UpstreamRequest,
  response: RawResponse,
  alsoKept: ReadonlySet<string> = new Set(),
): Envelope {
  const headers = Object.entries(response.headers).filter(
    ([name]) => keptHeader.test(name.toLowerCase()) || alsoKept.has(name.toLowerCase()),
  );
  return {
    line,
    request: {
      operation: request.operation,
      method: request.method,
      path: request.path.split("?", 1)[0]!,
      fingerprint: fingerprintOf(request),
    },
    status: response.status,
    headers: Object.fromEntries(headers.map(([name, value]) => [name, value.replaceAll(secretParameter, "$1redacted")])),
    receivedAt: new Date(response.receivedAtMs).toISOString(),
    sha256: sha256(response.text),
    body: response.text,
    ...(response.absent && { absent: response.absent }),
    ...(response.asOfMs !== undefined && { asOf: new Date(response.asOfMs).toISOString() }),
  };
}
