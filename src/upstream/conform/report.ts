/** What one check of a source came to. */
export interface CheckResult {
  /** What was checked, e.g. `keys are unique`. Stable, so that scripts can look for it. */
  readonly check: string;
  /** The collection, or null for what concerns the source as a whole. */
  readonly collection: string | null;
  readonly status: "pass" | "fail" | "skipped";
  readonly expected: string;
  /** What was seen, or why it was not looked at. Never a value of a record that is personal, never a secret. */
  readonly seen: string;
  /** What the author of the declaration can do; null where there is nothing to do. */
  readonly remedy: string | null;
}

/** What came of all checks of a source. */
export interface ConformReport {
  readonly source: string;
  readonly checks: readonly CheckResult[];
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Requests that were sent, retries and requests for tokens included. */
  readonly calls: number;
}

/** What a check found. Throw nothing for a check that fails: what is thrown is a failure of the source itself. */
export type Finding =
  | { readonly pass: string; readonly remedy?: string }
  | { readonly fail: string; readonly remedy: string }
  | { readonly skip: string; readonly remedy?: string };

/** A check before it is made. */
export interface Check {
  readonly check: string;
  readonly expected: string;
  readonly make: () => Promise<Finding> | Finding;
}

/** A finding as a row of the report. */
export function resultOf({ check, expected }: Omit<Check, "make">, collection: string | null, finding: Finding): CheckResult {
  const place = { check, collection, expected };
  if ("pass" in finding) return { ...place, status: "pass", seen: finding.pass, remedy: finding.remedy ?? null };
  if ("fail" in finding) return { ...place, status: "fail", seen: finding.fail, remedy: finding.remedy };
  return { ...place, status: "skipped", seen: finding.skip, remedy: finding.remedy ?? null };
}

/** Puts the rows together. */
export function reportOf(source: string, checks: readonly CheckResult[], calls: number): ConformReport {
  const count = (status: CheckResult["status"]) => checks.filter(each => each.status === status).length;
  return { source, checks, passed: count("pass"), failed: count("fail"), skipped: count("skipped"), calls };
}
