import type { Received } from "./reader.ts";

/** How much may stand between a connection and its sink. */
export interface QueueBounds {
  readonly maxMessages: number;
  /** Of the messages' texts, in UTF-16 code units as they stand in memory. */
  readonly maxLength: number;
}

/** Room for a bounded number of messages between one reader and one drain. What is taken counts until it is released. */
export class Queue {
  readonly #bounds: QueueBounds;
  #waiting: Received[] = [];
  #messages = 0;
  #length = 0;
  #isClosed = false;
  #change = Promise.withResolvers<void>();

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
  }

  get isFull(): boolean {
    return !this.#isClosed && (this.#messages >= this.#bounds.maxMessages || this.#length >= this.#bounds.maxLength);
  }

  /** Takes a message in any case; resolves when there is room for another. */
  async put(received: Received): Promise<void> {
    this.#waiting.push(received);
    this.#messages++;
    this.#length += received.message.text.length;
    if (this.#waiting.length === 1) this.#changed();
    while (this.isFull) await this.#change.promise;
  }

  /** What waits, at most so many; waits for the first one. Empty when the queue is closed and nothing is left. */
  async take(max: number): Promise<readonly Received[]> {
    while (this.#waiting.length === 0 && !this.#isClosed) await this.#change.promise;
    return this.#waiting.splice(0, max);
  }

  /** What was taken is durable. */
  release(taken: readonly Received[]): void {
    this.#messages -= taken.length;
    for (const { message } of taken) this.#length -= message.text.length;
    this.#changed();
  }

  /** Resolves when all that was put has been released, or the queue is closed. */
  async emptied(): Promise<void> {
    while (this.#messages > 0 && !this.#isClosed) await this.#change.promise;
  }

  /** Nothing is put any more; nobody waits for room any more. */
  close(): void {
    this.#isClosed = true;
    this.#changed();
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}
