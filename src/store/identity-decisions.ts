import { randomUUID } from "node:crypto";
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { asError, RequestError, StoreError } from "../core/errors.ts";

const decision = z.strictObject({
  type: z.enum(["link", "unlink"]),
  id: z.string(),
  /** `<source>.<collection>:<key>`. */
  a: z.string(),
  b: z.string(),
  reason: z.string().nullable(),
  /** RFC 3339. */
  at: z.string(),
});
const undo = z.strictObject({ type: z.literal("undo"), id: z.string(), at: z.string() });
const line = z.discriminatedUnion("type", [decision, undo]);

/** A person's word that two records are, or are not, one customer. */
export type IdentityDecision = z.infer<typeof decision>;
type Line = z.infer<typeof line>;

const FILE = "identity-decisions.jsonl";

/**
 * People's decisions about who is who, one line each in `<home>/identity-decisions.jsonl`: only ever added to, an undone one stays readable. They go before
 * everything that is found by rule, in the live index and in every build.
 */
export class IdentityDecisions {
  readonly #home: string;
  constructor(home: string) {
    this.#home = home;
  }

  /** Those in force, oldest first. Throws `STORE_UNAVAILABLE` naming a line that cannot be read. */
  async list(): Promise<readonly IdentityDecision[]> {
    const lines = await this.#read();
    const undone = new Set(lines.flatMap(each => (each.type === "undo" ? [each.id] : [])));
    return lines.flatMap(each => (each.type === "undo" || undone.has(each.id) ? [] : [each]));
  }

  /** Adds a decision; the one in force about the same two records gives way to it. Throws `REQUEST_INVALID` for a record and itself. */
  async add(
    type: IdentityDecision["type"],
    records: readonly [string, string],
    reason: string | null,
    nowMs: number,
  ): Promise<IdentityDecision> {
    const [a = "", b = ""] = records.toSorted();
    if (a === b) throw new RequestError("REQUEST_INVALID", `${a}: a record and itself need no decision`);
    const at = new Date(nowMs).toISOString();
    const before = (await this.list()).filter(each => each.a === a && each.b === b);
    const added: IdentityDecision = { type, id: randomUUID().slice(0, 8), a, b, reason, at };
    await this.#append([...before.map(({ id }) => ({ type: "undo" as const, id, at })), added]);
    return added;
  }

  /** Takes a decision back; throws `REQUEST_INVALID` when none of that id is in force. */
  async undo(id: string, nowMs: number): Promise<IdentityDecision> {
    const found = (await this.list()).find(each => each.id === id);
    if (found === undefined)
      throw new RequestError("REQUEST_INVALID", `there is no decision ${id} in force; list them with: tributary decisions`);
    await this.#append([{ type: "undo", id, at: new Date(nowMs).toISOString() }]);
    return found;
  }

  async #read(): Promise<Line[]> {
    const path = join(this.#home, FILE);
    const text = await readFile(path, "utf8").catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === "ENOENT") return "";
      throw new StoreError("STORE_UNAVAILABLE", `${path}: ${thrown.message}`, { cause: thrown });
    });
    // What stands behind the last line's end was cut off while it was written, and never acknowledged.
    const whole = text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .slice(0, -1);
    return whole.map((each, index) => readLine(each, `${path}, line ${index + 1}`));
  }

  async #append(lines: readonly Line[]): Promise<void> {
    await mkdir(this.#home, { recursive: true });
    const path = join(this.#home, FILE);
    const file = await open(path, "a+");
    try {
      const { size } = await file.stat();
      const { buffer } = size === 0 ? { buffer: Buffer.from("\n") } : await file.read(Buffer.alloc(1), 0, 1, size - 1);
      // A half line that a crash has left must not run into this one.
      if (buffer.toString() !== "\n") await cutHalfLine(path);
      await file.appendFile(lines.map(each => `${JSON.stringify(each)}\n`).join(""));
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

async function cutHalfLine(path: string): Promise<void> {
  const text = await readFile(path);
  const file = await open(path, "r+");
  try {
    await file.truncate(text.lastIndexOf(0x0a) + 1);
  } finally {
    await file.close();
  }
}

function readLine(text: string, place: string): Line {
  try {
    return line.parse(JSON.parse(text));
  } catch (cause) {
    throw new StoreError("STORE_UNAVAILABLE", `${place} is no decision: ${asError(cause).message.slice(0, 200)}`, { cause });
  }
}
