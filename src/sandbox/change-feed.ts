/** One thing that happened, numbered in the order in which it did. */
interface Change {
  readonly number: number;
  /** As JSON. */
  readonly text: string;
}

/**
 * What happened lately at one source, for whoever reads it as a stream; what is older than the last so many is forgotten. Numbers begin with the instant
 * at which the feed does, in ms: one of an earlier feed is never taken for one of this.
 */
export class ChangeFeed {
  readonly #clock: () => number;
  readonly #keep: number;
  #changes: Change[] = [];
  #last: number;
  readonly #listeners = new Set<() => void>();

  constructor(clock: () => number, keep = 10_000) {
    this.#clock = clock;
    this.#keep = keep;
    this.#last = clock();
  }

  get last(): number {
    return this.#last;
  }

  /** Adds what the number makes of it. */
  append(make: (number: number) => string): void {
    const number = ++this.#last;
    this.#changes.push({ number, text: make(number) });
    // Not at each one: moving ten thousand of them is not for nothing.
    if (this.#changes.length >= 2 * this.#keep) this.#changes = this.#changes.slice(-this.#keep);
    for (const listener of this.#listeners) listener();
  }

  /** Whether all that came after a number is still known. */
  knows(number: number): boolean {
    return number <= this.#last && number >= this.#last - Math.min(this.#changes.length, this.#keep);
  }

  /** The first one after a number; undefined when nothing came since. */
  after(number: number): Change | undefined {
    return this.#changes[this.#changes.length - (this.#last - number)];
  }

  /** Calls back after every change; returns how to end that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Forgets everything: no position from before is known any more. */
  reset(): void {
    this.#changes = [];
    this.#last = Math.max(this.#last, this.#clock()) + 1;
    for (const listener of this.#listeners) listener();
  }
}
