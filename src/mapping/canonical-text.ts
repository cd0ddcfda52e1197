import type { CanonicalValue } from "../core/canonical.ts";

/** A canonical value as the SQL path writes it: text as it is, an integer as its digits, a boolean as `true` or `false`. */
export const canonicalText = (value: CanonicalValue): string | null => (value === null ? null : String(value));
