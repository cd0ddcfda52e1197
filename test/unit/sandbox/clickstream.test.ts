import { afterEach, describe, expect, it } from "@jest/globals";
import clickstream from "../../../datasources/clickstream/sandbox.ts";
import source from "../../../datasources/clickstream/source.ts";
import { type Json, parseJson, valueAt, valuesAt } from "../../../src/core/json.ts";
import { Secret } from "../../../src/core/secret.ts";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.ts";
import type { AwsSigV4Auth } from "../../../src/source/auth.ts";
import { awsSignature } from "../../../src/upstream/auth/aws-signature.ts";
import type { AuthorizerParts } from "../../../src/upstream/auth/authorizer.ts";

const NOON = Date.UTC(2026, 10, 20, 12);
const MINUTE_MS = 60_000;
const auth = source.client.auth as AwsSigV4Auth;

const opened: Sandbox[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(sandbox => sandbox.close()));
});

interface Signing {
  readonly auth?: Partial<AwsSigV4Auth>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly signedAtMs?: number;
  /** Changes a request after it was signed. */
  readonly tamper?: (request: { url: URL; headers: Record<string, string> }) => void;
}

async function openService({ customers = 12, quotas = false } = {}) {
  let nowMs = NOON;
  const sandbox = await startSandbox({ port: 0, seed: 3, customers, quotas, imitations: [clickstream], clock: () => nowMs });
  opened.push(sandbox);
  const base = sandbox.environment["CLICKSTREAM_BASE_URL"]!;
  const ask = async (path: string, { auth: changed = {}, environment = {}, signedAtMs = nowMs, tamper }: Signing = {}) => {
    const secrets = { read: (name: string) => new Secret({ ...sandbox.environment, ...environment }[name] ?? "") };
    const parts = { secrets, clock: { nowMs: () => signedAtMs } } as unknown as AuthorizerParts;
    const unsigned = { method: "GET", url: new URL(path.startsWith("http") ? path : `${base}${path}`), headers: {} };
    const authorizer = awsSignature({ ...auth, ...changed }, parts, () => "scope");
    const { request } = await authorizer.authorize(unsigned, new AbortController().signal);
    const sent = { url: new URL(request.url), headers: { ...request.headers } };
    tamper?.(sent);
    const response = await fetch(sent.url, { headers: sent.headers });
    const body = parseJson(await response.text());
    return { status: response.status, type: response.headers.get("x-amzn-errortype"), headers: response.headers, body };
  };
  return { ask, wait: (ms: number) => void (nowMs += ms) };
}

type Service = Awaited<ReturnType<typeof openService>>;

const nextIn = (headers: Headers) => /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];

async function listAll({ ask }: Service, path: string): Promise<Json[]> {
  const all: Json[] = [];
  for (let next: string | undefined = path; next !== undefined;) {
    const { headers, body, status } = await ask(next);
    expect(status).toBe(200);
    all.push(...(valuesAt(body, "data[*]") as Json[]));
    next = nextIn(headers);
  }
  return all;
}

const idsOf = (events: readonly Json[]) => events.map(event => String(valueAt(event, "event_id")));

describe("the clickstream's signatures", () => {
  it("accept what is signed with its credentials, whatever stands in path and query", async () => {
    const { ask } = await openService();
    expect(await ask("/v1/profiles?limit=3")).toMatchObject({ status: 200 });
    expect(await ask("/v1/events?to=2026-11-20&from=2026-11-01T00:00:00%2B01:00&limit=2")).toMatchObject({ status: 200 });
    expect(await ask("/v1/profiles/no%20such%2Fprofile!")).toMatchObject({ status: 404, type: "ResourceNotFoundException" });
  });

  it.each<[string, Signing, string]>([
    ["another secret", { environment: { CLICKSTREAM_SECRET_ACCESS_KEY: "other" } }, "InvalidSignatureException"],
    ["another key", { environment: { CLICKSTREAM_ACCESS_KEY_ID: "ASIAOTHER" } }, "UnrecognizedClientException"],
    ["another session", { environment: { CLICKSTREAM_SESSION_TOKEN: "other" } }, "UnrecognizedClientException"],
    ["another region", { auth: { region: "us-east-1" } }, "InvalidSignatureException"],
    ["another service", { auth: { service: "s3" } }, "InvalidSignatureException"],
    ["a clock that is slow", { signedAtMs: NOON - 6 * MINUTE_MS }, "InvalidSignatureException"],
    ["a clock that is fast", { signedAtMs: NOON + 6 * MINUTE_MS }, "InvalidSignatureException"],
    ["no signature", { tamper: ({ headers }) => delete headers["authorization"] }, "MissingAuthenticationTokenException"],
    [
      "a session that is not signed",
      { tamper: ({ headers }) => (headers["authorization"] = headers["authorization"]!.replace(";x-amz-security-token", "")) },
      "IncompleteSignatureException",
    ],
    ["another query", { tamper: ({ url }) => url.searchParams.set("limit", "9") }, "InvalidSignatureException"],
    ["another path", { tamper: ({ url }) => (url.pathname += "x") }, "InvalidSignatureException"],
    [
      "another body's hash",
      { tamper: ({ headers }) => (headers["x-amz-content-sha256"] = "0".repeat(64)) },
      "InvalidSignatureException",
    ],
  ])("refuse %s with 403", async (_what, signing, type) => {
    const { ask } = await openService();
    expect(await ask("/v1/profiles?limit=3", signing)).toMatchObject({ status: 403, type });
  });

  it("are good for five minutes", async () => {
    const { ask } = await openService();
    for (const signedAtMs of [NOON - 4 * MINUTE_MS, NOON + 4 * MINUTE_MS])
      expect((await ask("/v1/profiles", { signedAtMs })).status).toBe(200);
  });
});

