import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { get } from "../../../src/source/request.ts";
import { targetOf, underBase } from "../../../src/upstream/target.ts";

const base = "https://api.source.example/v2";

describe("underBase", () => {
  it.each([
    ["https://api.source.example/v2/things?after=1", "/things?after=1"],
    ["https://API.source.example:443/v2/things", "/things"],
    ["/v2/things?after=a%2Fb", "/things?after=a%2Fb"],
    ["things?after=1", "/things?after=1"],
    ["?after=1", "/?after=1"],
    ["//api.source.example/v2/things", "/things"],
    ["/v2/things?back=/../..", "/things?back=/../.."],
    ["/v2/things#top", "/things"],
  ])("takes %s for %s", (href, path) => {
    expect(underBase(base, href)).toBe(path);
  });

  it("reads a relative address from the request that it answered", () => {
    expect(underBase(base, "?after=1", "/things?limit=5")).toBe("/things?after=1");
    expect(underBase(base, "page/2", "/things/page/1")).toBe("/things/page/page/2");
    expect(underBase(base, "../../../admin", "/things/page/1")).toBeUndefined();
  });

  it.each([
    "https://evil.example/v2/things",
    "https://api.source.example.evil.example/v2/things",
    "https://api.source.example@evil.example/v2/things",
    "https://user:secret@api.source.example/v2/things",
    "https://user@api.source.example/v2/things",
    "http://api.source.example/v2/things",
    "https://api.source.example:8443/v2/things",
    "//evil.example/v2/things",
    "\\\\evil.example\\v2",
    "/\\evil.example/v2",
    "/v1/things",
    "/v20/things",
    "/v2/../admin",
    "/v2/%2e%2e/admin",
    "/v2/..\\admin",
    "../admin",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "https://",
    "http://[",
  ])("leads nowhere for %s", href => {
    expect(underBase(base, href)).toBeUndefined();
  });

  it("gives nothing that does not lead back under the base URL, whatever it is given", () => {
    const part = fc.constantFrom(
      "/",
      "//",
      "\\",
      "..",
      ".",
      "%2e",
      "@",
      ":",
      "?",
      "#",
      "v2",
      "api.source.example",
      "evil",
      "https:",
      "\t",
      "a",
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), parts => {
        const path = underBase(base, parts.join(""));
        if (path !== undefined) expect(targetOf(base, get("a", path)).href).toMatch(/^https:\/\/api\.source\.example\/v2(\/|$)/);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("targetOf", () => {
  it("keeps what a path carries in its query", () => {
    expect(targetOf(base, get("a", "/things?q=/../x")).href).toBe("https://api.source.example/v2/things?q=/../x");
  });

  it.each(["things", "/../admin", "/a/%2E%2e/admin", "/..", "@evil.example/", "/a\\..\\..\\admin"])("refuses %s", path => {
    expect(() => targetOf(base, get("a", path))).toThrow(expect.objectContaining({ code: "UPSTREAM_REJECTED" }));
  });
});
