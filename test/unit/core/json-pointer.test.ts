import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { namesIn, pointerTo, textAt } from "../../../src/core/json-pointer.ts";

describe("a JSON pointer", () => {
  it("names what it was made of, whatever the names hold", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: fc.constantFrom("a", "/", "~", "0", "1", " ", "ü") })), names => {
        expect(namesIn(pointerTo(names))).toEqual(names);
      }),
    );
    expect(pointerTo(["a/b", "m~n", "0"])).toBe("/a~1b/m~0n/0"); // RFC 6901, section 5
  });
});

/** Every pointer into a value, with the value there. */
function* places(value: unknown, names: readonly string[] = []): Generator<[readonly string[], unknown]> {
  yield [names, value];
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) yield* places(inner, [...names, name]);
}

describe("the text at a pointer", () => {
  it("is the value there, for any JSON and any spacing", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(0, 1, "\t"), (value, space) => {
        const json = JSON.stringify(value, null, space);
        const plain = JSON.parse(json) as unknown;
        for (const [names, found] of places(plain)) {
          expect(JSON.parse(textAt(json, pointerTo(names)) ?? "")).toEqual(found);
        }
      }),
    );
  });

  it("keeps digits and escapes as they were sent", () => {
    const json = '{"a" : [1.50, 9007199254740993 ,"\\u00fc\\"]"], "b":{}}';
    expect(["/a/0", "/a/1", "/a/2", "/b"].map(pointer => textAt(json, pointer))).toEqual([
      "1.50",
      "9007199254740993",
      '"\\u00fc\\"]"',
      "{}",
    ]);
  });

  it("takes the last of members with one name, and nothing where nothing is", () => {
    expect(textAt('{"a":1,"a":2}', "/a")).toBe("2");
    expect(["/b", "/a/0", "/a/b"].map(pointer => textAt('{"a":1}', pointer))).toEqual([null, null, null]);
    expect(["/0", "/2"].map(pointer => textAt("[1]", pointer))).toEqual(["1", null]);
  });
});
