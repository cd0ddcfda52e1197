import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { asError, ConfigError } from "../core/errors.ts";
import type { Logger, Secrets } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** A place where secrets are kept; undefined for one that it does not have. */
export interface SecretStore {
  get(name: string): Secret | undefined;
}

/** Where a secret comes from. */
export interface SecretOrigin {
  readonly kind: "environment" | "file";
  /** The file's path. */
  readonly path?: string;
}

/** A file is looked at again after this long, in ms. */
const LOOK_AGAIN_MS = 1_000;

interface Kept {
  readonly secret: Secret;
  readonly mtimeMs: number;
  lookedAtMs: number;
}

/**
 * Secrets by name: `NAME` in the environment, else the file that `NAME_FILE` names, else the file `NAME` in the folder `SECRETS_DIR`, else whatever other
 * stores are given. Read when they are needed, so that one that is missing fails its source alone. A file that is replaced is read anew within a
 * second; one that is empty or gone meanwhile is said to the log, and what it held stays.
 */
export class ConfiguredSecrets implements Secrets {
  readonly #environment: Environment;
  readonly #logger: Logger;
  readonly #stores: readonly SecretStore[];
  readonly #files = new Map<string, Kept>();

  constructor(environment: Environment, logger: Logger, stores: readonly SecretStore[] = []) {
    this.#environment = environment;
    this.#logger = logger;
    this.#stores = stores;
  }

  read(name: string): Secret {
    const text = this.#environment[name];
    if (text) return new Secret(text);
    const origin = this.originOf(name);
    const found = origin?.path === undefined ? this.#stored(name) : this.#inFile(name, origin.path);
    if (found) return found;
    throw new ConfigError("CONFIG_SECRET_MISSING", missing(name, origin?.path));
  }

  /** Where a secret would be read from; undefined when nobody has said. */
  originOf(name: string): SecretOrigin | undefined {
    if (this.#environment[name]) return { kind: "environment" };
    const file = this.#environment[`${name}_FILE`];
    if (file) return { kind: "file", path: file };
    const folder = this.#environment["SECRETS_DIR"];
    const path = folder ? join(folder, name) : undefined;
    return path !== undefined && sizeOf(path) !== undefined ? { kind: "file", path } : undefined;
  }

  #stored(name: string): Secret | undefined {
    for (const store of this.#stores) {
      const secret = store.get(name);
      if (secret) return secret;
    }
    return undefined;
  }

  #inFile(name: string, path: string): Secret | undefined {
    const kept = this.#files.get(path);
    const nowMs = performance.now();
    if (kept && nowMs - kept.lookedAtMs < LOOK_AGAIN_MS) return kept.secret;
    if (kept) kept.lookedAtMs = nowMs;
    try {
      const { mtimeMs } = statSync(path);
      if (kept?.mtimeMs === mtimeMs) return kept.secret;
      const text = readFileSync(path, "utf8").replace(/\r?\n$/, "");
      if (text === "") throw new Error("the file is empty");
      const secret = new Secret(text);
      this.#files.set(path, { secret, mtimeMs, lookedAtMs: nowMs });
      return secret;
    } catch (thrown) {
      if (kept)
        this.#logger.warn(
          { secret: name, path, problem: asError(thrown).message },
          "a secret's file cannot be read; what it held stays",
        );
      return kept?.secret;
    }
  }
}

const missing = (name: string, path: string | undefined): string =>
  path === undefined
    ? `the secret ${name} is not set: give it as ${name}, or the file that holds it as ${name}_FILE`
    : `the secret ${name} cannot be read from ${path}`;

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}
