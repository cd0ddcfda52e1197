import type { EntityName } from "./canonical.ts";

/** A record that is now another than it was, or gone. */
export interface Change {
  readonly source: string;
  /** `<source>.<collection>`. */
  readonly collection: string;
  readonly entity: EntityName;
  readonly key: string;
  readonly kind: "changed" | "deleted";
  /** Keys of the records that it belongs to, and belonged to before, in the source's collection of customers. */
  readonly owners: readonly string[];
  /** When we learnt of it, in ms since the epoch. */
  readonly atMs: number;
}

export type OnChanges = (changes: readonly Change[]) => void;

/** Tells whoever listens, in this process and the others, what has changed. */
export interface ChangeFeed {
  publish(changes: readonly Change[]): void;
  /** Returns how to stop listening. `onGap`: changes may have been missed. */
  subscribe(onChanges: OnChanges, onGap?: () => void): () => void;
  close(): Promise<void>;
}

/** The feed of one process alone. */
export class LocalChanges implements ChangeFeed {
  readonly #listeners = new Set<{ readonly onChanges: OnChanges; readonly onGap: () => void }>();

  publish(changes: readonly Change[]): void {
    if (changes.length > 0) for (const { onChanges } of this.#listeners) onChanges(changes);
  }

  subscribe(onChanges: OnChanges, onGap: () => void = () => undefined): () => void {
    const listener = { onChanges, onGap };
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Says that changes may have been missed. */
  gap(): void {
    for (const { onGap } of this.#listeners) onGap();
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
