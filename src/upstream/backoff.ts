import type { Random } from "../core/ports.ts";

/** Exponential backoff with full jitter. @see https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/ */
export interface BackoffPolicy {
  readonly baseMs: number;
  readonly capMs: number;
  /** Attempts in all, the first included. */
  readonly maxAttempts: number;
  /** The same for work in bulk, which has time: it outlasts a hiccup of some seconds. */
  readonly maxBulkAttempts: number;
}

export const defaultBackoff: BackoffPolicy = { baseMs: 200, capMs: 5_000, maxAttempts: 3, maxBulkAttempts: 6 };

/** The longest wait, in ms, before the attempt after the given one (1 is the first). */
export const ceilingMs = (policy: BackoffPolicy, attempt: number): number =>
  Math.min(policy.capMs, policy.baseMs * 2 ** (attempt - 1));

/** A random wait in ms between zero and the ceiling. */
export const delayMs = (policy: BackoffPolicy, attempt: number, random: Random): number =>
  Math.round(random() * ceilingMs(policy, attempt));
