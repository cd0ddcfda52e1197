import { Redis } from "ioredis";
import { asError, ConfigError } from "../core/errors.ts";
import type { Logger } from "../core/ports.ts";

const CONNECT_MS = 3_000;
const COMMAND_MS = 5_000;
const MAX_RETRY_MS = 2_000;

/** The Redis that replicas share, or undefined where none is named. It connects by itself, and again when it is lost. Throws `CONFIG_INVALID`. */
export function openRedis(url: string | null, logger: Logger): Redis | undefined {
  if (url === null) return undefined;
  if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol))
    throw new ConfigError("CONFIG_INVALID", "REDIS_URL is not an address that begins with redis:// or rediss://");
  const redis = new Redis(url, {
    connectTimeout: CONNECT_MS,
    commandTimeout: COMMAND_MS,
    maxRetriesPerRequest: 2,
    retryStrategy: attempt => Math.min(100 * attempt, MAX_RETRY_MS),
  });
  let isLost = false;
  redis.on("error", (thrown: unknown) => {
    if (!isLost) logger.warn({ problem: asError(thrown).message }, "Redis cannot be reached; this process is on its own");
    isLost = true;
  });
  redis.on("ready", () => {
    if (isLost) logger.info({}, "Redis is there again");
    isLost = false;
  });
  return redis;
}
