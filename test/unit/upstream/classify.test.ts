import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { UpstreamError } from "../../../src/core/errors.ts";
import type { FailureForm, Failures } from "../../../src/source/failures.ts";
import { classify, retryAfterMs } from "../../../src/upstream/classify.ts";

const read = (status: number, text: string, headers: Record<string, string> = {}, failures: Failures = {}) =>
  classify({ status, text, headers }, failures, false, 0);

function failureOf(status: number, text = "{}", headers: Record<string, string> = {}, failures: Failures = {}): UpstreamError {
  try {
    read(status, text, headers, failures);
  } catch (error) {
    if (error instanceof UpstreamError) return error;
  }
  throw new Error("it did not fail");
}

describe("classify", () => {
  it.each([
    [400, "UPSTREAM_REJECTED", false],
    [401, "UPSTREAM_AUTH", false],
    [403, "UPSTREAM_FORBIDDEN", false],
    [404, "UPSTREAM_REJECTED", false],
    [408, "UPSTREAM_TIMEOUT", true],
    [409, "UPSTREAM_REJECTED", false],
    [422, "UPSTREAM_REJECTED", false],
    [429, "UPSTREAM_THROTTLED", true],
    [302, "UPSTREAM_REJECTED", false],
    [500, "UPSTREAM_UNAVAILABLE", true],
    [503, "UPSTREAM_UNAVAILABLE", true],
    [504, "UPSTREAM_TIMEOUT", true],
    [524, "UPSTREAM_UNAVAILABLE", true],
  ])("takes %i for %s", (status, code, retryable) => {
    expect(failureOf(status)).toMatchObject({ code, retryable, details: { httpStatus: status } });
  });

  it("takes 404 for an absent record only where one was asked for, and only in the provider's own form", () => {
    const codeOf = (text: string, mayBeAbsent: boolean) => {
      try {
        return classify({ status: 404, text, headers: {} }, {}, mayBeAbsent, 0);
      } catch (error) {
        return (error as UpstreamError).code;
      }
    };
    expect(codeOf('{"error":"none"}', true)).toBe("UPSTREAM_NOT_FOUND");
    expect(codeOf('{"error":"none"}', false)).toBe("UPSTREAM_REJECTED");
    expect(codeOf("<html>no such page</html>", true)).toBe("UPSTREAM_REJECTED");
  });

  it("lets the vendor's hint decide", () => {
    const failures = { retryHint: "Should-Retry" };
    expect(failureOf(400, "{}", { "should-retry": "true" }, failures).retryable).toBe(true);
    expect(failureOf(500, "{}", { "should-retry": "false" }, failures).retryable).toBe(false);
  });

  it("refuses an answer without a body, with HTML, and cut JSON", () => {
    expect(failureOf(204, "").code).toBe("UPSTREAM_EMPTY");
    expect(failureOf(200, "<html>busy</html>").code).toBe("UPSTREAM_MALFORMED");
    expect(failureOf(200, '{"data":[{"id":1').code).toBe("UPSTREAM_MALFORMED");
  });

  it("never repeats a body in an error", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(200, 400, 500),
        fc.string({ minLength: 4 }).map(text => `secret-${text}`),
        (status, text) => {
          expect(`${failureOf(status, text).message} ${String(failureOf(status, text).cause)}`).not.toContain(text);
        },
      ),
    );
  });

  it("finds a throttle in a 200 and tells partial errors from absent records", () => {
    const failures: Failures = {
      errors: "errors",
      throttled: { path: "extensions.code", equals: "THROTTLED" },
      absent: { path: "category", equals: "NOT_THERE" },
    };
    expect(failureOf(200, '{"errors":[{"extensions":{"code":"THROTTLED"}}]}', {}, failures).code).toBe("UPSTREAM_THROTTLED");
    expect(read(207, '{"results":[],"errors":[{"category":"NOT_THERE"}]}', {}, failures).problems).toEqual([]);
    expect(read(200, '{"data":{"a":1},"errors":[{"message":"no"}]}', {}, failures).problems).toMatchObject([
      { code: "UPSTREAM_GRAPHQL" },
    ]);
  });
});

