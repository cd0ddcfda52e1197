import autocannon from "autocannon";
import type { Served } from "./servers.ts";

/** What one load told. Latencies in ms. */
export interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** User and system time of the server, per request, in ms. */
  readonly cpuMs: number;
  /** Size of an answer, its headers included. */
  readonly answerBytes: number;
}

export interface LoadOptions {
  readonly queries: readonly string[];
  readonly seconds: number;
  readonly connections?: number;
  /** Requests per second over all connections; as many as will go unless given. */
  readonly perSecond?: number;
  /** Whether every body is looked at for errors; costs the load generator a third of its speed. */
  readonly isVerified?: boolean;
}

const CONNECTIONS = 32;

/** Puts a server under load; throws unless every request was answered with 200, and without errors where that is verified. */
export async function load(server: Served, options: LoadOptions): Promise<Figures> {
  const before = await server.ask("usage");
  const result = await autocannon({
    url: server.url,
    connections: options.connections ?? CONNECTIONS,
    duration: options.seconds,
    ...(options.isVerified && { verifyBody: isWhole }),
    ...(options.perSecond !== undefined && { overallRate: options.perSecond, ignoreCoordinatedOmission: true }), // its correction takes requests to be 1 ms apart
    requests: options.queries.map(asRequest),
  });
  const after = await server.ask("usage");
  if (result.non2xx + result.errors + result.mismatches > 0)
    throw new Error(
      `${server.name}: ${result.non2xx} requests refused, ${result.errors} failed, ${result.mismatches} answered with errors`,
    );
  return {
    perSecond: result.requests.average,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    cpuMs: (after.cpuMs - before.cpuMs) / result.requests.total,
    answerBytes: result.throughput.total / result.requests.total,
  };
}

/** How much the size of an answer may move: times and ids in it, and requests cut off at the end of a load. */
const SIZE_TOLERANCE = 0.005;

/** Throws when answers that were not verified have another size than those that were: they can hardly be the same. */
export function expectSameSize({ name }: Served, verified: Figures, measured: Figures): void {
  if (Math.abs(measured.answerBytes / verified.answerBytes - 1) <= SIZE_TOLERANCE) return;
  const [before, now] = [verified, measured].map(({ answerBytes }) => answerBytes.toFixed(0));
  throw new Error(`${name}: an answer has ${now} bytes, where it had ${before}`);
}

/** A query as the load sends it. */
export const asRequest = (query: string) => ({
  method: "POST" as const,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ query }),
});

/** Whether an answer has no errors; its type leaves open what a body is, here it is text. */
const isWhole = (body: unknown): boolean => typeof body === "string" && !body.includes('"errors":[');

/** The median of each figure. */
export function medianFigures(all: readonly Figures[]): Figures {
  const of = (field: keyof Figures) => median(all.map(each => each[field]));
  return {
    perSecond: of("perSecond"),
    p50Ms: of("p50Ms"),
    p99Ms: of("p99Ms"),
    cpuMs: of("cpuMs"),
    answerBytes: of("answerBytes"),
  };
}

/** The middle one; of an even number, the higher of the two in the middle. */
export const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
