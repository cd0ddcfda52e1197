import type { Json } from "../../../src/core/json.ts";
import type { Fault } from "../../../src/sandbox/faults.ts";
import type { CatalogEntry } from "../../../src/source/catalog.ts";
import { requiredName } from "../stage.ts";

/** One row of the matrix: a way to break a source, as it is posted to the sandbox but for the source's name. */
export interface FaultCase {
  readonly name: string;
  readonly kind: Fault["kind"];
  readonly fault: object;
  /** Names a field that the contract cannot do without, where the fault needs one. */
  readonly change?: (field: string) => object;
  /** Whether the source's own timeouts end it: they are shortened then, and the time is told as if they were not. */
  readonly isTimed?: boolean;
  /** Whether it is the very answer by which a source says that it has no such record. */
  readonly saysAbsent?: boolean;
}

type Row = readonly [name: string, kind: Fault["kind"], fault?: object];

const once = { times: 1 };
const rows: readonly Row[] = [
  ...[400, 401, 403, 408, 409, 422, 425, 500, 502, 503, 504].map(status => [`${status}`, "status", { status }] as const),
  ["404 as HTML", "status", { status: 404, body: "<h1>Not found</h1>", contentType: "text/html" }],
  ["429, `Retry-After: 60`", "status", { status: 429, retryAfter: 60 }],
  ["503 once", "status", { status: 503, ...once }],
  ["429 once", "status", { status: 429, ...once }],
  ["503 once, `Retry-After: 2`", "status", { status: 503, retryAfter: 2, ...once }],
  ["503 once, `Retry-After: 0`", "status", { status: 503, retryAfter: 0, ...once }],
  ["503 once, `Retry-After` in 4 s as a date", "status", { status: 503, retryAfter: { dateInSeconds: 4 }, ...once }],
  ["503 once, `Retry-After` a date that is past", "status", { status: 503, retryAfter: { dateInSeconds: -3600 }, ...once }],
  ["503 once, `Retry-After` in 30 years", "status", { status: 503, retryAfter: 946_684_800, ...once }],
  ["503 once, `Retry-After: soon`", "status", { status: 503, retryAfter: "soon", ...once }],
  ["429 once, `Retry-After: 2`", "status", { status: 429, retryAfter: 2, ...once }],
  ["429 once, `Retry-After: 0`", "status", { status: 429, retryAfter: 0, ...once }],
  ["429 once, `Retry-After` in 30 years", "status", { status: 429, retryAfter: 946_684_800, ...once }],
  ["answers 50 ms late", "delay", { delayMs: 50 }],
  ["connection reset", "reset"],
  ["connection reset once", "reset", once],
  ["reset after the headers", "cut-headers"],
  ["reset after the headers, once", "cut-headers", once],
  ["half a chunk", "cut-chunk"],
  ["half a chunk once", "cut-chunk", once],
  ["cut JSON", "truncate"],
  ["cut JSON once", "truncate", once],
  ["a body of 10 GiB", "huge"],
  ["gzip bomb, 1 GiB", "bomb"],
  ["HTML in a 200", "malformed"],
  ["JSON that is something else", "malformed", { body: { status: "ok" }, contentType: "application/json" }],
  ["JSON null", "malformed", { body: "null", contentType: "application/json" }],
  ["204", "empty"],
  ["204 once", "empty", once],
  ["GraphQL errors in a 200", "graphql-errors"],
  ["wrong content type", "content-type"],
  ["UTF-16 as declared", "charset", { encoding: "utf-16le", declares: "utf-16le" }],
  ["UTF-16 undeclared", "charset", { encoding: "utf-16be" }],
  ["Latin-1 as declared", "charset", { encoding: "latin1", declares: "iso-8859-1" }],
  ["a character set nobody has", "charset", { encoding: "latin1", declares: "x-klingon" }],
  ["byte order mark", "bom"],
  ["redirect to another host", "redirect", { to: "other-host" }],
  ["redirect to itself", "redirect", { to: "itself" }],
  ["redirect to plain http", "redirect", { to: "downgrade", status: 307 }],
  ["members that stand twice", "hostile-json", { form: "duplicate-members" }],
  ["members called `__proto__`", "hostile-json", { form: "proto-members" }],
  ["207", "multi-status"],
  ["token expires once", "expire-token", once],
  ["every token is refused", "expire-token", { times: 50 }],
];

const absences: readonly Row[] = [404, 410].map(status => [`${status} as JSON`, "status", { status }] as const);

const timed: readonly Row[] = [
  ["no answer", "stall"],
  ["a byte a second", "drip", { everyMs: 50 }],
];

const drifts: readonly (readonly [string, (field: string) => object])[] = [
  ["a field is renamed", field => ({ rename: { from: field, to: `${field}_renamed` } })],
  ["a field is gone", field => ({ remove: field })],
  ["a field changes its type", field => ({ retype: field })],
];

/** Every row. */
export const faultCases: readonly FaultCase[] = [
  ...rows.map(([name, kind, fault = {}]) => ({ name, kind, fault })),
  ...absences.map(([name, kind, fault = {}]) => ({ name, kind, fault, saysAbsent: true })),
  ...timed.map(([name, kind, fault = {}]) => ({ name, kind, fault, isTimed: true })),
  ...drifts.map(([name, change]) => ({ name, kind: "drift" as const, fault: {}, change })),
];

/** A case as it is posted for a source. */
export function faultFor({ kind, fault, change }: FaultCase, entry: CatalogEntry, record: Json): object {
  const source = entry.source.name;
  return { source, kind, ...fault, ...(change && { change: change(requiredName(entry, record, false)) }) };
}