describe("retryAfterMs", () => {
  it.each([
    ["0", 0],
    ["7", 7_000],
    [new Date(5_000).toUTCString(), 5_000],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
    [" 5 ", 5_000],
    ["-5", undefined],
    ["1.5", undefined],
    ["soon", undefined],
    [undefined, undefined],
  ])("reads %s", (header, expected) => {
    expect(retryAfterMs(header, 0)).toBe(expected);
  });

  it("never goes below zero for a date in the past", () => {
    expect(retryAfterMs(new Date(1_000).toUTCString(), 60_000)).toBe(0);
  });

  it("says when a spent quota begins anew: as the answer says, else at the declared hour", () => {
    const spent = (resetHour: number | undefined, headers: Record<string, string> = {}) =>
      failureOf(429, "{}", headers, {
        forms: [{ statuses: [429], means: "quota-spent", ...(resetHour !== undefined && { resetHour }) }],
      }).details;
    expect(spent(undefined)).toMatchObject({ retryAfterMs: 86_400_000, resumesAt: "1970-01-02T00:00:00.000Z" });
    expect(spent(5)).toMatchObject({ retryAfterMs: 5 * 3_600_000, resumesAt: "1970-01-01T05:00:00.000Z" });
    expect(spent(5, { "retry-after": "90" })).toMatchObject({ retryAfterMs: 90_000, resumesAt: "1970-01-01T00:01:30.000Z" });
    expect(spent(5, { "retry-after": "99999999999999999" }).resumesAt).toBe("+275760-09-13T00:00:00.000Z");
  });

  it("knows a failure by the form that its source declares, whatever the status", () => {
    const forms = {
      github: [
        { statuses: [403], header: { name: "X-RateLimit-Remaining", equals: "0" }, means: "throttled" },
        { statuses: [403], header: { name: "Retry-After" }, means: "throttled" },
        { statuses: [200], body: { path: "errors[*].type", equals: "RATE_LIMITED" }, means: "throttled" },
      ],
      salesforce: [{ statuses: [403], body: { path: "[*].errorCode", equals: "REQUEST_LIMIT_EXCEEDED" }, means: "quota-spent" }],
      shopify: [{ body: { path: "errors[*].extensions.code", equals: "THROTTLED" }, means: "throttled" }],
      hubspot: [{ statuses: [429], body: { path: "policyName", equals: "DAILY" }, means: "quota-spent" }],
      stripe: [
        { statuses: [429], body: { path: "error.code", equals: "lock_timeout" }, means: "busy" },
        { statuses: [400], body: { path: "error.code", equals: "rate_limit" }, means: "throttled" },
      ],
      slack: [{ statuses: [200], body: { path: "error", equals: "invalid_auth" }, means: "auth" }],
    } satisfies Record<string, readonly FailureForm[]>;
    const say = (source: keyof typeof forms, status: number, text: string, headers: Record<string, string> = {}) =>
      failureOf(status, text, headers, { forms: forms[source] });
    const throttled = { code: "UPSTREAM_THROTTLED", retryable: true };
    expect(say("github", 403, "{}", { "x-ratelimit-remaining": "0" })).toMatchObject(throttled);
    expect(say("github", 403, "{}", { "retry-after": "7" })).toMatchObject({ ...throttled, details: { retryAfterMs: 7_000 } });
    expect(say("github", 403, "{}", { "x-ratelimit-remaining": "9" })).toMatchObject({
      code: "UPSTREAM_FORBIDDEN",
      retryable: false,
    });
    expect(say("github", 200, '{"errors":[{"type":"RATE_LIMITED"}]}')).toMatchObject(throttled);
    expect(say("salesforce", 403, '[{"errorCode":"REQUEST_LIMIT_EXCEEDED"}]').code).toBe("UPSTREAM_QUOTA_SPENT");
    expect(say("salesforce", 403, '[{"errorCode":"INSUFFICIENT_ACCESS"}]')).toMatchObject({ code: "UPSTREAM_FORBIDDEN" });
    expect(say("shopify", 200, '{"errors":[{"extensions":{"code":"THROTTLED"}}]}')).toMatchObject(throttled);
    expect(say("hubspot", 429, '{"policyName":"DAILY"}')).toMatchObject({ code: "UPSTREAM_QUOTA_SPENT", retryable: true });
    expect(say("hubspot", 429, '{"policyName":"TEN_SECONDLY_ROLLING"}')).toMatchObject(throttled);
    expect(say("stripe", 429, '{"error":{"code":"lock_timeout"}}')).toMatchObject({ code: "UPSTREAM_REJECTED", retryable: true });
    expect(say("stripe", 400, '{"error":{"code":"rate_limit"}}')).toMatchObject(throttled);
    expect(say("stripe", 429, "Too many requests")).toMatchObject(throttled);
    expect(say("slack", 200, '{"ok":false,"error":"invalid_auth"}')).toMatchObject({ code: "UPSTREAM_AUTH" });
  });

  it("takes a declared form of absence for one only where a record was asked for", () => {
    const forms: readonly FailureForm[] = [{ statuses: [400], body: { path: "code", equals: "missing" }, means: "absent" }];
    const codeOf = (mayBeAbsent: boolean) => {
      try {
        return classify({ status: 400, text: '{"code":"missing"}', headers: {} }, { forms }, mayBeAbsent, 0);
      } catch (error) {
        return (error as UpstreamError).code;
      }
    };
    expect([codeOf(true), codeOf(false)]).toEqual(["UPSTREAM_NOT_FOUND", "UPSTREAM_REJECTED"]);
  });

  it("takes JSON under any name, and names the type of what is none", () => {
    expect(read(200, '{"a":1}', { "content-type": "text/plain" }).body).toEqual({ a: 1 });
    expect(failureOf(200, "<html>secret</html>", { "content-type": "Text/HTML; charset=utf-8" }).message).toContain("text/html");
  });

  it("reads 207 like 200, and does not take a part for the whole", () => {
    expect(read(207, '{"results":[]}').body).toEqual({ results: [] });
    expect(failureOf(206, '{"results":[]}').code).toBe("UPSTREAM_MALFORMED");
  });

  it("says where an undeclared redirect points, without its path and query", () => {
    const error = failureOf(307, "", { location: "https://login.example/in?token=secret" });
    expect(error).toMatchObject({ code: "UPSTREAM_REJECTED", retryable: false, details: { redirectHost: "login.example" } });
    expect(error.message).toBe("the source answered 307 Temporary Redirect, a redirect to login.example that is not declared");
    expect(failureOf(302, "", { location: "/in?token=secret" }).message).not.toContain("secret");
  });

  it("refuses what nests without end, and is not led to a prototype", () => {
    expect(failureOf(200, `{"data":${"[".repeat(100_000)}${"]".repeat(100_000)}}`).code).toBe("UPSTREAM_MALFORMED");
    const text = '{"__proto__":{"errors":[{"code":"X"}]},"constructor":{"prototype":{"errors":1}}}';
    expect(read(200, text, {}, { errors: "errors" }).problems).toEqual([]);
    expect(({} as { errors?: unknown }).errors).toBeUndefined();
  });
});
