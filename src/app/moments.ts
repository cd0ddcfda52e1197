import { RequestError } from "../core/errors.ts";

/** What a build is asked for on the command line. */
interface AskedMoments {
  /** Days or moments, with commas between them. */
  readonly asOf?: string;
  /** The first and the last of many days, `2026-09-01..2026-09-30`. */
  readonly asOfDaily?: string;
}

/**
 * All moments that are asked for, RFC 3339, UTC, each once, oldest first; a day means its end. Throws `REQUEST_INVALID` for what is no moment, and for
 * one that is still to come.
 */
export function momentsOf({ asOf, asOfDaily }: AskedMoments, nowMs = Date.now()): readonly string[] {
  const named = asOf === undefined ? [] : asOf.split(",").map(text => momentOf(text.trim(), nowMs));
  const daily = asOfDaily === undefined ? [] : daysOf(asOfDaily).map(day => momentOf(day, nowMs));
  return [...new Set([...named, ...daily])].toSorted((a, b) => (a < b ? -1 : 1));
}

const DAY_MS = 86_400_000;

function isDay(text: string): boolean {
  const atMs = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : Number.NaN;
  // February has no 30th, though it can be parsed.
  return !Number.isNaN(atMs) && new Date(atMs).toISOString().startsWith(text);
}

function daysOf(text: string): readonly string[] {
  const [from = "", to = "", ...more] = text.split("..");
  if (!isDay(from) || !isDay(to) || from > to || more.length > 0)
    throw new RequestError("REQUEST_INVALID", "--as-of-daily takes two days such as 2026-09-01..2026-09-30");
  const count = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
  return Array.from({ length: count }, (_empty, index) => new Date(Date.parse(from) + index * DAY_MS).toISOString().slice(0, 10));
}

function momentOf(text: string, nowMs: number): string {
  const isMoment = /^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/.test(text) && isDay(text.slice(0, 10));
  const atMs = isDay(text) ? Date.parse(`${text}T23:59:59.999Z`) : isMoment ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs))
    throw new RequestError("REQUEST_INVALID", "--as-of takes a day such as 2026-10-01 or a moment such as 2026-10-01T09:00:00Z");
  if (atMs > nowMs) throw new RequestError("REQUEST_INVALID", "--as-of lies in the future: what will be known then is not known");
  return new Date(atMs).toISOString();
}
