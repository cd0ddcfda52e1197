import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const DEBIAN = "/usr/lib/postgresql";

/** The folder of PostgreSQL's programs: the first on the PATH, else Debian's newest; undefined where there is none. */
export function postgresFolder(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((one, other) => Number(other) - Number(one)) : [];
  const folders = [...(process.env["PATH"] ?? "").split(":"), ...versions.map(version => join(DEBIAN, version, "bin"))];
  return folders.find(folder => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")));
}
