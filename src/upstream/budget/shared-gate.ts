import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext, Priority } from "../context.ts";
import type { Gate, LimitStatus, Permit, ScalableGate } from "./gate.ts";
import type { LearnedLimit } from "./learned.ts";
import type { AskerClass, Outstanding, Question, Reply, Settled, SharedTerms } from "./ledger.ts";
import type { Sharer, Sharing } from "./sharing.ts";

/** News that nobody waits for is collected so long before it is told. */
const COLLECT_MS = 20;
/** A ledger that has not heard of a replica for ten seconds takes it for dead. */
const ALIVE_EVERY_MS = 3_000;
/** A second request is spared only when more than this share is left. */
const PLENTY = 0.5;

interface Asker {
  readonly weight: number;
  readonly answer: (isGranted: boolean) => void;
}

interface Due {
  readonly class: AskerClass;
  readonly units: number;
  /** By `performance.now()`. */
  readonly atMs: number;
}

type ByClass = Record<AskerClass, number>;
const none = (): ByClass => ({ live: 0, bulk: 0 });
const classOf = (priority: Priority): AskerClass => (priority === "live" ? "live" : "bulk");

export interface SharedGateOptions {
  readonly pool: string;
  readonly terms: SharedTerms;
  readonly sharing: Sharing;
  readonly weightOf: (request: UpstreamRequest) => number;
  readonly onPause: (forMs: number) => void;
}

/**
 * A limit that replicas keep together. Whoever has a permit of this process's own gate asks the ledger too; what is wanted at once is asked at once,
 * and nothing is held that nobody waits for. While the ledger cannot be reached the own gate, scaled to this process's part, decides alone.
 */
export class SharedGate implements Gate, Sharer {
  readonly #own: ScalableGate;
  readonly #options: SharedGateOptions;
  readonly #askers: Record<Priority, Asker[]> = { live: [], intake: [], bulk: [] };
  /** Granted, and not yet given to an asker. */
  readonly #pot = none();
  readonly #held = none();
  #due: Due[] = [];
  #unsent: Due[] = [];
  #taken = 0;
  #spentAlone = 0;
  #said: Question["said"] = null;
  #mustTell = true;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #epoch = "";
  #left: number;
  #isRunning = false;
  /** Somebody has asked since the last question was put. */
  #hasNewAsker = false;
  #isClosed = false;
  #wake: () => void = () => undefined;
  readonly #alive: NodeJS.Timeout;

