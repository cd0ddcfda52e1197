import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ConfigError } from "../core/errors.ts";
import type { Imitation } from "../sandbox/imitation.ts";
import { type Catalog, createCatalog } from "../source/catalog.ts";
import type { Source } from "../source/define-source.ts";

/** The folder that holds the project's own files, with a `/` at its end. */
export const projectFolder = new URL("../../", import.meta.url);
export const schemaFolder = fileURLToPath(new URL("schema", projectFolder));
const sourcesFolder = fileURLToPath(new URL("datasources", projectFolder));

/** Every declared source: one for each folder in `datasources/`. Throws `SOURCE_INVALID` naming the folder. */
export async function discoverSources(): Promise<Catalog> {
  const names = await foldersWith("source.ts");
  const sources = await Promise.all(names.map(async name => ({ name, source: await defaultOf<Source>(name, "source.ts") })));
  for (const { name, source } of sources) {
    if (source?.kind !== "source")
      throw new ConfigError("SOURCE_INVALID", `datasources/${name}/source.ts: its default export must come from defineSource`);
    if (source.name !== name)
      throw new ConfigError(
        "SOURCE_INVALID",
        `datasources/${name}/source.ts: it names itself ${source.name}; folder and name must agree`,
      );
  }
  return createCatalog(sources.map(({ source }) => source));
}

/** Every source's imitation. */
export async function discoverImitations(): Promise<Imitation[]> {
  const names = await foldersWith("sandbox.ts");
  return Promise.all(names.map(name => defaultOf<Imitation>(name, "sandbox.ts")));
}

async function foldersWith(file: string): Promise<string[]> {
  const entries = await readdir(sourcesFolder, { withFileTypes: true });
  const names = entries.filter(entry => entry.isDirectory() && existsSync(`${sourcesFolder}/${entry.name}/${file}`));
  return names.map(entry => entry.name).sort();
}

async function defaultOf<T>(name: string, file: string): Promise<T> {
  const module = (await import(pathToFileURL(`${sourcesFolder}/${name}/${file}`).href)) as { readonly default: T };
  return module.default;
}