describe("the clickstream's events", () => {
  it("are twenty to forty for most profiles, in the order of their ids, each once at any page size", async () => {
    const service = await openService();
    const profiles = await listAll(service, "/v1/profiles?limit=5");
    const events = await listAll(service, "/v1/events?limit=1000");
    const perProfile = events.length / profiles.length;
    expect(perProfile).toBeGreaterThan(20);
    expect(perProfile).toBeLessThan(40);
    const ids = idsOf(events);
    expect(ids.map(BigInt)).toEqual(ids.map(BigInt).toSorted((a, b) => (a < b ? -1 : 1)));
    expect(new Set(ids).size).toBe(ids.length);
    expect(await listAll(service, "/v1/events?limit=7")).toEqual(events);
    const times = events.map(event => Date.parse(String(valueAt(event, "occurred_at"))));
    expect(Math.min(...times)).toBeGreaterThanOrEqual(Date.UTC(2026, 9, 21));
    expect(Math.max(...times)).toBeLessThan(Date.UTC(2026, 10, 20));
  });

  it("have numbers that no double holds", async () => {
    const service = await openService();
    const events = await listAll(service, "/v1/events?limit=1000");
    for (const id of idsOf(events)) expect(String(BigInt(Number(id)))).not.toBe(id);
    expect(events.filter(event => typeof valueAt(event, "client_time_unix_nano") === "bigint").length).toBeGreaterThan(200);
  });

  it("are listed by time, a day to its end and an instant not included", async () => {
    const service = await openService();
    const all = await listAll(service, "/v1/events?limit=1000");
    const days = await listAll(service, "/v1/events?from=2026-11-01&to=2026-11-03&limit=9");
    const within = (event: Json) => /^2026-11-0[123]/.test(String(valueAt(event, "occurred_at")));
    expect(days).toEqual(all.filter(within));
    const instant = String(valueAt(days[4]!, "occurred_at"));
    expect(await listAll(service, `/v1/events?from=2026-11-01&to=${instant}`)).toEqual(days.slice(0, 4));
    expect(await listAll(service, `/v1/events?from=${instant}&to=2026-11-03`)).toEqual(days.slice(4));
  });

  it("are listed newest first for one profile", async () => {
    const service = await openService();
    const [profile] = await listAll(service, "/v1/profiles?limit=1");
    const key = String(valueAt(profile, "anonymous_id"));
    const all = await listAll(service, "/v1/events?limit=1000");
    const mine = all.filter(event => valueAt(event, "anonymous_id") === key);
    expect(mine.length).toBeGreaterThan(10);
    expect(await listAll(service, `/v1/profiles/${key}/events?limit=4`)).toEqual(mine.toReversed());
  });

  it("refuse a page size, a time, a cursor and a parameter that cannot be", async () => {
    const { ask } = await openService();
    for (const query of ["limit=1001", "limit=0", "from=yesterday", "cursor=eA", "colour=red"])
      expect(await ask(`/v1/events?${query}`)).toMatchObject({ status: 400, type: "ValidationException" });
  });
});

describe("the clickstream's limits", () => {
  it("say what is left of ten seconds, and refuse what is beyond it", async () => {
    const { ask, wait } = await openService({ quotas: true });
    const { headers } = await ask("/v1/profiles");
    expect(["limit", "remaining", "reset"].map(name => headers.get(`x-ratelimit-${name}`))).toEqual(["300", "299", "10000"]);
    for (let number = 1; number < 300; number++) await ask("/v1/profiles?limit=1");
    const refused = await ask("/v1/profiles?limit=1");
    expect(refused).toMatchObject({ status: 429, type: "TooManyRequestsException" });
    expect(refused.headers.get("retry-after")).toBe("10");
    wait(10_000);
    expect((await ask("/v1/profiles?limit=1")).status).toBe(200);
  });
});
