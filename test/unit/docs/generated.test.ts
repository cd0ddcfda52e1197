import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { faultKinds } from "../../../src/sandbox/faults.ts";
import { pagingDocument } from "./paging.ts";
import { errorsDocument, settingsTable } from "./tables.ts";

const pathOf = (name: string): string => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const isUpdate = process.env["UPDATE_DOCS"] === "1";

/** Holds a document against what it should say, or, when asked to, makes it say so. */
async function expectDocument(name: string, expected: (text: string) => string): Promise<void> {
  const text = await readFile(pathOf(name), "utf8").catch(() => "");
  if (isUpdate) await writeFile(pathOf(name), expected(text));
  else expect(text).toBe(expected(text));
}

/** A document with what stands between a pair of marks replaced; throws when the marks are not there. */
function withBlock(text: string, name: string, content: string): string {
  const [before, rest] = text.split(`<!-- ${name} -->`);
  const after = rest?.split(`<!-- /${name} -->`)[1];
  if (before === undefined || after === undefined) throw new Error(`there is no block ${name}`);
  return `${before}<!-- ${name} -->\n\n${content}\n\n<!-- /${name} -->${after}`;
}

describe("documents that repeat what the code says", () => {
  it("docs/errors.md is the error table", () => expectDocument("docs/errors.md", errorsDocument));

  it("docs/pagination.md is what the styles of paging state", () => expectDocument("docs/pagination.md", pagingDocument));

  it("docs/settings.md has the settings that are read", () =>
    expectDocument("docs/settings.md", text => withBlock(text, "settings", settingsTable())));

  it("the README names every kind of fault", async () => {
    const text = await readFile(pathOf("README.md"), "utf8");
    expect(faultKinds.filter(kind => !text.includes(`\`${kind}\``) && !text.includes(`"kind":"${kind}"`))).toEqual([]);
  });
});
