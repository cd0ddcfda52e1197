import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ExactNumber, type Json, numberText, parseJson, valueAt, valuesAt } from "../../../src/core/json.ts";

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

  it("keeps every digit of any decimal", () => {
    const digits = fc.stringMatching(/^[0-9]{1,25}$/);
    const decimal = fc.tuple(
      fc.constantFrom("", "-"),
      digits.map(text => text.replace(/^0+(?=\d)/, "")),
      digits,
    );
    fc.assert(
      fc.property(decimal, ([sign, whole, fraction]) => {
        const text = `${sign}${whole}.${fraction}`;
        const [kept] = parseJson(`[${text}]`) as readonly [Json];
        const plain = (number: string) => (/^-?0\.?0*$/.test(number) ? "0" : number.replace(/\.?0+$/, ""));
        const shown = typeof kept === "number" ? String(kept) : numberText(kept);
        if (!/e/.test(shown ?? "")) expect(plain(shown?.includes(".") ? shown : `${shown}.0`)).toBe(plain(text));
        else expect(Number(shown)).toBe(Number(text));
      }),
    );
  });

  it("refuses values that nest deeper than 256, with and without long numbers among them", () => {
    const nested = (depth: number, core = "1") => `${'[{"a":'.repeat(depth / 2)}${core}${"}]".repeat(depth / 2)}`;
    expect(parseJson(nested(256))).toBeDefined();
    for (const text of [nested(258), nested(200_000), nested(200_000, "12345678901234567890")])
      expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  it("takes the last of members with one name, and __proto__ for a name like any other", () => {
    for (const long of ["1", "12345678901234567890"]) {
      const value = parseJson(`{"a":1,"a":2,"__proto__":{"b":${long}},"constructor":3}`) as Record<string, Json>;
      expect(value["a"]).toBe(2);
      expect(Object.getPrototypeOf(value)).toBe(Object.getPrototypeOf({ ...value }));
      expect(Object.keys(value)).toEqual(["a", "__proto__", "constructor"]);
      expect(valueAt(value, "b")).toBeUndefined();
      expect(valuesAt({}, "constructor.name")).toEqual([]);
    }
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
