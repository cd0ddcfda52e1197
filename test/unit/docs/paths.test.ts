import { readdir, readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";

const project = fileURLToPath(new URL("../../../", import.meta.url));
const decisions = (await readdir(`${project}decisions`)).sort();
const documents = [
  "README.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  ...decisions.map(name => `decisions/${name}`),
];

/** Paths that a document names as code, and those that it links to. */
function pathsIn(text: string, folder: string): string[] {
  const named = [...text.matchAll(/`((?:src|test|resolvers|schema|decisions|docs)\/[\w./-]*)`/g)].map(match => match[1] ?? "");
  const linked = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(match => join(folder, match[1] ?? ""));
  return [...new Set([...named, ...linked])];
}

describe("documents", () => {
  it.each(documents)("%s names and links only what is there", async name => {
    const paths = pathsIn(await readFile(`${project}${name}`, "utf8"), dirname(name));
    expect(paths.filter(path => !existsSync(`${project}${path}`))).toEqual([]);
  });

  it("would notice a path that is not there", () => {
    expect(pathsIn("`src/nowhere.ts`, [a](b.md#c), https://x.example, [d](https://y.example)", "docs")).toEqual([
      "src/nowhere.ts",
      "docs/b.md",
    ]);
  });

  it("the README keeps under 200 lines", async () => {
    expect((await readFile(`${project}README.md`, "utf8")).split("\n").length).toBeLessThan(200);
  });

  it("decisions are numbered one after another, and each has its parts", async () => {
    expect(decisions.map(name => Number(name.slice(0, 4)))).toEqual(decisions.map((_name, index) => index + 1));
    for (const name of decisions) {
      const text = await readFile(`${project}decisions/${name}`, "utf8");
      for (const part of ["Context", "Options", "Decision", "Consequences", "Reopen when"]) expect(text).toContain(`**${part}`);
    }
  });
});
