import type { Clock } from "../../core/ports.ts";

/** Tells a connection over which nothing comes any more. Time in which nobody reads does not count. */
export class Watchdog {
  readonly #clock: Clock;
  readonly #stallMs: number;
  #lastMs: number;

  constructor(clock: Clock, stallMs: number) {
    this.#clock = clock;
    this.#stallMs = stallMs;
    this.#lastMs = clock.nowMs();
  }

  heard(): void {
    this.#lastMs = this.#clock.nowMs();
  }

  /** Resolves to whether the connection stalled: true as soon as it has, false when the signal ended first. */
  async stalled(isHeld: () => boolean, signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const leftMs = this.#lastMs + this.#stallMs - this.#clock.nowMs();
      if (leftMs > 0) await this.#clock.sleep(leftMs, signal);
      else if (isHeld()) this.heard();
      else return true;
    }
    return false;
  }
}
