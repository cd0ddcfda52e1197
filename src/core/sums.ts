import type { CanonicalValue } from "./canonical.ts";

/** The exact sum of canonical integers as text; null when one of them is null. */
export function sumIntegers(values: readonly CanonicalValue[]): string | null {
  return values.includes(null) ? null : String(values.reduce<bigint>((sum, value) => sum + BigInt(String(value)), 0n));
}

/** The exact sum of canonical decimals as text, without trailing zeros; null when one of them is null. */
export function sumDecimals(values: readonly CanonicalValue[]): string | null {
  if (values.includes(null)) return null;
  const parts = values.map(value => String(value).split("."));
  const digits = Math.max(0, ...parts.map(([, fraction]) => fraction?.length ?? 0));
  const sum = parts.reduce((total, [whole, fraction]) => total + BigInt(`${whole}${(fraction ?? "").padEnd(digits, "0")}`), 0n);
  const text = String(sum < 0n ? -sum : sum).padStart(digits + 1, "0");
  const decimal = digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`.replace(/\.?0+$/, "");
  return sum < 0n ? `-${decimal}` : decimal;
}
