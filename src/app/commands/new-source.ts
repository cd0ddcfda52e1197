import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../../core/errors.ts";
import { projectFolder } from "../registry.ts";
import { scaffold } from "../scaffold.ts";

/** Scaffolds a source that compiles, is discovered and passes the contract suite; refuses a name that is taken or not a name. */
export async function newSource(name: string): Promise<void> {
  if (!/^[a-z][a-z0-9]*$/.test(name))
    throw new ConfigError("CONFIG_INVALID", `"${name}" cannot name a source: use lower case letters and digits, a letter first`);
  const folder = fileURLToPath(new URL(`datasources/${name}/`, projectFolder));
  if (existsSync(folder))
    throw new ConfigError("CONFIG_INVALID", `datasources/${name} exists already: choose another name, or remove it`);
  await mkdir(folder, { recursive: true });
  for (const [file, text] of Object.entries(scaffold(name))) await writeFile(`${folder}${file}`, text, { flag: "wx" });
  console.log(
    `Made datasources/${name}. Next: put the provider's address, auth, limits and fields into source.ts, its behaviour into sandbox.ts, then run npm test.`,
  );
}
