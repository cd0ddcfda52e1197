const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
/** The longest window of days that may be asked for. */
export const MAX_DAYS = 92;

/** The UTC day of a moment, `YYYY-MM-DD`. */
export const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10);

/** The last days up to and including today (UTC). */
export const lastDays = (days: number, nowMs: number): { from: string; to: string } => ({
  from: dayOf(nowMs - (days - 1) * DAY_MS),
  to: dayOf(nowMs),
});

/** A window of days from what was given of it: `to` defaults to today, `from` to 29 days before it. Undefined when it makes no sense. */
export function windowOf(
  from: string | null | undefined,
  to: string | null | undefined,
  nowMs: number,
): { from: string; to: string } | undefined {
  const endMs = to ? Date.parse(`${to}T00:00:00Z`) : nowMs;
  if (Number.isNaN(endMs) || (to && dayOf(endMs) !== to)) return undefined;
  const startMs = from ? Date.parse(`${from}T00:00:00Z`) : endMs - (DEFAULT_DAYS - 1) * DAY_MS;
  if (Number.isNaN(startMs) || (from && dayOf(startMs) !== from)) return undefined;
  const window = { from: dayOf(startMs), to: dayOf(endMs) };
  return window.from <= window.to && endMs - startMs < MAX_DAYS * DAY_MS ? window : undefined;
}
