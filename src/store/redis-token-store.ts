import type { Redis } from "ioredis";
import { asError, StoreError } from "../core/errors.ts";

/** Keeps a text unless a later lease was given out. KEYS: text, fence. ARGV: text, own fence, time to live in seconds. */
const writeIfCurrent = `
local last = tonumber(redis.call("GET", KEYS[2]) or "0")
if last > tonumber(ARGV[2]) then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "EX", ARGV[3])
return 1`;
/** Gives a lease up if it is still ours. */
const releaseIfOurs = `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`;

const KEEP_S = 400 * 86_400;

/** Tokens shared by every process that has the same Redis. Implements the upstream's token store. */
export class RedisTokenStore {
  readonly #redis: Redis;
  constructor(redis: Redis) {
    this.#redis = redis;
  }

  read(key: string): Promise<string | undefined> {
    return guarded(async () => (await this.#redis.get(textKey(key))) ?? undefined);
  }

  lease(key: string, forMs: number): Promise<{ readonly fence: number; release(): Promise<void> } | undefined> {
    return guarded(async () => {
      const owner = crypto.randomUUID();
      if ((await this.#redis.set(leaseKey(key), owner, "PX", forMs, "NX")) !== "OK") return undefined;
      const fence = await this.#redis.incr(fenceKey(key));
      const release = () => guarded(async () => void (await this.#redis.eval(releaseIfOurs, 1, leaseKey(key), owner)));
      return { fence, release };
    });
  }

  write(key: string, text: string, fence: number): Promise<boolean> {
    return guarded(
      async () => (await this.#redis.eval(writeIfCurrent, 2, textKey(key), fenceKey(key), text, fence, KEEP_S)) === 1,
    );
  }
}

const textKey = (key: string): string => `tributary:{token:${key}}:text`;
const leaseKey = (key: string): string => `tributary:{token:${key}}:lease`;
const fenceKey = (key: string): string => `tributary:{token:${key}}:fence`;

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new StoreError("STORE_UNAVAILABLE", `Redis: ${asError(cause).message}`, { cause });
  }
}
