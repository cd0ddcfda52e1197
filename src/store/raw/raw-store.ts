import { mkdir, readdir, rm } from "node:fs/promises";
import { type Checkpoint, readCheckpoint, recoverCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import { createFolder, foldersIn, guarded } from "./durable.ts";
import { FORMAT, type PullManifest, type PullStart, readPull, type StoredPull } from "./manifest.ts";
import type { Envelope } from "./envelope.ts";
import { keyFor, type RawKey } from "./raw-key.ts";
import { linesOf } from "./segment-reader.ts";
import { durableLines, partialFolder, placeFile, type PullPlace, RawPull } from "./raw-pull.ts";

/** What a new pull, or one that is gone on with, is opened for. */
export interface PullTarget {
  readonly source: string;
  readonly collection: string;
  /** Names of headers that are kept beside the usual ones. */
  readonly alsoKept?: readonly string[];
}

/** A pull that broke off: killed while it was written, or finished before the listing's end. */
export interface Unfinished {
  readonly pull: string;
  readonly lines: number;
  readonly sizeBytes: number;
  /** When the last of it became durable; RFC 3339, UTC. */
  readonly savedAt: string;
  readonly start: PullStart;
  readonly keyId: string | null;
  readonly state: { readonly checkpoint: Checkpoint } | { readonly manifest: PullManifest; readonly folder: string };
}

const partialName = /^\.(.+)\.partial$/;
const updateName = /^\.(.+)\.update$/;

/**
 * Responses kept as they came, one folder for each pull: `<home>/raw/<source>/<collection>/<pull>/`. A pull appears there whole, by renaming its
 * folder; until then the folder has another name, and a checkpoint from which the next pull can go on.
 */
export class RawStore {
  readonly root: string;
  readonly #key: RawKey | undefined;

  /** @param key encrypts new segments, and reads encrypted ones */
  constructor(home: string, key?: RawKey) {
    this.root = `${home}/raw`;
    this.#key = key;
  }

  /** Opens a new pull of a collection, named after `nowMs`, in ms since the epoch. Throws `STORE_UNAVAILABLE`. */
  async begin(target: PullTarget, start: PullStart, nowMs: number): Promise<RawPull> {
    const place = await this.#newPlace(target, nowMs, start.update !== undefined);
    return new RawPull(place, { ...this.#emptyCheckpoint(nowMs), ...start });
  }

  /** Updates of a collection that a process which is dead has left, saved last before a moment (ms since the epoch), to be finished. Throws `STORE_UNAVAILABLE`. */
  async leftUpdates(target: PullTarget, beforeMs: number): Promise<readonly RawPull[]> {
    const parent = this.#parentOf(target.source, target.collection);
    return guarded(parent, async () => {
      const left: RawPull[] = [];
      for (const pull of await partialsIn(parent, updateName)) {
        const place = { ...this.#placeOf(target, pull), isUpdate: true };
        const known = await readCheckpoint(partialFolder(place));
        if (known === undefined || Date.parse(known.savedAt) >= beforeMs) continue;
        const checkpoint = await recoverCheckpoint(partialFolder(place));
        if (checkpoint !== undefined) left.push(new RawPull(place, checkpoint));
      }
      return left;
    });
  }

  /**
   * The pull of a collection that broke off and can be gone on with, or null. What is no part of it is cut off its files: to be asked only by who may write.
   * Throws `STORE_UNAVAILABLE`.
   */
  async unfinished(target: PullTarget): Promise<Unfinished | null> {
    const { source, collection } = target;
    const parent = this.#parentOf(source, collection);
    return guarded(parent, async () => {
      for (const { pull, lines } of await this.killed(target)) {
        const checkpoint = await recoverCheckpoint(partialFolder({ parent, pull }));
        if (lines > 0 && checkpoint !== undefined) return leftBy(pull, checkpoint);
      }
      return brokenOff((await this.pulls(source, collection))[0]);
    });
  }

  /** Pulls of a collection that are not finished, as far as they were saved, newest first; one that is being written is among them. */
  async killed({ source, collection }: PullTarget): Promise<readonly Unfinished[]> {
    const parent = this.#parentOf(source, collection);
    return guarded(parent, async () => {
      const found = (await partialsIn(parent)).map(async pull => {
        const checkpoint = await readCheckpoint(partialFolder({ parent, pull }));
        return checkpoint === undefined ? [] : [leftBy(pull, checkpoint)];
      });
      return (await Promise.all(found)).flat();
    });
  }

  /** Goes on with a pull that broke off: in its own folder when it was killed; else in a new one, which begins with the same segments. */
  async resume(target: PullTarget, unfinished: Unfinished, nowMs: number): Promise<RawPull> {
    const paused = Math.max(0, nowMs - Date.parse(unfinished.savedAt));
    const { state } = unfinished;
    if ("checkpoint" in state) {
      const place = this.#placeOf(target, unfinished.pull);
      return new RawPull(place, { ...state.checkpoint, pausedMs: state.checkpoint.pausedMs + paused });
    }
    const { manifest, folder } = state;
    const place = await this.#newPlace(target, nowMs);
    return guarded(place.parent, async () => {
      for (const { file } of manifest.segments) await placeFile(`${folder}/${file}`, `${partialFolder(place)}/${file}`);
      const { keyId, segments: sealed, pausedMs } = manifest;
      const continued = { keyId, sealed, continues: manifest.pull, pausedMs: pausedMs + paused };
      const checkpoint = { ...this.#emptyCheckpoint(nowMs), ...unfinished.start, ...continued };
      await saveCheckpoint(partialFolder(place), checkpoint);
      return new RawPull(place, checkpoint);
    });
  }

  /** Removes what pulls that broke off have left, beside the one that is gone on with. */
  async discardPartials({ source, collection }: PullTarget, except?: string): Promise<void> {
    const parent = this.#parentOf(source, collection);
    await guarded(parent, async () => {
      for (const pull of await partialsIn(parent))
        if (pull !== except) await rm(partialFolder({ parent, pull }), { recursive: true });
    });
  }

  /** The kept pulls of a collection, newest first, without updates; none is an empty list. Throws `STORE_UNAVAILABLE` when a manifest cannot be read. */
  async pulls(source: string, collection: string): Promise<readonly StoredPull[]> {
    return (await this.#all(source, collection)).filter(({ manifest }) => manifest.update === undefined);
  }

  /** The kept updates of a collection, newest first. Throws `STORE_UNAVAILABLE` when a manifest cannot be read. */
  async updates(source: string, collection: string): Promise<readonly StoredPull[]> {
    return (await this.#all(source, collection)).filter(({ manifest }) => manifest.update !== undefined);
  }

  async #all(source: string, collection: string): Promise<readonly StoredPull[]> {
    const parent = this.#parentOf(source, collection);
    return guarded(parent, async () => {
      const names = (await foldersIn(parent)).filter(name => !name.startsWith(".")).toSorted();
      return Promise.all(names.toReversed().map(name => readPull(`${parent}/${name}`)));
    });
  }

  /** The responses of a kept pull, in order. Throws `STORE_UNAVAILABLE`, also when the key is missing or another one. */
  async *linesOf({ manifest, paths }: StoredPull): AsyncGenerator<Envelope> {
    const { keyId, segments, source, collection, pull } = manifest;
    const key = keyFor(keyId, this.#key, `${source}.${collection} ${pull}`);
    yield* linesOf(
      segments.map(({ sizeBytes }, index) => ({ path: paths[index]!, sizeBytes, isOpen: false })),
      key,
    );
  }

  /** Removes a kept pull. Throws `STORE_UNAVAILABLE`. */
  async remove({ folder }: StoredPull): Promise<void> {
    await guarded(folder, () => rm(folder, { recursive: true, force: true }));
  }

  #emptyCheckpoint(nowMs: number): Omit<Checkpoint, keyof PullStart> {
    const keyId = this.#key?.id ?? null;
    return { format: FORMAT, continues: null, pausedMs: 0, keyId, savedAt: instant(nowMs), sealed: [], open: null };
  }

  #parentOf(source: string, collection: string): string {
    return `${this.root}/${source}/${collection}`;
  }

  #placeOf({ source, collection, alsoKept = [] }: PullTarget, pull: string): PullPlace {
    const kept = new Set(alsoKept.map(name => name.toLowerCase()));
    const parent = this.#parentOf(source, collection);
    return { source, collection, pull, parent, key: this.#key, alsoKept: kept, isUpdate: false };
  }

  async #newPlace(target: PullTarget, nowMs: number, isUpdate = false): Promise<PullPlace> {
    const parent = this.#parentOf(target.source, target.collection);
    return guarded(parent, async () => {
      await mkdir(parent, { recursive: true });
      const taken = new Set(await readdir(parent));
      const stamp = instant(nowMs).replaceAll(/[-:.]/g, "");
      for (let number = 0; ; number++) {
        const name = number === 0 ? stamp : `${stamp}-${String(number).padStart(3, "0")}`;
        const pull = isUpdate ? `${name}-update` : name;
        const place = { ...this.#placeOf(target, pull), isUpdate };
        if (!taken.has(pull) && (await createFolder(partialFolder(place)))) return place;
      }
    });
  }
}

const instant = (atMs: number): string => new Date(atMs).toISOString();

/** Pulls in a folder that are not finished, newest first. */
async function partialsIn(parent: string, pattern = partialName): Promise<string[]> {
  const names = await foldersIn(parent);
  return names
    .flatMap(name => pattern.exec(name)?.[1] ?? [])
    .toSorted()
    .toReversed();
}

function leftBy(pull: string, checkpoint: Checkpoint): Unfinished {
  const { startedAt, window, declaration, since, savedAt, keyId, sealed, open } = checkpoint;
  const sizeBytes = sealed.reduce((total, segment) => total + segment.sizeBytes, open?.sizeBytes ?? 0);
  const start = { startedAt, window, declaration, since };
  return { pull, lines: durableLines(checkpoint), sizeBytes, savedAt, start, keyId, state: { checkpoint } };
}

function brokenOff(stored: StoredPull | undefined): Unfinished | null {
  if (!stored?.manifest.mayGoOn || stored.manifest.lines === 0) return null;
  const { folder, manifest } = stored;
  const { pull, lines, finishedAt, startedAt, window, declaration, since, keyId, segments } = manifest;
  const sizeBytes = segments.reduce((total, segment) => total + segment.sizeBytes, 0);
  const start = { startedAt, window, declaration, since };
  return { pull, lines, sizeBytes, savedAt: finishedAt, start, keyId, state: { manifest, folder } };
}
