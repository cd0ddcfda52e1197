import { LRUCache } from "lru-cache";
import type { Clock } from "../core/ports.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { CallContext } from "../upstream/context.ts";
import { type Outcomes, placed } from "../upstream/reads.ts";
import { Flight } from "./flight.ts";

interface Going<T> {
  readonly flight: Flight;
  /** How old, in ms, what comes may be. */
  readonly maxAgeMs: number;
  readonly outcomes: Promise<Outcomes<T>>;
  /** Keys that changed while they were read: what comes is for those who wait, and not kept. */
  readonly outdated: Set<string>;
}

/** Scopes that are known at most. */
const MAX_SCOPES = 1_000;

/** A set of keyed reads: what names them in the cache, how long they stay fresh, how old they may be, and how the missing ones are made. */
export interface ReadPlan<T> {
  /** Prefix of the cache's names: collection and shape of the read. */
  readonly scope: string;
  readonly entry: CatalogEntry;
  readonly freshMs: number;
  /** In ms: what is made now, and what is kept. */
  readonly maxAgeMs: { readonly read: number; readonly kept: number };
  readonly load: (keys: readonly string[], context: CallContext) => Promise<Outcomes<T>>;
}

/**
 * Reads by key, kept while fresh and shared while in flight between all requests. Failures are never kept. All reads of one process
 * use the same credentials; with several, the credential belongs into `scope`.
 */
export class SharedReads<T extends object> {
  /** Null answers ("the source has no such record") are kept too, boxed. */
  readonly #kept: LRUCache<string, { readonly value: T | null; readonly asOfMs: number }>;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #asOf: (value: T) => number;
  readonly #going = new Map<string, Going<T | null>>();
  /** Few: a collection's, and the windows of days that were asked for. */
  readonly #scopes = new Set<string>();

  /** @param asOf from when, in ms since the epoch, an answer is; of none it is the moment it came */
  constructor(maxEntries: number, clock: Pick<Clock, "nowMs">, asOf: (value: T) => number) {
    this.#kept = new LRUCache({ max: maxEntries });
    this.#clock = clock;
    this.#asOf = asOf;
  }

  /** What is kept, fresh and not older than `maxAgeMs`, without asking anybody; undefined when nothing is. */
  peek(scope: string, key: string, maxAgeMs: number): T | null | undefined {
    const kept = this.#kept.get(`${scope} ${key}`);
    return kept && this.#clock.nowMs() - kept.asOfMs <= maxAgeMs ? kept.value : undefined;
  }

  /** Outcome per key, in the order of the keys. Only what is neither fresh nor in flight is loaded, all of it in one go. */
  async readMany(plan: ReadPlan<T | null>, keys: readonly string[], waiter: CallContext): Promise<(T | null | Error)[]> {
    const kept = new Map(keys.map(key => [key, this.peek(plan.scope, key, plan.maxAgeMs.kept)]));
    const missing = keys.filter(key => kept.get(key) === undefined && this.#flightOf(plan, key) === undefined);
    if (missing.length > 0) this.#start(plan, missing, waiter);
    const flights = new Map(keys.map(key => [key, kept.get(key) === undefined ? this.#flightOf(plan, key) : undefined]));
    const landed = new Map<Going<T | null>, Promise<Outcomes<T | null> | Error>>();
    for (const going of flights.values()) {
      if (going && !landed.has(going))
        landed.set(
          going,
          going.flight.join(going.outcomes, waiter).catch(thrown => placed(thrown, plan.entry)),
        );
    }
    return Promise.all(keys.map(key => outcomeOf(key, kept.get(key), landed.get(flights.get(key)!))));
  }

  /** Forgets what is known of a key, and does not keep what is being read of it: it changed. */
  forget(collection: string, key: string): void {
    for (const scope of this.#scopes) {
      if (scope !== collection && !scope.startsWith(`${collection} `)) continue;
      const name = `${scope} ${key}`;
      this.#kept.delete(name);
      this.#going.get(name)?.outdated.add(key);
      this.#going.delete(name);
    }
  }

  clear(): void {
    this.#kept.clear();
    for (const [name, { outdated }] of this.#going) outdated.add(name.slice(name.lastIndexOf(" ") + 1));
    this.#going.clear();
  }

  /** Whoever asks for ever new windows of days costs others what is kept, and no memory. */
  #startAnew(): void {
    this.clear();
    this.#scopes.clear();
  }

  /** What is being read of a key, if it will be young enough. */
  #flightOf(plan: ReadPlan<T | null>, key: string): Going<T | null> | undefined {
    const going = this.#going.get(`${plan.scope} ${key}`);
    return going && going.maxAgeMs <= plan.maxAgeMs.read ? going : undefined;
  }

  #start(plan: ReadPlan<T | null>, keys: readonly string[], waiter: CallContext): void {
    const flight = new Flight(waiter);
    const outdated = new Set<string>();
    const outcomes = plan.load(keys, flight.context).then(loaded => this.#keep(plan, loaded, outdated));
    const going = { flight, maxAgeMs: plan.maxAgeMs.read, outcomes, outdated };
    if (this.#scopes.size >= MAX_SCOPES) this.#startAnew();
    this.#scopes.add(plan.scope);
    for (const key of keys) this.#going.set(`${plan.scope} ${key}`, going);
    const land = () => {
      for (const key of keys) if (this.#going.get(`${plan.scope} ${key}`) === going) this.#going.delete(`${plan.scope} ${key}`);
    };
    outcomes.then(land, land);
  }

  #keep(plan: ReadPlan<T | null>, loaded: Outcomes<T | null>, outdated: ReadonlySet<string>): Outcomes<T | null> {
    for (const [key, value] of loaded) {
      if (!(value instanceof Error) && !outdated.has(key))
        this.#kept.set(`${plan.scope} ${key}`, { value, asOfMs: this.#asOfOf(value) }, { ttl: plan.freshMs });
    }
    return loaded;
  }

  #asOfOf(value: T | null): number {
    const nowMs = this.#clock.nowMs();
    return value === null ? nowMs : Math.min(nowMs, this.#asOf(value));
  }
}

async function outcomeOf<T>(
  key: string,
  kept: T | null | undefined,
  landing: Promise<Outcomes<T | null> | Error> | undefined,
): Promise<T | null | Error> {
  if (landing === undefined) return kept ?? null;
  const outcomes = await landing;
  return outcomes instanceof Error ? outcomes : (outcomes.get(key) ?? null);
}
