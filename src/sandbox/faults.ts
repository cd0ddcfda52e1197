import { z } from "zod";

const text = z.string().min(1);
const always = {
  /** The imitation to break. */
  source: text,
  /** Case-insensitive part of `METHOD /path?query` or of the request's body; everything when absent. */
  match: text.optional(),
  /** How many requests to break; without end when absent. */
  times: z.int().min(1).optional(),
  /** How many in a hundred of the requests that match are broken, by the draws of `seed`; all when absent. */
  percent: z.number().gt(0).max(100).optional(),
  /** The same seed and the same order of requests break the same ones; 1 unless given. */
  seed: z.int().min(0).optional(),
};
const answer = { body: z.json().optional(), contentType: text.optional() };

/** What `Retry-After` says: seconds, any text, or the HTTP date so many seconds from now. */
const retryAfter = z.union([z.number().min(0), text, z.strictObject({ dateInSeconds: z.number() })]);

const change = z.union([
  z.strictObject({ rename: z.strictObject({ from: text, to: text }) }),
  z.strictObject({ remove: text }),
  z.strictObject({ retype: text }),
]);

const encodings = ["utf-16le", "utf-16be", "latin1"] as const;
const targets = ["other-host", "itself", "downgrade"] as const;
const forms = ["duplicate-members", "proto-members"] as const;
const redirectStatus = z.union([301, 302, 303, 307, 308].map(status => z.literal(status)));
const sizeBytes = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

const faultContract = z.discriminatedUnion("kind", [
  z.strictObject({
    ...always,
    ...answer,
    kind: z.literal("status"),
    status: z.int().min(400).max(599),
    retryAfter: retryAfter.optional(),
  }),
  z.strictObject({ ...always, kind: z.literal("delay"), delayMs: z.int().min(1).max(600_000) }),
  z.strictObject({ ...always, kind: z.literal("stall") }),
  z.strictObject({ ...always, kind: z.literal("reset") }),
  z.strictObject({ ...always, kind: z.literal("truncate"), after: z.int().min(0).optional() }),
  z.strictObject({ ...always, ...answer, kind: z.literal("malformed"), headers: z.record(text, text).optional() }),
  z.strictObject({ ...always, kind: z.literal("empty") }),
  z.strictObject({ ...always, body: answer.body, kind: z.literal("graphql-errors") }),
  z.strictObject({ ...always, kind: z.literal("expire-token") }),
  z.strictObject({ ...always, kind: z.literal("drift"), change }),
  z.strictObject({
    ...always,
    kind: z.literal("drip"),
    everyMs: z.int().min(1).max(600_000).optional(),
    bytes: z.int().min(1).optional(),
  }),
  z.strictObject({ ...always, kind: z.literal("cut-headers") }),
  z.strictObject({ ...always, kind: z.literal("cut-chunk") }),
  z.strictObject({ ...always, kind: z.literal("huge"), sizeBytes: sizeBytes.optional() }),
  z.strictObject({ ...always, kind: z.literal("bomb"), sizeBytes: sizeBytes.optional() }),
  z.strictObject({ ...always, kind: z.literal("content-type"), contentType: text.optional() }),
  z.strictObject({ ...always, kind: z.literal("charset"), encoding: z.enum(encodings), declares: text.optional() }),
  z.strictObject({ ...always, kind: z.literal("bom") }),
  z.strictObject({ ...always, kind: z.literal("redirect"), to: z.enum(targets), status: redirectStatus.optional() }),
  z.strictObject({ ...always, kind: z.literal("hostile-json"), form: z.enum(forms) }),
  z.strictObject({ ...always, kind: z.literal("multi-status") }),
]);

/** Every kind of fault, in the order in which they are declared. */
export const faultKinds: readonly Fault["kind"][] = faultContract.options.map(({ shape }) => shape.kind.value);

/** A way to break a source, as it is posted to the control interface. */
export type Fault = z.infer<typeof faultContract>;

/** What is wrong with a posted fault, for the 400 answer. */
export interface FaultProblem {
  readonly field: string;
  readonly message: string;
  readonly remedy: string;
}

const remedies: Readonly<Record<string, string>> = {
  kind: `use one of ${faultKinds.join(", ")}`,
  source: "name one of the sources that this sandbox serves",
  status: "give a whole number from 400 to 599; for a redirect 301, 302, 303, 307 or 308",
  retryAfter: 'give seconds as a number, an HTTP date as text, or {"dateInSeconds": seconds from now}',
  delayMs: "give whole milliseconds from 1 to 600000",
  headers: "give an object of header names and their texts",
  after: "give a whole number of bytes, 0 or more",
  everyMs: "give whole milliseconds from 1 to 600000, or leave it out for 1000",
  bytes: "give a whole number of bytes from 1, or leave it out for 1",
  sizeBytes: "give a whole number of bytes from 1, or leave it out",
  encoding: `use one of ${encodings.join(", ")}`,
  to: `use one of ${targets.join(", ")}`,
  form: `use one of ${forms.join(", ")}`,
  percent: "give a number above 0, at most 100, or leave it out to break every request",
  seed: "give a whole number from 0, or leave it out for 1",
  times: "give a whole number from 1, or leave it out to break every request",
  match: 'give a part of "METHOD /path?query", or leave it out to match everything',
  change: 'give {"rename": {"from": …, "to": …}}, {"remove": field} or {"retype": field}',
};

function problemOf(issue: z.core.$ZodIssue): FaultProblem {
  const unknown = issue.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const field = unknown ?? String(issue.path[0] ?? "body");
  const remedy =
    unknown === undefined ? (remedies[field] ?? "send a JSON object with source and kind") : `leave ${unknown} out for this kind`;
  return { field, message: `${field}: ${issue.message}`, remedy };
}

/** Reads a posted fault: the fault, or what is wrong with its first wrong field. */
export function readFault(body: unknown, sources: readonly string[]): Fault | FaultProblem {
  const read = faultContract.safeParse(body);
  const [issue] = read.error?.issues ?? [];
  if (issue !== undefined) return problemOf(issue);
  const fault = read.data as Fault;
  if (sources.includes(fault.source)) return fault;
  return { field: "source", message: `source: there is no source ${fault.source}`, remedy: `name one of ${sources.join(", ")}` };
}
