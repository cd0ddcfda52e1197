import { readFile } from "node:fs/promises";
import { StoreError } from "../../core/errors.ts";
import type { Completeness, ListingEvidence, Reason } from "../../core/verdict.ts";
import type { DayWindow } from "../../source/collection.ts";
import { sha256 } from "./durable.ts";

export const FORMAT = 2;
export const MANIFEST = "manifest.json";

/** A record that broke its contract: where it stands, its key if it has one, and the places that broke, without their values. */
export interface BrokenRecord {
  readonly line: number;
  /** Counted from 0 among the records of the line. */
  readonly index: number;
  readonly key: string | null;
  readonly breaks: readonly string[];
}

/** What the one who pulled knows about a pull when it ends. */
export interface PullFacts {
  readonly verdict: Completeness;
  /** Why the verdict is not `complete`. */
  readonly reason: { readonly code: string; readonly message: string } | null;
  /** All reasons, the gravest first. */
  readonly reasons: readonly Reason[];
  /** What the verdict rests on. */
  readonly evidence: ListingEvidence;
  readonly finishedAt: string;
  readonly pages: number;
  readonly records: number;
  /** Records whose key an earlier record of the same pull had. */
  readonly duplicateKeys: number;
  readonly missingKeys: number;
  readonly advertisedTotal: number | null;
  readonly brokenRecords: number;
  /** The first of them. */
  readonly broken: readonly BrokenRecord[];
  /** Paths of the collection's fields: known before (null: nothing was), and known now. */
  readonly fields: { readonly before: readonly string[] | null; readonly after: readonly string[] };
  /** Whether it was broken off in a way that lets the next pull go on where this one stopped. */
  readonly mayGoOn: boolean;
  /** Why what an earlier pull had left was not gone on with; null when nothing was left, or it was. */
  readonly startedAnew: string | null;
  /** When the source may be asked again, where its quota ended the pull; RFC 3339, UTC. */
  readonly pausedUntil: string | null;
  /** How far a pull of what changed has come, in ms since the epoch; null for one of everything, and where it is not complete. */
  readonly watermarkMs: number | null;
}

/** Where a pull of what changed begins. */
export interface Since {
  /** The pull of everything that it adds to. */
  readonly base: string;
  /** The pull that it follows: the base, or another pull of what changed. */
  readonly after: string;
  /** In ms since the epoch: everything before it had been read. */
  readonly watermarkMs: number;
}

/** What is settled when a pull begins, and stays when it is gone on with. */
export interface PullStart {
  readonly startedAt: string;
  /** The days that a dated listing is asked for. */
  readonly window: DayWindow;
  /** Stands for how the listing is asked for: what was kept under another one is not gone on with. */
  readonly declaration: string;
  /** Null for a pull of everything. */
  readonly since: Since | null;
  /** Only of an update: what a source said of single records because it had sent word of them. */
  readonly update?: Update;
}

/** How an update's bodies are read: the path of their records, as a listing states it. */
export interface Update {
  readonly items: string;
}

/** A file of whole lines: newline-delimited JSON of `Envelope`, compressed with Zstandard, in frames that may be encrypted. */
export interface Segment {
  /** Named after its content. */
  readonly file: string;
  /** SHA-256, hexadecimal, of the file. */
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly lines: number;
  /** Bytes of the longest line, uncompressed: what a reader must have room for. */
  readonly longestLineBytes: number;
}

/** The manifest of a pull, as it stands beside its responses. */
export interface PullManifest extends PullFacts, PullStart {
  readonly format: typeof FORMAT;
  readonly source: string;
  readonly collection: string;
  readonly pull: string;
  /** The pull whose lines it began with. */
  readonly continues: string | null;
  /** How long the pull lay between breaking off and going on, in ms. */
  readonly pausedMs: number;
  /** Of the key that the segments are encrypted under; null for plain ones. */
  readonly keyId: string | null;
  readonly lines: number;
  /** In the order of their lines. */
  readonly segments: readonly Segment[];
}

/** A pull that is kept. */
export interface StoredPull {
  readonly manifest: PullManifest;
  /** SHA-256, hexadecimal, of the manifest's own text. */
  readonly manifestSha256: string;
  readonly folder: string;
  /** The files of its responses, in order. */
  readonly paths: readonly string[];
}

/** Reads the pull in a folder. Throws `STORE_UNAVAILABLE` for one that an earlier version of the product wrote. */
export async function readPull(folder: string): Promise<StoredPull> {
  const text = await readFile(`${folder}/${MANIFEST}`, "utf8");
  const manifest = JSON.parse(text) as PullManifest;
  if (manifest.format !== FORMAT)
    throw new StoreError(
      "STORE_UNAVAILABLE",
      `${folder} was kept in a form that is not read any more: remove it, and pull again`,
      { retryable: false },
    );
  return { manifest, manifestSha256: sha256(text), folder, paths: manifest.segments.map(({ file }) => `${folder}/${file}`) };
}
