import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { productOver, quotientOf } from "../../../src/core/decimal.ts";

/** A decimal as text, as units of 10 ** -scale. */
const decimal = (units: bigint, scale: number): string => {
  const text = String(units < 0n ? -units : units).padStart(scale + 1, "0");
  return (units < 0n ? "-" : "") + (scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`);
};
const parts = (min: bigint, max: bigint) => fc.record({ units: fc.bigInt({ min, max }), scale: fc.integer({ min: 0, max: 10 }) });
const positive = parts(1n, 10n ** 20n);
const any = parts(-(10n ** 28n), 10n ** 28n);
const size = (number: bigint): bigint => (number < 0n ? -number : number);

describe("a product of decimals over another", () => {
  it.each([
    [["10.00", "1.1486"], "1", 2, "11.49"],
    [["10.00", "168.46"], "1", 0, "1685"],
    [["1050", "0.345"], "168.46", 3, "2.150"],
    [["0.125", "1"], "1", 2, "0.12"],
    [["0.375", "1"], "1", 2, "0.38"],
    [["-0.125", "1"], "1", 2, "-0.12"],
    [["2.5"], "1", 0, "2"],
    [["3.5"], "1", 0, "4"],
    [["-0.004"], "1", 2, "0.00"],
    [["90071992547409.93", "1"], "1", 2, "90071992547409.93"],
    [["0", "5"], "3", 3, "0.000"],
  ])("%j / %s to %i digits is %s", (factors, divisor, digits, expected) => {
    expect(productOver(factors, divisor, digits)).toBe(expected);
  });

  it("is never further from the truth than half a unit, and at exactly half it is even", () => {
    fc.assert(
      fc.property(any, positive, positive, fc.integer({ min: 0, max: 4 }), (a, b, c, digits) => {
        const text = productOver([decimal(a.units, a.scale), decimal(b.units, b.scale)], decimal(c.units, c.scale), digits);
        const rounded = BigInt(text.replace(".", ""));
        expect(text.split(".")[1]?.length ?? 0).toBe(digits);
        // rounded / 10^digits against a * b / c, both sides times 10^(everything) * c
        const left = rounded * c.units * 10n ** BigInt(a.scale + b.scale);
        const right = a.units * b.units * 10n ** BigInt(c.scale + digits);
        const half = c.units * 10n ** BigInt(a.scale + b.scale);
        const distance = 2n * size(left - right);
        expect(distance <= half).toBe(true);
        if (distance === half) expect(rounded % 2n).toBe(0n);
      }),
    );
  });

  it("refuses a divisor that is not greater than zero, and what is no decimal", () => {
    for (const divisor of ["0", "0.00", "-1"]) expect(() => productOver(["1"], divisor, 2)).toThrow(RangeError);
    for (const text of ["1e3", "", "1.", ".5", "+1", "0x1", " 1"]) expect(() => productOver([text], "1", 2)).toThrow(RangeError);
  });
});

describe("a quotient of decimals", () => {
  it.each([
    ["168.46", "1.1486", "146.665505833"],
    ["1", "3", "0.333333333333"],
    ["2", "3", "0.666666666667"],
    ["0.345", "18100", "0.0000190607734807"],
    ["18100", "0.345", "52463.7681159"],
    ["9.99999999999996", "1", "10"],
    ["1.50", "1", "1.5"],
    ["100", "1", "100"],
    ["1234567890123456", "1", "1234567890123456"],
  ])("%s / %s is %s", (dividend, divisor, expected) => {
    expect(quotientOf(dividend, divisor, 12)).toBe(expected);
  });

  it("has twelve significant digits: no double is further off than its own precision", () => {
    const amounts = parts(1n, 10n ** 12n);
    fc.assert(
      fc.property(amounts, amounts, (a, b) => {
        const [dividend, divisor] = [decimal(a.units, a.scale), decimal(b.units, b.scale)];
        const truth = Number(dividend) / Number(divisor);
        expect(Math.abs(Number(quotientOf(dividend, divisor, 12)) / truth - 1)).toBeLessThan(5.1e-12);
      }),
    );
  });

  it("refuses what is not greater than zero", () => {
    for (const [dividend, divisor] of [
      ["0", "1"],
      ["1", "0"],
      ["-1", "1"],
    ] as const)
      expect(() => quotientOf(dividend, divisor, 12)).toThrow(RangeError);
  });
});
