import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { declaredChecks } from "../core/checks.ts";
import { RequestError } from "../core/errors.ts";
import type { Catalog } from "../source/catalog.ts";
import { guarded, sha256 } from "../store/raw/durable.ts";
import { readPull } from "../store/raw/manifest.ts";
import type { RawKey } from "../store/raw/raw-key.ts";
import { RawStore } from "../store/raw/raw-store.ts";
import { DEFAULT_BUILD_MIB, makeDataset } from "./build.ts";
import { type DatasetManifest, manifestText } from "./dataset.ts";
import { findDataset } from "./dataset-reader.ts";
import { hold } from "./holds.ts";
import type { Known } from "./history.ts";
import type { BuildInput, InputReport } from "./inputs.ts";
import type { OnProgress } from "./progress.ts";
import { versionOf } from "./version.ts";

export interface VerifyOptions {
  readonly catalog: Catalog;
  readonly home: string;
  /** The version that was built last unless given. */
  readonly version?: string;
  readonly rawKey?: RawKey;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** How one file of a dataset fared. */
export interface VerifiedFile {
  readonly name: string;
  readonly outcome: "equal" | "differs" | "missing" | "unexpected";
}

export interface VerifyResult {
  readonly version: string;
  readonly isReproduced: boolean;
  /** What DuckDB had this time. */
  readonly threads: number;
  readonly files: readonly VerifiedFile[];
}

/**
 * Derives a version once more from the kept responses, in another folder and with another number of threads, and compares every byte. Throws
 * `REQUEST_INVALID` for a version that this code, these declarations or these responses cannot make, and what a build throws.
 */
export async function verifyVersion(options: VerifyOptions): Promise<VerifyResult> {
  const { catalog, home, rawKey, signal, onProgress = () => undefined } = options;
  const { manifest, path, root } = await findDataset(home, options.version);
  const { version, parameters } = manifest;
  const letGo = await hold(root, version);
  const folder = `${root}/.${version}.${process.pid}.verified`;
  const threads = availableParallelism() > 1 ? availableParallelism() - 1 : 2;
  try {
    const known = await knownOf(options, manifest);
    if ((await versionOf(catalog, known, parameters)) !== version) throw madeOtherwise(version);
    await guarded(folder, () => mkdir(folder, { recursive: true }));
    const parts = {
      catalog,
      folder,
      rawKey,
      onProgress,
      signal,
      parameters,
      checks: declaredChecks,
      limits: { threads, memoryMib: DEFAULT_BUILD_MIB },
    };
    const anew = await makeDataset(parts, known, version);
    const files = await compareFolders(path, folder, manifestText(anew));
    return { version, isReproduced: files.every(({ outcome }) => outcome === "equal"), threads, files };
  } finally {
    await rm(folder, { recursive: true, force: true });
    await letGo();
  }
}

const madeOtherwise = (version: string): RequestError =>
  new RequestError(
    "REQUEST_INVALID",
    `dataset ${version} was made by other code, other declarations or of other responses than those that are here: verify it with the release that built it`,
  );

/** The very pulls and decisions that the version was made of, at each of its moments. */
async function knownOf(options: VerifyOptions, manifest: DatasetManifest): Promise<readonly [...Known[], Known]> {
  const { version, inputs, decisions, history, parameters } = manifest;
  const before = new Set(history.flatMap(({ moments }) => moments));
  const moments = [
    ...parameters.earlier.filter(moment => !before.has(moment)),
    ...(parameters.asOf === null ? [] : [parameters.asOf]),
  ];
  const earlier: Known[] = [];
  for (const each of history) earlier.push({ ...each, inputs: await inputsOf(options, version, each.inputs) });
  return [...earlier, { moments, decisions, inputs: await inputsOf(options, version, inputs) }];
}

async function inputsOf(
  { catalog, home }: VerifyOptions,
  version: string,
  inputs: readonly InputReport[],
): Promise<readonly BuildInput[]> {
  const { root } = new RawStore(home);
  return Promise.all(
    catalog.entries.map(async (entry): Promise<BuildInput> => {
      const input = inputs.find(({ source, collection }) => source === entry.source.name && collection === entry.name);
      if (input === undefined) throw madeOtherwise(version);
      const read = (pull: string) => guarded(root, () => readPull(`${root}/${input.source}/${input.collection}/${pull}`));
      const pull = input.pull === null ? null : await read(input.pull);
      return { entry, pull, increments: await Promise.all(input.increments.map(read)), passedOver: [] };
    }),
  );
}

const MANIFEST = "manifest.json";

async function compareFolders(stored: string, anew: string, manifest: string): Promise<readonly VerifiedFile[]> {
  const [were, are] = await guarded(stored, () => Promise.all([readdir(stored), readdir(anew)]));
  const names = [...new Set([...were, ...are, MANIFEST])].toSorted((a, b) => (a < b ? -1 : 1));
  return Promise.all(
    names.map(async (name): Promise<VerifiedFile> => {
      if (!were.includes(name)) return { name, outcome: "missing" };
      if (name !== MANIFEST && !are.includes(name)) return { name, outcome: "unexpected" };
      const [before, after] = await Promise.all([
        hashOf(`${stored}/${name}`),
        name === MANIFEST ? sha256(manifest) : hashOf(`${anew}/${name}`),
      ]);
      return { name, outcome: before === after ? "equal" : "differs" };
    }),
  );
}

const hashOf = (path: string): Promise<string> =>
  guarded(path, async () => {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    return hash.digest("hex");
  });
