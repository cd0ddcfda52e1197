import { createHash, randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { asError, StoreError } from "../core/errors.ts";

interface Lock {
  readonly fence: number;
  readonly owner: string;
  readonly endsAtMs: number;
}

/**
 * Tokens as files in `<home>/tokens`, shared by every process of this machine that has the same home. Implements the upstream's token store. A text is
 * durable before `write` returns; a lease is a file that one process alone can make, and take away once it has run out.
 */
export class FileTokenStore {
  readonly #folder: string;
  constructor(home: string) {
    this.#folder = join(home, "tokens");
  }

  read(key: string): Promise<string | undefined> {
    return guarded(() => textIn(this.#path(key, "token")));
  }

  lease(key: string, forMs: number): Promise<{ readonly fence: number; release(): Promise<void> } | undefined> {
    return guarded(async () => {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      const lockPath = this.#path(key, "lock");
      await takeAwayIfOver(lockPath);
      const owner = randomUUID();
      if (!(await makeAlone(lockPath, { fence: 0, owner, endsAtMs: Date.now() + forMs }))) return undefined;
      const fence = Number((await textIn(this.#path(key, "fence"))) ?? 0) + 1;
      await replace(this.#path(key, "fence"), String(fence));
      await replace(lockPath, JSON.stringify({ fence, owner, endsAtMs: Date.now() + forMs } satisfies Lock));
      return { fence, release: () => guarded(() => this.#release(lockPath, owner)) };
    });
  }

  write(key: string, text: string, fence: number): Promise<boolean> {
    return guarded(async () => {
      if (Number((await textIn(this.#path(key, "fence"))) ?? 0) > fence) return false;
      await replace(this.#path(key, "token"), text);
      return true;
    });
  }

  async #release(lockPath: string, owner: string): Promise<void> {
    const lock = await lockIn(lockPath);
    if (lock?.owner === owner) await rm(lockPath, { force: true });
  }

  #path(key: string, what: string): string {
    return join(this.#folder, `${createHash("sha256").update(key).digest("hex").slice(0, 24)}.${what}`);
  }
}

async function textIn(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw thrown;
  }
}

/** The lock that is there; one that cannot be read was cut by a crash, and is over. */
async function lockIn(path: string): Promise<Lock | undefined> {
  const text = await textIn(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Lock;
  } catch {
    return { fence: 0, owner: "", endsAtMs: 0 };
  }
}

/** Only one process gets to move a lock that is over; the others find none, or a new one. */
async function takeAwayIfOver(path: string): Promise<void> {
  const lock = await lockIn(path);
  if (lock === undefined || lock.endsAtMs > Date.now()) return;
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return;
    throw thrown;
  }
  const moved = await lockIn(aside);
  // Somebody else may have made a new one between the look and the move: it is put back.
  if (moved && moved.owner !== lock.owner && moved.endsAtMs > Date.now()) await rename(aside, path);
  else await rm(aside, { force: true });
}

/** The lock appears with its text: one that is still empty would be taken for one that is over. */
async function makeAlone(path: string, lock: Lock): Promise<boolean> {
  const aside = `${path}.${randomUUID()}`;
  await writeFile(aside, JSON.stringify(lock), { flag: "wx", mode: 0o600 });
  try {
    await link(aside, path);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw thrown;
  } finally {
    await rm(aside, { force: true });
  }
}

/** Puts a file in another's place at once, durable when it is there. */
async function replace(path: string, text: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  const file = await open(aside, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new StoreError("STORE_UNAVAILABLE", `the kept tokens: ${asError(cause).message}`, { cause });
  }
}
