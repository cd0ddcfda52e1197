import { describe, expect, it } from "@jest/globals";
import { momentsOf } from "../../../src/app/moments.ts";

const nowMs = Date.UTC(2026, 9, 10, 12);
const moments = (asked: { asOf?: string; asOfDaily?: string }) => momentsOf(asked, nowMs);

describe("the moments of a build", () => {
  it("are none where none is asked for", () => {
    expect(moments({})).toEqual([]);
  });

  it("are in UTC, oldest first, each once; a day is its end", () => {
    expect(moments({ asOf: "2026-10-02T09:00:00+02:00, 2026-10-01,2026-10-01" })).toEqual([
      "2026-10-01T23:59:59.999Z",
      "2026-10-02T07:00:00.000Z",
    ]);
  });

  it("are every day from the first to the last", () => {
    expect(moments({ asOfDaily: "2026-02-27..2026-03-01", asOf: "2026-02-28" })).toEqual([
      "2026-02-27T23:59:59.999Z",
      "2026-02-28T23:59:59.999Z",
      "2026-03-01T23:59:59.999Z",
    ]);
  });

  it.each([
    { asOf: "yesterday" },
    { asOf: "2026-02-30" },
    { asOf: "2026-02-30T00:00:00Z" },
    { asOf: "2026-10-01T09:00:00" },
    { asOf: "2026-10-01," },
    { asOf: "2026-10-10T12:00:01Z" },
    { asOfDaily: "2026-10-01" },
    { asOfDaily: "2026-10-02..2026-10-01" },
    { asOfDaily: "2026-10-01..2026-10-02..2026-10-03" },
    { asOfDaily: "2026-10-01..2026-10-10" },
  ])("are refused: %j", asked => {
    expect(() => moments(asked)).toThrow(expect.objectContaining({ code: "REQUEST_INVALID" }));
  });
});
