/** What replicas keep together of the limits of a source: one ledger for each limit, of each operation where it holds for each. */

/** The two kinds of asker: whatever somebody waits for, and all else. */
export type AskerClass = "live" | "bulk";

/** The rules of a limit that replicas share. */
export type SharedTerms =
  | {
      readonly kind: "window";
      readonly units: number;
      /** A unit is there again so long after it was settled; 0 for requests at once. */
      readonly windowMs: number;
      /** Of the units, what bulk work may have while there are live reads, and while there are none. */
      readonly busyBulk: number;
      readonly quietBulk: number;
    }
  | {
      readonly kind: "bucket";
      readonly units: number;
      readonly perSecond: number;
      /** What bulk work leaves in the bucket while there are live reads. */
      readonly reserve: number;
    };

/** Units of one class, and in how many ms they are there again. */
export interface Settled {
  readonly class: AskerClass;
  readonly units: number;
  readonly inMs: number;
}

/** What a replica has of a limit, told anew when the ledger may have lost it. */
export interface Outstanding {
  readonly held: Readonly<Record<AskerClass, number>>;
  readonly settled: readonly Settled[];
  /** Of a bucket: the points that this replica has taken and that have not come back since. */
  readonly deficit: number;
}

/** One exchange with a ledger: what is wanted and what has been done since the last. */
export interface Question {
  readonly terms: SharedTerms;
  /** Units that askers wait for. */
  readonly wanted: Readonly<Record<AskerClass, number>>;
  /** Units that the first asker of each class needs: less is of no use. */
  readonly first: Readonly<Record<AskerClass, number>>;
  /** Units taken without asking. */
  readonly taken: number;
  readonly settled: readonly Settled[];
  /** What the provider says is left, and in how many ms that starts anew. */
  readonly said: { readonly left: number; readonly resetInMs: number } | null;
  /** Everything that this replica has, where the ledger has to be told anew. */
  readonly outstanding: Outstanding | null;
  /** The most that this replica may have in all while the ledger is new and others may not have told theirs. */
  readonly mostWhileNew: number;
  /** All that it has, held or settled and not yet there again. */
  readonly mine: number;
  /** The ledger that it believes to be speaking to. */
  readonly epoch: string;
}

/** What a ledger answers. */
export interface Reply {
  /** False when the ledger does not know this replica, or is another one: ask again with `outstanding`. */
  readonly isKnown: boolean;
  readonly granted: Readonly<Record<AskerClass, number>>;
  /** When asking again can help, in ms. */
  readonly againInMs: number;
  /** What is left for everybody. */
  readonly left: number;
  /** How long all have to rest, in ms, because one of them was refused. */
  readonly pausedForMs: number;
  readonly epoch: string;
  /** Whether there are live reads, anywhere. */
  readonly isBusy: boolean;
}

/** The limits of one source, kept together by all replicas. Every method throws `STORE_UNAVAILABLE`, soon, when it cannot be reached. */
export interface Ledger {
  exchange(pool: string, question: Question): Promise<Reply>;
  /** Adds to what has been used on a day, and tells the sum. */
  spend(pool: string, day: number, units: number): Promise<number>;
  /** All replicas rest for so long. */
  pause(forMs: number): Promise<void>;
  /** How many replicas there are, this one among them: the last known number while it cannot be reached. */
  replicas(): number;
}
