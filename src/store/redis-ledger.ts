import type { Redis } from "ioredis";
import { asError, StoreError } from "../core/errors.ts";
import { exchangeScript, pauseScript, spendScript } from "./redis-ledger-script.ts";
import type { RedisReplicas } from "./redis-replicas.ts";

/** Longer than this, an asker is better served by the part of the limit that its own process may use. */
const ANSWER_MS = 1_000;
const DEAD_AFTER_MS = 10_000;
/** So long after a ledger's beginning there may be replicas that have not told it what they have. */
const NEW_FOR_MS = 3_000;
const POLL_MS = 100;
const HEAD_START_MS = 1_000;
/** A ledger that is forgotten begins anew, with a part for each for a while: it is kept for as long as somebody may come back. */
const KEEP_MS = 7 * 86_400_000;

/** What the ledger has to read of a question; the rest goes through as it is. */
interface Question {
  readonly wanted: { readonly live: number; readonly bulk: number };
}

interface Reply {
  readonly isKnown: boolean;
  readonly granted: { readonly live: number; readonly bulk: number };
  readonly againInMs: number;
  readonly left: number;
  readonly pausedForMs: number;
  readonly epoch: string;
  readonly isBusy: boolean;
}

type RawReply = [
  known: number,
  live: string,
  bulk: string,
  againInMs: number,
  left: string,
  pausedForMs: number,
  epoch: string,
  isBusy: number,
];

/** The scripts, sent by their digest once Redis knows them. */
interface Scripts {
  tributaryExchange(...keysAndQuestion: string[]): Promise<unknown>;
  tributarySpend(key: string, units: number): Promise<unknown>;
  tributaryPause(key: string, forMs: number): Promise<unknown>;
}

function withScripts(redis: Redis): Redis & Scripts {
  redis.defineCommand("tributaryExchange", { numberOfKeys: 6, lua: exchangeScript });
  redis.defineCommand("tributarySpend", { numberOfKeys: 1, lua: spendScript });
  redis.defineCommand("tributaryPause", { numberOfKeys: 1, lua: pauseScript });
  return redis as Redis & Scripts;
}

export interface RedisLedgerOptions {
  /** Tells the accounts apart to which limits belong, such as a source's name and address. */
  readonly account: string;
  readonly replicas: RedisReplicas;
  /** After so long without a word a replica is taken for dead and what it held is taken back; 10 s unless stated. */
  readonly deadAfterMs?: number;
  /** So long after its beginning a ledger gives nobody more than a part, until all have told what they have; 3 s unless stated. */
  readonly newForMs?: number;
}

/** The limits of one source's account, kept in Redis by all replicas. Implements the upstream's ledger. */
export class RedisLedger {
  readonly #redis: Redis & Scripts;
  readonly #replicas: RedisReplicas;
  readonly #prefix: string;
  readonly #deadAfterMs: number;
  readonly #newForMs: number;

  constructor(redis: Redis, { account, replicas, deadAfterMs = DEAD_AFTER_MS, newForMs = NEW_FOR_MS }: RedisLedgerOptions) {
    this.#deadAfterMs = deadAfterMs;
    this.#newForMs = newForMs;
    this.#redis = withScripts(redis);
    this.#replicas = replicas;
    this.#prefix = `tributary:{budget:${account}}`;
  }

  async exchange(pool: string, question: Question): Promise<Reply> {
    const keys = ["seen", "held", "wanted", "due", "facts"].map(name => `${this.#prefix}:${pool}:${name}`);
    const settings = {
      replica: this.#replicas.id,
      deadAfterMs: this.#deadAfterMs,
      newForMs: this.#newForMs,
      pollMs: POLL_MS,
      headStartMs: HEAD_START_MS,
      keepMs: KEEP_MS,
      newEpoch: crypto.randomUUID(),
    };
    const text = JSON.stringify({ ...question, ...settings });
    const answer = await this.#run(() => this.#redis.tributaryExchange(...keys, this.#paused, text));
    const [known, live, bulk, againInMs, left, pausedForMs, epoch, isBusy] = answer as RawReply;
    const granted = { live: Number(live), bulk: Number(bulk) };
    return { isKnown: known === 1, granted, againInMs, left: Number(left), pausedForMs, epoch, isBusy: isBusy === 1 };
  }

  async spend(pool: string, day: number, units: number): Promise<number> {
    return Number(await this.#run(() => this.#redis.tributarySpend(`${this.#prefix}:${pool}:${day}`, units)));
  }

  async pause(forMs: number): Promise<void> {
    await this.#run(() => this.#redis.tributaryPause(this.#paused, Math.ceil(forMs)));
  }

  replicas(): number {
    return this.#replicas.count();
  }

  get #paused(): string {
    return `${this.#prefix}:paused`;
  }

  /** Throws `STORE_UNAVAILABLE` when there is no answer in time. A connection that is being made for the first time is waited for. */
  async #run(command: () => Promise<unknown>): Promise<unknown> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
    try {
      if (this.#redis.status === "reconnecting" || this.#redis.status === "end" || this.#redis.status === "close")
        throw new Error("the connection is lost");
      await Promise.race([this.#replicas.ready, late]);
      return await Promise.race([command(), late]);
    } catch (cause) {
      throw new StoreError("STORE_UNAVAILABLE", `Redis: ${asError(cause).message}`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}
