import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { canonical } from "../core/canonical.ts";
import { type Checks, declaredChecks } from "../core/checks.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import type { BuildParameters } from "./dataset.ts";
import { type Known, stateOf } from "./history.ts";

/** The rooms whose code decides what is in a dataset. */
const rooms = ["core", "source", "mapping", "identity", "upstream", "store", "pipeline"];
const sourceFolder = fileURLToPath(new URL("../", import.meta.url));
const lockFile = fileURLToPath(new URL("../../package-lock.json", import.meta.url));

/** A dataset's version: a function of the responses, the declarations with their checks, people's decisions, and the code with its libraries. */
export async function versionOf(
  catalog: Catalog,
  known: readonly Known[],
  parameters: BuildParameters,
  checks: Checks = declaredChecks,
): Promise<string> {
  const states = known.map(each => [each.moments, stateOf(each)]);
  const parts = [states, parameters, catalog.entries.map(declared), canonical, checks, await codeHash()];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 20);
}

/** What of a collection's declaration a build depends on. */
const declared = ({ id, collection }: CatalogEntry) => {
  const { contract, list, owner, identity, survivorship, map, drift, personal, maxQuarantinedShare, tombstone } = collection;
  const shape = z.toJSONSchema(contract, { unrepresentable: "any", io: "input" });
  return {
    id,
    entity: collection.canonical,
    shape,
    items: list.items,
    watermark: list.watermark,
    tombstone,
    owner,
    identity,
    survivorship,
    map,
    drift,
    personal,
    maxQuarantinedShare,
  };
};

let hash: Promise<string> | undefined;
/** Read once: the code of a running process does not change. */
const codeHash = (): Promise<string> => (hash ??= hashCode());

async function hashCode(): Promise<string> {
  const found = await Promise.all(rooms.map(room => filesUnder(`${sourceFolder}${room}`)));
  const sum = createHash("sha256");
  for (const path of [...found.flat().toSorted(), lockFile]) {
    sum.update(`${relative(sourceFolder, path)}\n`).update(await readFile(path));
  }
  return sum.digest("hex");
}

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter(entry => entry.isFile()).map(entry => `${entry.parentPath}/${entry.name}`);
}
