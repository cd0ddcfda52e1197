import type { Sink, StreamMessage } from "../../src/intake/streams/sink.ts";

/** A sink in memory: what it was given, in order, and the position as the last message left it. */
export class MemorySink implements Sink {
  readonly messages: StreamMessage[] = [];
  readonly gaps: { readonly from: string | null; readonly reason: string }[] = [];
  at: string | null = null;
  /** How long one write takes. */
  writeMs = 0;
  /** How many of the next writes fail. */
  failures = 0;
  #waiting: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];

  async position(): Promise<string | null> {
    return this.at;
  }

  async accept(messages: readonly StreamMessage[], position: string | null): Promise<void> {
    if (this.writeMs > 0) await new Promise(resolve => setTimeout(resolve, this.writeMs));
    if (this.failures > 0) {
      this.failures--;
      throw new Error("the store is away");
    }
    this.messages.push(...messages);
    this.at = position ?? this.at;
    this.#look();
  }

  async gap(from: string | null, reason: string): Promise<void> {
    this.gaps.push({ from, reason });
    this.at = null;
    this.#look();
  }

  /** Resolves when a condition over what it holds is met. */
  async until(isMet: (sink: MemorySink) => boolean): Promise<void> {
    if (isMet(this)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ isMet: () => isMet(this), resolve });
    await promise;
  }

  /** The texts without repetition, in the order in which they came first. */
  get texts(): string[] {
    return [...new Set(this.messages.map(({ text }) => text))];
  }

  #look(): void {
    this.#waiting = this.#waiting.filter(({ isMet, resolve }) => {
      if (!isMet()) return true;
      resolve();
      return false;
    });
  }
}
