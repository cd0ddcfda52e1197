import type { Clock } from "../../src/core/ports.ts";

/** A clock that stands still until it is told to move, and tells who waits for it. */
export class ManualClock implements Clock {
  #nowMs = Date.now();
  #sleepers: { readonly untilMs: number; readonly wake: () => void }[] = [];
  #watchers: { readonly count: number; readonly resolve: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number): Promise<void> {
    return new Promise(wake => {
      this.#sleepers.push({ untilMs: this.#nowMs + ms, wake });
      this.#watchers = this.#watchers.filter(watcher => {
        if (this.#sleepers.length >= watcher.count) watcher.resolve();
        return this.#sleepers.length < watcher.count;
      });
    });
  }

  /** How many sleep at the moment. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  /** Resolves as soon as so many sleep. */
  whenAsleep(count: number): Promise<void> {
    return new Promise(resolve => {
      if (this.#sleepers.length >= count) return resolve();
      this.#watchers.push({ count, resolve });
    });
  }

  /** Moves on and wakes whoever's time has come. */
  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#sleepers.filter(sleeper => sleeper.untilMs <= this.#nowMs);
    this.#sleepers = this.#sleepers.filter(sleeper => sleeper.untilMs > this.#nowMs);
    for (const sleeper of due) sleeper.wake();
  }
}
