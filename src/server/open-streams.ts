import { RequestError } from "../core/errors.ts";

/** The answers that go on: bounded in number, and ended together when the server stops. */
export class OpenStreams {
  readonly #most: number;
  readonly #open = new Set<() => void>();

  constructor(most: number) {
    this.#most = most;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Takes one in; `end` ends it. Returns how to say that it has ended. Throws `LIMIT_SUBSCRIPTIONS`. */
  add(end: () => void): () => void {
    if (this.#open.size >= this.#most)
      throw new RequestError("LIMIT_SUBSCRIPTIONS", `${this.#most} streams are open, more there may not be`, {
        details: { limit: this.#most, retryAfterMs: 10_000 },
      });
    this.#open.add(end);
    return () => void this.#open.delete(end);
  }

  endAll(): void {
    for (const end of this.#open) end();
  }
}
