import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { guarded, isSystemError, writeDurably } from "./durable.ts";

const RECORD = "run.json";
/** What a run has finished is taken over by the next one for so long, in ms. */
const MAX_AGE_MS = 86_400_000;

interface RunState {
  readonly startedAt: string;
  /** Ids of the collections that are pulled together. */
  readonly collections: readonly string[];
  /** Pull by collection, of those that are complete. */
  readonly done: Readonly<Record<string, string>>;
}

/**
 * What a run over several collections has finished: `<home>/raw/run.json`, while the run lasts. A run that finds the record of one that was killed or
 * stopped, over the same collections and not older than 24 hours, is its continuation.
 */
export class RunRecord {
  readonly #path: string;
  #state: RunState;
  #saved: Promise<void> = Promise.resolve();

  private constructor(path: string, state: RunState) {
    this.#path = path;
    this.#state = state;
  }

  /** Opens the record of a run. Throws `STORE_UNAVAILABLE`. */
  static async open(root: string, collections: readonly string[], nowMs: number): Promise<RunRecord> {
    const path = `${root}/${RECORD}`;
    return guarded(path, async () => {
      await mkdir(root, { recursive: true });
      const before = await readState(path);
      const isSame =
        before !== undefined &&
        JSON.stringify(before.collections) === JSON.stringify(collections) &&
        nowMs - Date.parse(before.startedAt) <= MAX_AGE_MS;
      return new RunRecord(path, isSame ? before : { startedAt: new Date(nowMs).toISOString(), collections, done: {} });
    });
  }

  /** The complete pull of a collection that this run, or the one that it continues, has finished. */
  doneOf(collection: string): string | undefined {
    return this.#state.done[collection];
  }

  /** Notes a collection as finished. Throws `STORE_UNAVAILABLE`. */
  async note(collection: string, pull: string): Promise<void> {
    this.#state = { ...this.#state, done: { ...this.#state.done, [collection]: pull } };
    this.#saved = this.#saveAfter(this.#saved);
    await this.#saved;
  }

  /** The run has come to its end: the next one is another. */
  async end(): Promise<void> {
    await guarded(this.#path, () => rm(this.#path, { force: true }));
  }

  async #saveAfter(before: Promise<void>): Promise<void> {
    await before;
    await guarded(this.#path, async () => {
      await writeDurably(`${this.#path}.new`, JSON.stringify(this.#state));
      await rename(`${this.#path}.new`, this.#path);
    });
  }
}

async function readState(path: string): Promise<RunState | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as RunState;
  } catch (thrown) {
    if (isSystemError(thrown, "ENOENT") || thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}
