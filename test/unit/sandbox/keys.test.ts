import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { createKeys, permute, unpermute } from "../../../src/sandbox/keys.ts";

const keys = createKeys(11);
const spaces = {
  numeric: keys.numeric("a"),
  ordered: keys.ordered("a"),
  uuid: keys.uuid("a"),
  opaque: keys.opaque("a", "cus_"),
  long: keys.opaque("a", "in_", 24),
};
const index = fc.integer({ min: 0, max: 2 ** 31 });

describe("key spaces", () => {
  it("permutes forty bits and finds its way back", () => {
    const forty = fc.integer({ min: 0, max: 2 ** 40 - 1 });
    fc.assert(fc.property(fc.integer(), forty, (key, n) => unpermute(key, permute(key, n)) === n && permute(key, n) < 2 ** 40));
  });

  it.each(Object.entries(spaces))("%s gives every index a key that leads back to it", (_name, space) => {
    fc.assert(fc.property(index, n => space.indexOf(String(space.of(n))) === n));
  });

  it.each(Object.entries(spaces))("%s gives different indexes different keys", (_name, space) => {
    const made = new Set(Array.from({ length: 5000 }, (_empty, n) => String(space.of(n))));
    expect(made.size).toBe(5000);
  });

  it.each(["4821", "", "cus_", "cus_AAAAAAAAAAAAAA", "00000000-0000-4000-8000-000000000000", "999999999999", "x".repeat(18)])(
    "knows that %j was never made in a sealed space",
    key => {
      expect([spaces.uuid.indexOf(key), spaces.opaque.indexOf(key), spaces.long.indexOf(key)]).toEqual([null, null, null]);
    },
  );

  it("never makes the first account's number a key", () => {
    for (const space of Object.values(spaces)) expect(space.indexOf("4821")).toBeNull();
  });

  it("has ordered keys that grow", () => {
    fc.assert(fc.property(index, n => spaces.ordered.of(n + 1) > spaces.ordered.of(n)));
  });

  it("makes version 4 shaped UUIDs", () => {
    fc.assert(
      fc.property(index, n => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(spaces.uuid.of(n))),
    );
  });

  it("differs by space and by seed", () => {
    const made = [keys.uuid("a").of(1), keys.uuid("b").of(1), createKeys(12).uuid("a").of(1)];
    expect(new Set(made).size).toBe(3);
  });
});