  constructor(own: ScalableGate, options: SharedGateOptions) {
    this.#own = own;
    this.#options = options;
    this.#left = options.terms.units;
    this.#alive = setInterval(() => {
      if (this.#held.live + this.#held.bulk > 0) this.#run();
    }, ALIVE_EVERY_MS);
    this.#alive.unref();
    options.sharing.add(this);
  }

  async acquire(request: UpstreamRequest, context: CallContext): Promise<Permit> {
    const weight = Math.min(this.#options.weightOf(request), this.#options.terms.units);
    for (;;) {
      const own = await this.#own.acquire(request, context);
      if (this.#options.sharing.isLost) return this.#permitAlone(own, context.priority, weight);
      const isGranted = await this.#ask(weight, context).catch((thrown: unknown) => {
        own.cancel();
        throw thrown;
      });
      if (isGranted) return this.#permit(own, classOf(context.priority), weight);
      own.cancel();
    }
  }

  spare(request: UpstreamRequest): Permit | undefined {
    const weight = this.#options.weightOf(request);
    if (this.#isWanted() || this.#left - weight < this.#options.terms.units * PLENTY) return undefined;
    const own = this.#own.spare(request);
    if (own === undefined) return undefined;
    this.#taken += weight;
    this.#left -= weight;
    this.#hold("live", weight);
    this.#run();
    return this.#permit(own, "live", weight);
  }

  /** What others have used is in the ledger; only it can tell whether there is somebody else. */
  learn(said: LearnedLimit): void {
    if (this.#options.sharing.isLost) return this.#own.learn(said);
    const resetInMs = said.resetsAtMs === null ? Number.MAX_SAFE_INTEGER : Math.max(0, said.resetsAtMs - Date.now());
    this.#said = { left: said.left, resetInMs };
    if (said.left < this.#left) this.#run();
  }

  scale(share: number): void {
    this.#own.scale(share);
  }

  rejoin(): void {
    this.#mustTell = true;
    this.#run();
  }

  async status(): Promise<LimitStatus> {
    const own = await this.#own.status();
    const waiting = Object.values(this.#askers).reduce((sum, { length }) => sum + length, 0);
    return { ...own, left: Math.max(0, Math.min(own.left, this.#left)), queued: own.queued + waiting };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#alive);
    this.#wake();
    await this.#own.close();
  }

  #ask(weight: number, { priority, signal }: CallContext): Promise<boolean> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const queue = this.#askers[priority];
      const leave = () => {
        queue.splice(queue.indexOf(asker), 1);
        reject(signal.reason as Error);
        this.#hand();
      };
      const asker: Asker = {
        weight,
        answer: isGranted => {
          signal.removeEventListener("abort", leave);
          resolve(isGranted);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      const isFirst = queue.push(asker) === 1;
      this.#hasNewAsker = true;
      if (isFirst || priority === "live") this.#wake();
      this.#run();
    });
  }

  /** Nobody could be asked: the ledger is told when it is there again. */
  #permitAlone(own: Permit, priority: Priority, units: number): Permit {
    this.#spentAlone += units;
    this.#hold(classOf(priority), units);
    return this.#permit(own, classOf(priority), units);
  }

  /** A permit for units that are held; the ledger is told when they are settled. */
  #permit(own: Permit, kind: AskerClass, units: number): Permit {
    const { terms } = this.#options;
    const release = (inMs: number, unused: number) => {
      this.#hold(kind, -units);
      this.#settle({ class: kind, units: unused, atMs: performance.now() + inMs });
    };
    return {
      settle: actual => {
        own.settle(actual);
        if (terms.kind === "window") release(terms.windowMs, units);
        else release(0, Math.max(0, units - (actual ?? units)));
      },
      cancel: () => {
        own.cancel();
        release(0, units);
      },
    };
  }

  #hold(kind: AskerClass, units: number): void {
    this.#held[kind] = Math.max(0, this.#held[kind] + units);
  }

  #settle(due: Due): void {
    this.#due.push(due);
    this.#unsent.push(due);
    this.#run();
  }

  #isWanted(): boolean {
    return Object.values(this.#askers).some(({ length }) => length > 0);
  }

  /** Gives what has been granted to whoever is first, and back what nobody waits for any more. */
  #hand(): void {
    for (const priority of ["live", "intake", "bulk"] as const) {
      const queue = this.#askers[priority];
      const kind = classOf(priority);
      while (queue.length > 0 && queue[0]!.weight <= this.#pot[kind]) {
        const asker = queue.shift()!;
        this.#pot[kind] -= asker.weight;
        asker.answer(true);
      }
      if (queue.length > 0 && priority === "intake") break;
    }
    for (const kind of ["live", "bulk"] as const) if (this.#wantedBy(kind).length === 0) this.#giveBack(kind);
  }

  #giveBack(kind: AskerClass): void {
    const units = this.#pot[kind];
    if (units <= 0) return;
    this.#pot[kind] = 0;
    this.#hold(kind, -units);
    this.#settle({ class: kind, units, atMs: performance.now() });
  }

  #wantedBy(kind: AskerClass): readonly Asker[] {
    return kind === "live" ? this.#askers.live : [...this.#askers.intake, ...this.#askers.bulk];
  }

  /** Speaks with the ledger as long as somebody waits or there is something to tell. */
  #run(): void {
    if (this.#isRunning || this.#isClosed) return;
    this.#isRunning = true;
    void this.#converse().finally(() => {
      this.#isRunning = false;
      if (this.#isWanted() && !this.#isClosed) this.#run();
    });
  }

  async #converse(): Promise<void> {
    do {
      if (!this.#isWanted()) await this.#sleep(COLLECT_MS);
      const reply = await this.#options.sharing.try(ledger => ledger.exchange(this.#options.pool, this.#question()));
      if (reply === undefined) return this.#onLost();
      this.#take(reply);
      if (this.#isWanted() && reply.isKnown && !this.#hasNewAsker) await this.#sleep(reply.againInMs);
    } while (!this.#isClosed && (this.#isWanted() || this.#mustTell || this.#unsent.length > 0));
  }

  #question(): Question {
    const nowMs = performance.now();
    if (nowMs - this.#toldAtMs > 2 * ALIVE_EVERY_MS) this.#mustTell = true;
    this.#due = this.#due.filter(({ atMs }) => atMs > nowMs);
    const { terms, sharing } = this.#options;
    const wanted = (kind: AskerClass) =>
      Math.max(0, this.#wantedBy(kind).reduce((sum, { weight }) => sum + weight, 0) - this.#pot[kind]);
    const first = (kind: AskerClass) => Math.max(0, (this.#wantedBy(kind)[0]?.weight ?? 0) - this.#pot[kind]);
    const outstanding = this.#mustTell ? this.#outstanding(nowMs) : null;
    const question: Question = {
      terms,
      wanted: { live: wanted("live"), bulk: wanted("bulk") },
      first: { live: first("live"), bulk: first("bulk") },
      taken: this.#mustTell ? 0 : this.#taken,
      settled: this.#mustTell ? [] : told(this.#unsent, nowMs),
      said: this.#said,
      outstanding,
      mostWhileNew: Math.max(1, Math.floor(terms.units / sharing.status.replicas)),
      mine: this.#held.live + this.#held.bulk + this.#due.reduce((sum, { units }) => sum + units, 0),
      epoch: this.#epoch,
    };
    this.#unsent = [];
    this.#taken = 0;
    this.#said = null;
    this.#hasNewAsker = false;
    return question;
  }

  #outstanding(nowMs: number): Outstanding {
    return { held: { ...this.#held }, settled: told(this.#due, nowMs), deficit: this.#spentAlone };
  }

  #take(reply: Reply): void {
    if (reply.pausedForMs > 0) this.#options.onPause(reply.pausedForMs);
    this.#mustTell = !reply.isKnown;
    if (!reply.isKnown) return;
    if (reply.isBusy) this.#own.noteLive();
    this.#epoch = reply.epoch;
    this.#toldAtMs = performance.now();
    this.#spentAlone = 0;
    this.#left = reply.left;
    for (const kind of ["live", "bulk"] as const) {
      this.#pot[kind] += reply.granted[kind];
      this.#hold(kind, reply.granted[kind]);
    }
    this.#hand();
  }

  /** Everybody who waits here asks the own gate again, which has been scaled meanwhile. */
  #onLost(): void {
    this.#mustTell = true;
    this.#unsent = [];
    const nowMs = performance.now();
    this.#due = this.#due.filter(({ atMs }) => atMs > nowMs);
    for (const kind of ["live", "bulk"] as const) {
      this.#hold(kind, -this.#pot[kind]);
      this.#pot[kind] = 0;
    }
    for (const queue of Object.values(this.#askers)) for (const asker of queue.splice(0)) asker.answer(false);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      const done = () => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
    });
  }
}

/** Units by class and moment, those of one millisecond together. */
function told(dues: readonly Due[], nowMs: number): Settled[] {
  const sums = new Map<string, Settled>();
  for (const due of dues) {
    const inMs = Math.max(0, Math.ceil(due.atMs - nowMs));
    const name = `${due.class} ${inMs}`;
    sums.set(name, { class: due.class, inMs, units: (sums.get(name)?.units ?? 0) + due.units });
  }
  return [...sums.values()];
}
