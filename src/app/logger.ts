import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { pino } from "pino";
import type { Logger } from "../core/ports.ts";

/** Names whose values are never written, wherever they stand in a line. */
const redacted = ["authorization", "password", "secret", "token", "apiKey", "headers", "cookie"].flatMap(name => [
  name,
  `*.${name}`,
  `*.*.${name}`,
]);

/**
 * JSON lines to a file, or to stderr (stdout belongs to results). What is logged carries no secret in the first place; names that hold one are
 * redacted besides.
 */
export function createLogger(level: string, file: string | null = null): Logger {
  if (file !== null) mkdirSync(dirname(file), { recursive: true });
  const destination = pino.destination(file === null ? { dest: 2, sync: false } : { dest: file, sync: false, append: true });
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: { paths: redacted, censor: "[redacted]" } },
    destination,
  );
}
