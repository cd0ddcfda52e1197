import { z } from "zod";

const text = z.string().min(1);
const always = {
  /** The imitation to break. */
  source: text,
  /** Case-insensitive part of `METHOD /path?query` or of the request's body; everything when absent. */
  match: text.optional(),
  /** How many requests to break; without end when absent. */
  times: z.int().min(1).optional(),
};
const answer = { body: z.json().optional(), contentType: text.optional() };

const change = z.union([
  z.strictObject({ rename: z.strictObject({ from: text, to: text }) }),
  z.strictObject({ remove: text }),
  z.strictObject({ retype: text }),
]);

const faultContract = z.discriminatedUnion("kind", [
  z.strictObject({
    ...always,
    ...answer,
    kind: z.literal("status"),
    status: z.int().min(400).max(599),
    retryAfter: z.union([z.number().min(0), text]).optional(),
  }),
  z.strictObject({ ...always, kind: z.literal("delay"), delayMs: z.int().min(1).max(600_000) }),
  z.strictObject({ ...always, kind: z.literal("stall") }),
  z.strictObject({ ...always, kind: z.literal("reset") }),
  z.strictObject({ ...always, kind: z.literal("truncate"), after: z.int().min(0).optional() }),
  z.strictObject({ ...always, ...answer, kind: z.literal("malformed") }),
  z.strictObject({ ...always, kind: z.literal("empty") }),
  z.strictObject({ ...always, body: answer.body, kind: z.literal("graphql-errors") }),
  z.strictObject({ ...always, kind: z.literal("expire-token") }),
  z.strictObject({ ...always, kind: z.literal("drift"), change }),
]);

/** A way to break a source, as it is posted to the control interface. */
export type Fault = z.infer<typeof faultContract>;

/** A fault in force, with its number and the requests it has broken so far. */
type FaultInForce = Fault & { readonly id: number; readonly used: number };

/** What is wrong with a posted fault, for the 400 answer. */
export interface FaultProblem {
  readonly field: string;
  readonly message: string;
  readonly remedy: string;
}

const remedies: Readonly<Record<string, string>> = {
  kind: "use one of status, delay, stall, reset, truncate, malformed, empty, graphql-errors, expire-token, drift",
  source: "name one of the sources that this sandbox serves",
  status: "give a whole number from 400 to 599",
  retryAfter: "give seconds as a number, or an HTTP date as text",
  delayMs: "give whole milliseconds from 1 to 600000",
  after: "give a whole number of bytes, 0 or more",
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

/** The faults in force and the tokens they have revoked. */
export interface FaultBook {
  add(fault: Fault): FaultInForce;
  list(): readonly FaultInForce[];
  /** Lifts every fault, revoked tokens included. */
  clear(): void;
  /**
   * The faults that a request meets, in the order they were posted, up to and including the first that answers in the
   * source's place. Each is counted as used.
   */
  meet(
    source: string,
    request: { readonly line: string; readonly body: string; readonly authorization: string | undefined },
  ): readonly Fault[];
  /** Whether an `Authorization` header value has been revoked for a source. */
  isRevoked(source: string, authorization: string | undefined): boolean;
}

const letsThrough: ReadonlySet<Fault["kind"]> = new Set<Fault["kind"]>(["delay", "truncate", "drift", "expire-token"]);
const limitOf = (fault: Fault) => fault.times ?? (fault.kind === "expire-token" ? 1 : Number.POSITIVE_INFINITY);

/** Makes an empty book. */
export function createFaultBook(): FaultBook {
  let faults: { readonly fault: Fault; readonly id: number; used: number }[] = [];
  let nextId = 1;
  const revoked = new Set<string>();
  const tokenOf = (source: string, authorization: string) => `${source} ${authorization}`;
  const shown = ({ fault, id, used }: (typeof faults)[number]): FaultInForce => ({ ...fault, id, used });
  const add = (fault: Fault) => {
    const entry = { fault, id: nextId++, used: 0 };
    faults.push(entry);
    return shown(entry);
  };
  const clear = () => {
    faults = [];
    revoked.clear();
  };
  const isRevoked = (source: string, authorization: string | undefined) =>
    authorization !== undefined && revoked.has(tokenOf(source, authorization));
  const meet: FaultBook["meet"] = (source, { line, body, authorization }) => {
    const met: Fault[] = [];
    for (const entry of faults) {
      const { fault } = entry;
      if (fault.source !== source || entry.used >= limitOf(fault)) continue;
      const wanted = fault.match?.toLowerCase() ?? "";
      if (!line.toLowerCase().includes(wanted) && !body.toLowerCase().includes(wanted)) continue;
      if (fault.kind === "expire-token") {
        if (authorization === undefined || isRevoked(source, authorization)) continue;
        revoked.add(tokenOf(source, authorization));
      }
      entry.used++;
      met.push(fault);
      if (!letsThrough.has(fault.kind)) break;
    }
    return met;
  };
  return { add, list: () => faults.map(shown), clear, meet, isRevoked };
}
