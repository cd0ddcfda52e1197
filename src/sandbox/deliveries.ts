import { z } from "zod";
import { Dice, hashText } from "./random.ts";

/** How a provider calls others when something changes. */
export interface WebhookDialect {
  /** Events in one call at most. */
  readonly batch: number;
  readonly bodyOf: (events: readonly object[]) => string;
  /** The headers of a call, its signature among them. */
  readonly headersOf: (call: { url: string; body: string; secret: string; nowMs: number }) => Readonly<Record<string, string>>;
}

const share = z.number().min(0).max(1).default(0);
const subscriptionContract = z.object({
  url: z.url({ protocol: /^https?$/ }),
  secret: z.string().min(1),
  /** Shares of the events that never come, that come twice, and that come late. */
  loss: share,
  duplicates: share,
  reorder: share,
  seed: z.int().default(1),
});

type Subscription = z.infer<typeof subscriptionContract>;

/** What became of one source's events: `sent` counts calls, the others events. */
export interface DeliveryCounts {
  made: number;
  lost: number;
  duplicated: number;
  late: number;
  sent: number;
  acknowledged: number;
  givenUp: number;
  /** Under way or to be tried again. */
  open: number;
}

/** Calls under way at once. */
const CONCURRENCY = 32;
const TIMEOUT_MS = 10_000;
const ATTEMPTS = 12;
/** The first pause after a failed call, in ms; it doubles. The real ones take minutes and hours. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
/** What comes late comes up to this much later, in ms. */
const LATE_MS = 1_500;
/** Events that happen this close together, in ms, may go in one call. */
const TOGETHER_MS = 10;

interface Call {
  readonly events: readonly object[];
  attempts: number;
}

const noCounts = (): DeliveryCounts => ({
  made: 0,
  lost: 0,
  duplicated: 0,
  late: 0,
  sent: 0,
  acknowledged: 0,
  givenUp: 0,
  open: 0,
});

/** One source's calls to whoever subscribed. */
class Courier {
  readonly counts = noCounts();
  readonly #dialect: WebhookDialect;
  readonly #subscription: Subscription;
  readonly #clock: () => number;
  readonly #dice: Dice;
  readonly #stop = new AbortController();
  readonly #ready: Call[] = [];
  #gathered: object[] = [];
  #underWay = 0;

  constructor(dialect: WebhookDialect, subscription: Subscription, clock: () => number) {
    this.#dialect = dialect;
    this.#subscription = subscription;
    this.#clock = clock;
    this.#dice = new Dice(subscription.seed, hashText("deliveries"));
  }

  notify(event: object): void {
    const { loss, duplicates, reorder } = this.#subscription;
    this.counts.made++;
    if (this.#dice.fraction() < loss) return void this.counts.lost++;
    const isTwice = this.#dice.fraction() < duplicates;
    if (isTwice) this.counts.duplicated++;
    for (let copy = 0; copy < (isTwice ? 2 : 1); copy++) {
      this.counts.open++;
      const isLate = this.#dice.fraction() < reorder;
      if (isLate) this.counts.late++;
      if (isLate) this.#later(() => this.#gather(event), this.#dice.fraction() * LATE_MS);
      else this.#gather(event);
    }
  }

  close(): void {
    this.#stop.abort();
  }

  #later(work: () => void, ms: number): void {
    setTimeout(() => this.#stop.signal.aborted || work(), ms).unref();
  }

  #gather(event: object): void {
    if (this.#gathered.push(event) === 1) this.#later(() => this.#flush(), TOGETHER_MS);
  }

  #flush(): void {
    const events = this.#gathered;
    this.#gathered = [];
    for (let at = 0; at < events.length; at += this.#dialect.batch)
      this.#ready.push({ events: events.slice(at, at + this.#dialect.batch), attempts: 0 });
    this.#pump();
  }

  #pump(): void {
    while (this.#underWay < CONCURRENCY && this.#ready.length > 0) {
      this.#underWay++;
      void this.#deliver(this.#ready.shift()!).finally(() => {
        this.#underWay--;
        if (!this.#stop.signal.aborted) this.#pump();
      });
    }
  }

  async #deliver(call: Call): Promise<void> {
    call.attempts++;
    this.counts.sent++;
    if (await this.#isTaken(call)) {
      this.counts.acknowledged += call.events.length;
      this.counts.open -= call.events.length;
    } else if (call.attempts >= ATTEMPTS) {
      this.counts.givenUp += call.events.length;
      this.counts.open -= call.events.length;
    } else {
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (call.attempts - 1));
      this.#later(() => {
        this.#ready.push(call);
        this.#pump();
      }, pauseMs);
    }
  }

  /** Every attempt is signed anew, as the providers do. */
  async #isTaken({ events }: Call): Promise<boolean> {
    const { url, secret } = this.#subscription;
    const body = this.#dialect.bodyOf(events);
    const headers = {
      "content-type": "application/json",
      ...this.#dialect.headersOf({ url, body, secret, nowMs: this.#clock() }),
    };
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TIMEOUT_MS)]);
    try {
      const response = await fetch(url, { method: "POST", headers, body, signal });
      await response.arrayBuffer();
      return response.ok;
    } catch {
      return false; // Refused, cut or late: the provider tries again, whatever it was.
    }
  }
}

/** Who is called when something changes, source by source. */
export class DeliveryBook {
  readonly #couriers = new Map<string, Courier>();
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Subscribes an address to a source's events, in place of the one before. Returns the problem of a subscription that cannot be read. */
  subscribe(source: string, dialect: WebhookDialect, body: unknown): string | undefined {
    const read = subscriptionContract.safeParse(body);
    if (!read.success) return z.prettifyError(read.error);
    this.#couriers.get(source)?.close();
    this.#couriers.set(source, new Courier(dialect, read.data, this.#clock));
    return undefined;
  }

  notify(source: string, event: object): void {
    this.#couriers.get(source)?.notify(event);
  }

  /** Source → what became of its events. */
  counts(): Readonly<Record<string, DeliveryCounts>> {
    return Object.fromEntries([...this.#couriers].map(([source, { counts }]) => [source, { ...counts }]));
  }

  clear(): void {
    for (const courier of this.#couriers.values()) courier.close();
    this.#couriers.clear();
  }
}
