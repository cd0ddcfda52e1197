import { UpstreamError } from "../../core/errors.ts";
import type { Limit } from "../../source/limits.ts";
import type { LearnedLimit } from "../budget/learned.ts";
import type { Upstream } from "../upstream.ts";
import type { Check, Finding } from "./report.ts";
import type { CallLog, Session } from "./session.ts";

/** What the checks of the source as a whole know once its collections have been read. */
export interface SourceSubject {
  readonly upstream: Upstream;
  readonly sessions: readonly Session[];
  readonly log: CallLog;
  /** Reads one page with credentials that are made up; null when the source needs none. */
  readonly readWithWrongCredentials: (() => Promise<unknown>) | null;
}

const MAX_SKEW_MS = 60_000;
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

/** Checks of the source as a whole; the first of them, whether it answers, is made by whoever reads the collections. */
export const sourceChecks = (subject: SourceSubject): readonly Check[] => [
  {
    check: "wrong credentials are refused",
    expected: "made-up credentials end in UPSTREAM_AUTH, without a retry",
    make: () => wrongCredentials(subject),
  },
  { check: "stays within its limits", expected: "no request is refused as one too many", make: () => throttled(subject) },
  {
    check: "limits are as declared",
    expected: "what the source says of its limits is what is declared",
    make: () => limits(subject),
  },
  { check: "responses are small enough", expected: "no response is near maxResponseBytes", make: () => sizes(subject) },
  { check: "clocks agree", expected: "the source's clock is within 60 s of this machine's", make: () => skew(subject) },
  {
    check: "unchanged answers are said to be",
    expected: "an answer with a validator, asked for again, is a 304",
    make: () => unchanged(subject),
  },
];

async function wrongCredentials({ readWithWrongCredentials: read }: SourceSubject): Promise<Finding> {
  if (read === null) return { skip: "the source needs no credentials" };
  const remedy = "State in failures which answer means that a credential is refused.";
  try {
    await read();
    return { fail: "the source answers all the same", remedy: "Check whether the credential is sent at all, and where." };
  } catch (thrown) {
    if (!(thrown instanceof UpstreamError)) return { skip: "made-up credentials cannot be used: they are not of the right form" };
    if (thrown.code === "UPSTREAM_AUTH") return { pass: "UPSTREAM_AUTH" };
    return { fail: `${thrown.code}: ${thrown.message}`, remedy };
  }
}

async function throttled({ upstream }: SourceSubject): Promise<Finding> {
  const { throttled: refused, calls } = await upstream.status();
  if (refused === 0) return { pass: `none of ${calls}` };
  return {
    fail: `${refused} of ${calls}`,
    remedy: "Declare lower limits, or the one that is missing; somebody else may use the same account.",
  };
}

async function limits({ upstream, sessions }: SourceSubject): Promise<Finding> {
  const { limits: declared } = upstream.source.client;
  const { learned } = await upstream.status();
  const wrong = learned.flatMap(said => {
    const { origin, allowed, unit } = said;
    const limit = unit === "requests" && allowed !== null ? declaredFor(declared, said) : undefined;
    return limit !== undefined && allowed !== null && limit > allowed
      ? [`${origin} allows ${allowed}, ${limit} are declared`]
      : [];
  });
  if (wrong.length > 0) return { fail: wrong.join("; "), remedy: "Declare what the source allows this account." };
  if (learned.length > 0)
    return { pass: learned.map(each => `${each.origin}: ${each.left} left of ${each.allowed ?? "?"}`).join("; ") };
  const unread = headersLike(sessions, /rate-?limit|quota/i);
  if (unread.length === 0) return { skip: "the source says nothing of its limits" };
  return { fail: `it says so in ${unread.join(", ")}, which nobody reads`, remedy: "State them in client.learned." };
}

/** What is declared for a window of the same operations; for one that the source does not name, the first over the account. */
function declaredFor(limits: readonly Limit[], { windowMs, operations }: LearnedLimit): number | undefined {
  const found = limits.find(
    limit =>
      limit.type === "window" &&
      limit.per === "account" &&
      limit.operations?.join() === operations?.join() &&
      (windowMs === null || limit.windowMs === windowMs),
  );
  return found?.type === "window" ? found.requests : undefined;
}

const headersLike = (sessions: readonly Session[], pattern: RegExp): string[] => [
  ...new Set(
    sessions.flatMap(({ observed }) =>
      observed.flatMap(({ response }) => Object.keys(response.headers).filter(name => pattern.test(name))),
    ),
  ),
];

function sizes({ upstream, log }: SourceSubject): Finding {
  const max = upstream.source.client.maxResponseBytes ?? MAX_RESPONSE_BYTES;
  const seen = `the largest had ${log.largest} characters; ${max} bytes are allowed`;
  if (log.largest <= max / 2) return { pass: seen };
  return { fail: seen, remedy: "Lower maxPageSize, or raise client.maxResponseBytes." };
}

function skew({ sessions }: SourceSubject): Finding {
  const last = sessions.flatMap(({ observed }) => observed).findLast(({ response }) => response.headers["date"] !== undefined);
  if (last === undefined) return { skip: "no answer has a Date" };
  const { headers, receivedAtMs } = last.response;
  const skewMs = Math.abs(Date.parse(headers["date"] ?? "") + Number(headers["age"] ?? 0) * 1000 - receivedAtMs);
  if (!(skewMs > MAX_SKEW_MS)) return { pass: `${Math.round(skewMs / 1000)} s apart` };
  const remedy = "Set this machine's clock by NTP; if it is the source's, raise the watermark's safetyLagMs.";
  return { fail: `${Math.round(skewMs / 1000)} s apart`, remedy };
}

async function unchanged({ upstream, sessions, log }: SourceSubject): Promise<Finding> {
  if (upstream.source.client.cache === false) return { skip: "the declaration wants nothing kept" };
  const [session] = sessions;
  const found = sessions
    .flatMap(({ observed }) => observed)
    .find(
      ({ request, response }) => request.method === "GET" && ("etag" in response.headers || "last-modified" in response.headers),
    );
  if (session === undefined || found === undefined) return { skip: "no answer has an ETag or Last-Modified" };
  await session.send(found.request, session.context);
  const before = log.statuses.filter(status => status === 304).length;
  await session.send(found.request, session.context);
  if (log.statuses.filter(status => status === 304).length > before) return { pass: "304" };
  return { skip: "the answer has changed meanwhile, or may not be kept" };
}
