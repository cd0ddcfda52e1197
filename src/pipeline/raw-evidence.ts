import { createHash } from "node:crypto";
import { relative } from "node:path";
import { StoreError } from "../core/errors.ts";
import { textAt } from "../core/json-pointer.ts";
import { type Json, parseJson } from "../core/json.ts";
import type { Envelope } from "../store/raw/envelope.ts";
import { readPull, type StoredPull } from "../store/raw/manifest.ts";
import { keyFor, type RawKey } from "../store/raw/raw-key.ts";
import { RawStore } from "../store/raw/raw-store.ts";
import { linesOf } from "../store/raw/segment-reader.ts";

/** Where a record stands in the responses as they were kept. */
export interface RawPlace {
  /** `sha256#/json/pointer`. */
  readonly raw: string;
  readonly pull: string;
  /** The segment, below the home. */
  readonly file: string;
  /** Of the pull, counted from 0. */
  readonly line: number;
  readonly pointer: string;
  readonly status: number;
  /** RFC 3339, UTC. */
  readonly receivedAt: string;
  readonly request: Envelope["request"];
}

/** A record as its response said it. */
export interface RawRecord {
  readonly place: RawPlace;
  /** The very text of the record. */
  readonly text: string;
  readonly record: Json;
  /** The pull of everything that it was taken with. */
  readonly base: StoredPull;
}

export interface RawParts {
  readonly home: string;
  readonly rawKey?: RawKey;
}

/** Which records of a collection are looked for, and where. */
export interface RawWanted {
  readonly source: string;
  readonly collection: string;
  /** A pull of everything, and those of what changed after it. */
  readonly pulls: readonly string[];
  readonly raws: readonly string[];
}

/** Finds records in some pulls by their raw references, in the order of these. Throws `STORE_UNAVAILABLE` for one that is not there, or not what it was. */
export async function rawRecords(parts: RawParts, wanted: RawWanted): Promise<readonly RawRecord[]> {
  const { source, collection, raws } = wanted;
  const folder = `${new RawStore(parts.home).root}/${source}/${collection}`;
  const pulls = await Promise.all(wanted.pulls.map(pull => readPull(`${folder}/${pull}`)));
  const hashes = new Set(raws.map(raw => splitRaw(raw).hash));
  const found = new Map<string, FoundLine>();
  for (const pull of pulls) await findLines(parts, pull, hashes, found);
  const base = pulls[0]!;
  return raws.map(raw => {
    const { hash, pointer } = splitRaw(raw);
    const { envelope, path, pull } = found.get(hash) ?? lost(wanted, `response ${hash} is not in it`);
    if (createHash("sha256").update(envelope.body).digest("hex") !== hash) return lost(wanted, `response ${hash} was changed`);
    const text = textAt(envelope.body, pointer) ?? lost(wanted, `nothing is at ${pointer} of response ${hash}`);
    const { line, status, receivedAt, request } = envelope;
    const place = { raw, pull, file: relative(parts.home, path), line, pointer, status, receivedAt, request };
    return { place, text, record: parseJson(text), base };
  });
}

interface FoundLine {
  readonly envelope: Envelope;
  readonly path: string;
  readonly pull: string;
}

/** Adds the lines of a pull whose responses are wanted to what was found. */
async function findLines(
  { rawKey }: RawParts,
  { manifest, paths }: StoredPull,
  hashes: ReadonlySet<string>,
  found: Map<string, FoundLine>,
): Promise<void> {
  const { source, collection, pull, keyId, segments } = manifest;
  const key = keyFor(keyId, rawKey, `${source}.${collection} ${pull}`);
  for (const [index, { sizeBytes }] of segments.entries()) {
    if (found.size === hashes.size) return;
    const path = paths[index]!;
    for await (const envelope of linesOf([{ path, sizeBytes, isOpen: false }], key))
      if (hashes.has(envelope.sha256) && !found.has(envelope.sha256)) found.set(envelope.sha256, { envelope, path, pull });
  }
}

/** The parts of a raw reference; a pointer may have a # of its own. */
function splitRaw(raw: string): { readonly hash: string; readonly pointer: string } {
  const at = raw.indexOf("#");
  return { hash: raw.slice(0, at), pointer: raw.slice(at + 1) };
}

function lost({ source, collection, pulls }: RawWanted, problem: string): never {
  throw new StoreError("STORE_UNAVAILABLE", `pull ${pulls.join(", ")} of ${source}.${collection}: ${problem}`, {
    retryable: false,
  });
}
