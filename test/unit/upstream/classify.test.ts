import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { UpstreamError } from "../../../src/core/errors.ts";
import type { Failures } from "../../../src/source/failures.ts";
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
});
