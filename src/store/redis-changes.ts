import type { Redis } from "ioredis";
import { type Change, type ChangeFeed, LocalChanges, type OnChanges } from "../core/changes.ts";
import { asError } from "../core/errors.ts";
import type { Logger } from "../core/ports.ts";

const CHANNEL = "tributary:{changes}";
/** Changes in one message. */
const MAX_TOGETHER = 500;

interface Message {
  readonly from: string;
  readonly changes: readonly Change[];
}

/** The feed of all processes that share a Redis. What is published while Redis cannot be reached stays in this process: the others are told of a gap when they are back. */
export class RedisChanges implements ChangeFeed {
  readonly #local = new LocalChanges();
  readonly #id = crypto.randomUUID();
  readonly #redis: Redis;
  readonly #subscriber: Redis;
  readonly #logger: Logger;

  constructor(redis: Redis, logger: Logger) {
    this.#redis = redis;
    this.#logger = logger;
    this.#subscriber = redis.duplicate({ maxRetriesPerRequest: null });
    let isFirst = true;
    this.#subscriber.on("ready", () => {
      // What came between two connections is lost.
      if (!isFirst) this.#local.gap();
      isFirst = false;
    });
    // Said by the connection that it is a double of.
    this.#subscriber.on("error", () => undefined);
    this.#subscriber.on("message", (_channel, text) => this.#hear(text));
    this.#note(this.#subscriber.subscribe(CHANNEL), "changes of other processes are not heard");
  }

  publish(changes: readonly Change[]): void {
    this.#local.publish(changes);
    for (let at = 0; at < changes.length; at += MAX_TOGETHER) {
      const message: Message = { from: this.#id, changes: changes.slice(at, at + MAX_TOGETHER) };
      this.#note(this.#redis.publish(CHANNEL, JSON.stringify(message)), "other processes were not told of changes");
    }
  }

  subscribe(onChanges: OnChanges, onGap?: () => void): () => void {
    return this.#local.subscribe(onChanges, onGap);
  }

  async close(): Promise<void> {
    await this.#local.close();
    this.#subscriber.disconnect();
  }

  #hear(text: string): void {
    const { from, changes } = JSON.parse(text) as Message;
    if (from !== this.#id) this.#local.publish(changes);
  }

  #note(done: Promise<unknown>, problem: string): void {
    done.catch((thrown: unknown) => this.#logger.warn({ problem: asError(thrown).message }, problem));
  }
}
