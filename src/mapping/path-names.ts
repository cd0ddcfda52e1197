import { ConfigError } from "../core/errors.ts";

/** The names of a dotted path; throws `SOURCE_INVALID` for one that JavaScript and SQL would read differently. */
export function namesOf(path: string): readonly string[] {
  const names = path.split(".");
  if (names.some(name => name === "" || /["*\\]/.test(name))) {
    throw new ConfigError(
      "SOURCE_INVALID",
      `A mapping reads "${path}": a name in a path may not be empty nor have " * or \\ in it`,
    );
  }
  return names;
}
