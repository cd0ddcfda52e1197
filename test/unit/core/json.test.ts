import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ExactNumber, parseJson, valueAt, valuesAt } from "../../../src/core/json.ts";

describe("parseJson", () => {
  it("keeps every digit of integers beyond 2^53", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), number => {
        expect(BigInt(parseJson(`[${number}]`) as never)).toBe(number);
      }),
    );
  });

  it("keeps decimals that a double would change as text, and leaves the others numbers", () => {
    expect(parseJson("[0.1, 1.50, 100, 123456789012345.678901, 1e400]")).toEqual([
      0.1,
      1.5,
      100,
      new ExactNumber("123456789012345.678901"),
      new ExactNumber("1e400"),
    ]);
  });

  it("does with everything else what JSON.parse does", () => {
    fc.assert(
      fc.property(fc.json(), text => {
        const plain: unknown = JSON.parse(text);
        expect(
          JSON.stringify(parseJson(text), (_name, value: unknown) =>
            typeof value === "bigint" || value instanceof ExactNumber ? Number(value) : value,
          ),
        ).toBe(JSON.stringify(plain));
      }),
    );
  });

  it("leaves strings of digits alone", () => {
    expect(parseJson('{"id":"12345678901234567890","n":1}')).toEqual({ id: "12345678901234567890", n: 1 });
  });
});

describe("paths", () => {
  const body = parseJson('{"a":{"b":[{"c":1},{"c":2},{}]},"__proto__":{"x":1}}');
  it("goes through lists", () => {
    expect(valuesAt(body, "a.b[*].c")).toEqual([1, 2]);
  });
  it("finds nothing that is inherited", () => {
    expect(valueAt(body, "toString")).toBeUndefined();
    expect(valueAt(parseJson("{}"), "__proto__.x")).toBeUndefined();
  });
});
