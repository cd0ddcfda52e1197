import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { IdentityDecisions } from "../../../src/store/identity-decisions.ts";

let home: string;
let decisions: IdentityDecisions;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "decisions-"));
  decisions = new IdentityDecisions(home);
});
afterEach(() => rm(home, { recursive: true }));

const file = () => join(home, "identity-decisions.jsonl");

describe("IdentityDecisions", () => {
  it("has none at first", async () => {
    expect(await decisions.list()).toEqual([]);
  });

  it("keeps what was decided, whichever way round, with reason and time", async () => {
    const { id } = await decisions.add("link", ["b:2", "a:1"], "same person", 0);
    const expected = { type: "link", id, a: "a:1", b: "b:2", reason: "same person", at: "1970-01-01T00:00:00.000Z" };
    expect(await new IdentityDecisions(home).list()).toEqual([expected]);
  });

  it("lets a later decision about the same two take the place of the earlier", async () => {
    await decisions.add("link", ["a:1", "b:2"], null, 0);
    await decisions.add("unlink", ["b:2", "a:1"], null, 1);
    expect((await decisions.list()).map(({ type }) => type)).toEqual(["unlink"]);
  });

  it("takes one back, and keeps it readable", async () => {
    const { id } = await decisions.add("link", ["a:1", "b:2"], null, 0);
    await decisions.undo(id, 1);
    expect(await decisions.list()).toEqual([]);
    expect((await readFile(file(), "utf8")).trim().split("\n")).toHaveLength(2);
    await expect(decisions.undo(id, 2)).rejects.toMatchObject({ code: "REQUEST_INVALID" });
  });

  it("refuses to link a record with itself", async () => {
    await expect(decisions.add("link", ["a:1", "a:1"], null, 0)).rejects.toMatchObject({ code: "REQUEST_INVALID" });
  });

  it("drops a line that a crash has cut, and names one that is broken", async () => {
    await decisions.add("link", ["a:1", "b:2"], null, 0);
    await appendFile(file(), '{"type":"li');
    expect(await decisions.list()).toHaveLength(1);
    await decisions.add("link", ["a:1", "c:3"], null, 1);
    expect(await decisions.list()).toHaveLength(2);
    await writeFile(file(), "nonsense\n");
    await expect(decisions.list()).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("line 1"),
    });
  });
});
