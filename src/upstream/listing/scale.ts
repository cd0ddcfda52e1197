import type { ScaleFormat } from "../../source/increment.ts";

const DAY_MS = 86_400_000;

/** The smallest step that a format can tell apart: in ms for instants. */
export const stepOf: Readonly<Record<ScaleFormat, number>> = {
  "epoch-seconds": 1_000,
  "epoch-ms": 1,
  rfc3339: 1,
  date: DAY_MS,
  integer: 1,
};

/** A value (ms since the epoch for instants) as a parameter, rounded down to the format's step. */
export function written(value: number, format: ScaleFormat): string {
  const step = stepOf[format];
  const floor = Math.floor(value / step) * step;
  if (format === "rfc3339") return new Date(floor).toISOString();
  if (format === "date") return new Date(floor).toISOString().slice(0, 10);
  return String(format === "epoch-seconds" ? floor / 1_000 : floor);
}

/** The instant in ms that a record's field says; undefined when it says none. */
export function instantIn(value: unknown, format: ScaleFormat): number | undefined {
  if (format === "epoch-seconds" || format === "epoch-ms") {
    const number =
      typeof value === "number" || typeof value === "string" ? Number(value === "" ? Number.NaN : value) : Number.NaN;
    const ms = format === "epoch-seconds" ? number * 1_000 : number;
    return Number.isFinite(ms) ? ms : undefined;
  }
  const ms = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
