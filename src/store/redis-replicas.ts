import type { Redis } from "ioredis";

const BEAT_MS = 3_000;
const DEAD_AFTER_MS = 10_000;
const KEY = "tributary:{replicas}";

/** Adds this process to those that are alive, and counts them. */
const beat = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])`;

/** The processes that share a Redis: each says every three seconds that it is there, as long as its connection is open. */
export class RedisReplicas {
  readonly id = crypto.randomUUID();
  readonly #redis: Redis;
  readonly #timer: NodeJS.Timeout;
  readonly #expected: number;
  #known = 1;
  /** The first count, or its failure: whoever needs the number at the start waits for it. */
  readonly ready: Promise<void>;

  /** @param expected how many there are at least, by configuration. */
  constructor(redis: Redis, expected = 1) {
    this.#redis = redis;
    this.#expected = expected;
    this.ready = this.#beat();
    this.#timer = setInterval(() => void this.#beat(), BEAT_MS);
    this.#timer.unref();
    redis.once("end", () => clearInterval(this.#timer));
  }

  /** How many there are: the number last counted while Redis cannot be reached. */
  count(): number {
    return Math.max(this.#expected, this.#known);
  }

  async #beat(): Promise<void> {
    try {
      this.#known = Number(await this.#redis.eval(beat, 1, KEY, this.id, DEAD_AFTER_MS));
    } catch {
      // Redis is away, which its own connection has said; the number last known stands.
    }
  }
}
