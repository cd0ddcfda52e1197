import { asError, StoreError } from "../../core/errors.ts";
import type { Logger } from "../../core/ports.ts";
import type { Ledger } from "./ledger.ts";

/** How long a lost ledger is left alone before it is asked again. */
const PROBE_EVERY_MS = 1_000;

/** How a source's limits are kept among replicas: by this process alone, together, or by each its own part while the ledger cannot be reached. */
export interface SharingStatus {
  readonly mode: "alone" | "shared" | "fallback";
  /** Processes that share the limits, as far as is known. */
  readonly replicas: number;
  /** The part of each limit that this process keeps to by itself. */
  readonly share: number;
}

/** What takes part: it is told of the part to keep to, and that the ledger is there again. */
export interface Sharer {
  scale(share: number): void;
  /** Tells the ledger what this process has. */
  rejoin(): void;
}

/** Whether a source's ledger can be reached; while it cannot, this process keeps to its part of every limit. */
export class Sharing {
  readonly #ledger: Ledger;
  readonly #logger: Logger;
  readonly #source: string;
  readonly #sharers = new Set<Sharer>();
  #share = 1;
  #isLost = false;
  #probe: NodeJS.Timeout | undefined;

  constructor(ledger: Ledger, { logger, source }: { logger: Logger; source: string }) {
    this.#ledger = ledger;
    this.#logger = logger;
    this.#source = source;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  get status(): SharingStatus {
    return { mode: this.#isLost ? "fallback" : "shared", replicas: this.#ledger.replicas(), share: this.#share };
  }

  add(sharer: Sharer): void {
    this.#sharers.add(sharer);
    if (this.#isLost) sharer.scale(this.#share);
  }

  /** Does something with the ledger; undefined while it cannot be reached. */
  async try<T>(work: (ledger: Ledger) => Promise<T>): Promise<T | undefined> {
    if (this.#isLost) return undefined;
    try {
      return await work(this.#ledger);
    } catch (thrown) {
      if (!(thrown instanceof StoreError)) throw thrown;
      this.#lose(thrown);
      return undefined;
    }
  }

  close(): void {
    clearInterval(this.#probe);
  }

  #lose(error: StoreError): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#share = 1 / this.#ledger.replicas();
    for (const sharer of this.#sharers) sharer.scale(this.#share);
    const fields = { source: this.#source, replicas: this.#ledger.replicas(), problem: error.message };
    this.#logger.warn(fields, "limits cannot be shared; this process keeps to its part of them");
    this.#probe = setInterval(() => void this.#seek(), PROBE_EVERY_MS);
    this.#probe.unref();
  }

  async #seek(): Promise<void> {
    try {
      await this.#ledger.pause(0);
    } catch (thrown) {
      this.#logger.debug({ source: this.#source, problem: asError(thrown).message }, "limits can still not be shared");
      return;
    }
    if (!this.#isLost) return;
    clearInterval(this.#probe);
    this.#isLost = false;
    this.#share = 1;
    this.#logger.info({ source: this.#source, replicas: this.#ledger.replicas() }, "limits are shared again");
    for (const sharer of this.#sharers) {
      sharer.rejoin();
      sharer.scale(1);
    }
  }
}
