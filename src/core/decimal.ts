/** A number of exactly `units / 10 ** scale`; no double is ever between. */
interface FixedPoint {
  readonly units: bigint;
  readonly scale: number;
}

const form = /^-?\d+(\.\d+)?$/;

/** Throws `RangeError` for a text that is no canonical decimal. */
function fixedPointOf(text: string): FixedPoint {
  if (!form.test(text)) throw new RangeError("not a decimal number without exponent");
  const [whole = "", fraction = ""] = text.split(".");
  return { units: BigInt(whole + fraction), scale: fraction.length };
}

/** The quotient of two integers, rounded half to even. The divisor is greater than zero. */
function divideHalfEven(dividend: bigint, divisor: bigint): bigint {
  const size = dividend < 0n ? -dividend : dividend;
  const [down, twice] = [size / divisor, (size % divisor) * 2n];
  const isUp = twice > divisor || (twice === divisor && down % 2n === 1n);
  const rounded = isUp ? down + 1n : down;
  return dividend < 0n ? -rounded : rounded;
}

/** Writes `units / 10 ** digits`; negative zero is zero. */
function written(units: bigint, digits: number): string {
  const sign = units < 0n ? "-" : "";
  const text = String(units < 0n ? -units : units).padStart(digits + 1, "0");
  return digits === 0 ? sign + text : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/**
 * The product of canonical decimals divided by another one, rounded once, half to even, to exactly so many digits after the point. Throws
 * `RangeError` for what is no decimal, and unless the divisor is greater than zero.
 */
export function productOver(factors: readonly string[], divisor: string, digits: number): string {
  const [by, parts] = [fixedPointOf(divisor), factors.map(fixedPointOf)];
  if (by.units <= 0n) throw new RangeError("a divisor must be greater than zero");
  const units = parts.reduce((product, part) => product * part.units, 1n);
  const shift = by.scale + digits - parts.reduce((sum, { scale }) => sum + scale, 0);
  const up = 10n ** BigInt(Math.max(0, shift));
  const down = 10n ** BigInt(Math.max(0, -shift));
  return written(divideHalfEven(units * up, by.units * down), digits);
}

/**
 * A quotient of decimals greater than zero, rounded half to even to so many significant digits (never before the point), without zeros that say
 * nothing. Throws `RangeError` for what is no decimal or not greater than zero.
 */
export function quotientOf(dividend: string, divisor: string, significant: number): string {
  const [above, below] = [fixedPointOf(dividend), fixedPointOf(divisor)];
  if (above.units <= 0n) throw new RangeError("a dividend must be greater than zero");
  if (below.units <= 0n) throw new RangeError("a divisor must be greater than zero");
  const digits = Math.max(0, significant - 1 - magnitudeOf(above, below));
  const quotient = productOver([dividend], divisor, digits);
  return digits === 0 ? quotient : quotient.replace(/\.?0+$/, "");
}

/** The power of ten of a quotient's first digit. */
function magnitudeOf(above: FixedPoint, below: FixedPoint): number {
  const [first, second] = [String(above.units), String(below.units)];
  const places = first.length - above.scale - (second.length - below.scale);
  const width = Math.max(first.length, second.length);
  return first.padEnd(width, "0") >= second.padEnd(width, "0") ? places : places - 1;
}
