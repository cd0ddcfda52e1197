import { describe, expect, it } from "@jest/globals";
import { rangeOf } from "../../../src/server/range.ts";

const of = (range: string, more: object = {}) => rangeOf({ range, ...more }, '"v1"', 100);

describe("the range of a request", () => {
  it.each([
    ["bytes=0-9", { start: 0, end: 9 }],
    ["bytes=90-", { start: 90, end: 99 }],
    ["bytes=90-500", { start: 90, end: 99 }],
    ["bytes=-10", { start: 90, end: 99 }],
    ["bytes=-500", { start: 0, end: 99 }],
    ["bytes=99-99", { start: 99, end: 99 }],
  ])("%s is read as RFC 9110 has it", (header, range) => {
    expect(of(header)).toEqual(range);
  });

  it.each(["bytes=100-", "bytes=100-200", "bytes=-0"])("%s cannot be satisfied", header => {
    expect(of(header)).toBe("unsatisfiable");
  });

  it.each(["bytes=9-0", "bytes=-", "bytes=a-b", "rows=0-9", "bytes=0-1,5-6", ""])("%s is no range: all is sent", header => {
    expect(of(header)).toBeNull();
  });

  it("counts for the version that If-Range names alone", () => {
    expect(of("bytes=0-9", { "if-range": '"v1"' })).toEqual({ start: 0, end: 9 });
    expect(of("bytes=0-9", { "if-range": '"v0"' })).toBeNull();
    expect(of("bytes=0-9", { "if-range": 'W/"v1"' })).toBeNull();
  });
});
