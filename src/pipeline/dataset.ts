import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { asError, StoreError } from "../core/errors.ts";
import { heldVersions } from "./holds.ts";
import { foldersIn, guarded, isSystemError, syncFolder, writeDurably } from "../store/raw/durable.ts";
import type { IdentityDecision } from "../store/identity-decisions.ts";
import type { CheckReport } from "./checks.ts";
import type { BuildMoments, KnownReport } from "./history.ts";
import type { InputReport } from "./inputs.ts";
import type { ColumnLineage } from "./lineage.ts";
import type { TableReport } from "./load.ts";
import type { NormalizedCounts } from "./normalize.ts";
import type { Join, JoinReport, MatchCounts } from "./join-report.ts";
import type { DriftReport } from "./quarantine.ts";

/** Of the manifest, and of what stands beside it. */
export const FORMAT = 5;

/** What a build is asked for, beside its inputs. */
export interface BuildParameters extends BuildMoments {
  /** ISO 4217: the currency of all amounts of `customer_features`. */
  readonly currency: string;
  readonly join: Join;
}

/** How the records of one collection fared in a build. */
export interface CollectionReport extends NormalizedCounts, MatchCounts {
  readonly source: string;
  readonly collection: string;
  /** How its records differ from what was agreed. */
  readonly drift: readonly DriftReport[];
}

/** A dataset as its own manifest describes it. Nothing in it depends on when or where it was built. */
export interface DatasetManifest {
  readonly format: typeof FORMAT;
  readonly version: string;
  /** False when a collection was not pulled to its end, or not at all. */
  readonly isComplete: boolean;
  readonly parameters: BuildParameters;
  readonly inputs: readonly InputReport[];
  /** People's word about who is who that it was built under. */
  readonly decisions: readonly Pick<IdentityDecision, "type" | "a" | "b">[];
  readonly tables: readonly TableReport[];
  readonly collections: readonly CollectionReport[];
  readonly join: JoinReport;
  /** What `customer_features` was made of at earlier moments, where less was known. */
  readonly history: readonly KnownReport[];
  /** How the checks of its tables went. */
  readonly checks: readonly CheckReport[];
  /** Where its columns come from. */
  readonly lineage: readonly ColumnLineage[];
}

const MANIFEST = "manifest.json";
const CURRENT = "current";

/** Where files that were made for export are kept for the next reader. */
export const exportsFolder = (root: string): string => `${root}/.exports`;

/** The datasets under a home: `<home>/dataset/<version>/`, and a file `current` that names the version built last. */
export class DatasetStore {
  readonly #root: string;

  constructor(home: string) {
    this.#root = `${home}/dataset`;
  }

  get root(): string {
    return this.#root;
  }

  pathOf(version: string): string {
    return `${this.#root}/${version}`;
  }

  manifestOf(version: string): string {
    return `${this.pathOf(version)}/${MANIFEST}`;
  }

  /** A dataset that is there already, or undefined. */
  async find(version: string): Promise<DatasetManifest | undefined> {
    const text = await textOf(this.manifestOf(version));
    return text === undefined ? undefined : (JSON.parse(text) as DatasetManifest);
  }

  /** Every dataset that is there. */
  async all(): Promise<readonly DatasetManifest[]> {
    const versions = (await foldersIn(this.#root)).filter(name => !name.startsWith(".")).toSorted();
    return (await Promise.all(versions.map(version => this.find(version)))).filter(manifest => manifest !== undefined);
  }

  /** The path of the dataset that was built last. Throws `STORE_UNAVAILABLE` when there is none. */
  async currentPath(): Promise<string> {
    const version = await this.currentVersion();
    if (version === undefined)
      throw new StoreError("STORE_UNAVAILABLE", `there is no dataset in ${this.#root}: run a build first`);
    return this.pathOf(version);
  }

  /** The version that was built last, or undefined. */
  async currentVersion(): Promise<string | undefined> {
    return (await textOf(`${this.#root}/${CURRENT}`))?.trim();
  }

  /** Runs the work in a new folder and lets it appear as the version it makes; whatever happens, nothing half done remains. */
  async publish(version: string, work: (folder: string) => Promise<DatasetManifest>): Promise<DatasetManifest> {
    const folder = `${this.#root}/.${version}.${process.pid}.partial`;
    try {
      await mkdir(folder, { recursive: true });
      const manifest = await work(folder);
      await writeDurably(`${folder}/${MANIFEST}`, manifestText(manifest));
      await syncFolder(folder);
      return await this.#appear(folder, manifest);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Removes a version, unless somebody reads it or it is the current one; says whether it did. */
  async remove(version: string): Promise<boolean> {
    const [path, aside] = [this.pathOf(version), `${this.#root}/.${version}.${process.pid}.removed`];
    return guarded(path, async () => {
      await rename(path, aside);
      // Whoever took hold of it before the rename reads on; who comes after it does not find it.
      if ((await heldVersions(this.#root)).has(version) || (await this.currentVersion()) === version) {
        await rename(aside, path);
        return false;
      }
      await rm(aside, { recursive: true, force: true });
      await this.#dropExports(version);
      return true;
    });
  }

  /** Makes a version the current one. */
  async select(version: string): Promise<void> {
    const temporary = `${this.#root}/.${CURRENT}.${process.pid}`;
    await writeDurably(temporary, `${version}\n`);
    await rename(temporary, `${this.#root}/${CURRENT}`);
    await syncFolder(this.#root);
  }

  async #dropExports(version: string): Promise<void> {
    const folder = exportsFolder(this.#root);
    const names = existsSync(folder) ? await readdir(folder) : [];
    for (const name of names.filter(each => each.startsWith(`${version}.`))) await rm(`${folder}/${name}`, { force: true });
  }

  async #appear(folder: string, manifest: DatasetManifest): Promise<DatasetManifest> {
    try {
      await rename(folder, this.pathOf(manifest.version));
      return manifest;
    } catch (thrown) {
      // Somebody else may have built the same version meanwhile; theirs is as good.
      const other = await this.find(manifest.version);
      if (other) return other;
      throw thrown;
    }
  }
}

/** A manifest as it is kept. */
export const manifestText = (manifest: DatasetManifest): string => `${JSON.stringify(manifest, null, 2)}\n`;

/** Reads the manifest of the dataset in a folder. Throws `STORE_UNAVAILABLE`. */
export async function readDataset(path: string): Promise<DatasetManifest> {
  const text = await textOf(`${path}/${MANIFEST}`);
  if (text === undefined) throw new StoreError("STORE_UNAVAILABLE", `there is no dataset in ${path}`);
  return JSON.parse(text) as DatasetManifest;
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if (isSystemError(thrown, "ENOENT")) return undefined;
    throw new StoreError("STORE_UNAVAILABLE", `cannot read ${path}: ${asError(thrown).message}`, { cause: thrown });
  }
}
