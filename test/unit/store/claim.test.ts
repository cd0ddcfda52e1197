import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { claim } from "../../../src/store/claim.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tributary-claim-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("claim", () => {
  it("refuses a directory that a running process holds, naming it", async () => {
    await writeFile(join(folder, "store.lock"), String(process.ppid));
    await expect(claim(join(folder, "store"))).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining(String(process.ppid)),
    });
  });

  it("takes over what a killed process left behind, also half way through taking over, and gives back what it took", async () => {
    await writeFile(join(folder, "store.lock"), "999999999");
    await writeFile(join(folder, "store.lock.clearing"), "999999998");
    const release = await claim(join(folder, "store"));
    expect(await readFile(join(folder, "store.lock"), "utf8")).toBe(String(process.pid));
    expect(existsSync(join(folder, "store.lock.clearing"))).toBe(false);
    await release();
    expect(existsSync(join(folder, "store.lock"))).toBe(false);
  });

  it("takes an old file with its own number for a predecessor's", async () => {
    await writeFile(join(folder, "store.lock"), String(process.pid));
    await (
      await claim(join(folder, "store"))
    )();
  });
});
