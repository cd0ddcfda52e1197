import { beforeAll, describe, expect, it } from "@jest/globals";
import { readFile, writeFile } from "node:fs/promises";
import { discoverImitations } from "../../src/app/registry.ts";
import { faultKinds } from "../../src/sandbox/faults.ts";
import type { CatalogEntry } from "../../src/source/catalog.ts";
import { faultCases } from "./faults/cases.ts";
import { matrixDocument } from "./faults/document.ts";
import { type Cell, openLane, type Path } from "./faults/lane.ts";
import { catalog } from "./stage.ts";

const document = new URL("../../docs/fault-matrix.md", import.meta.url);
const isUpdate = process.env["UPDATE_DOCS"] === "1";
const RUN_MS = 300_000;

/** The first collection of a source that is read by key. */
const entryOf = (source: string): CatalogEntry =>
  catalog.entries.find(entry => entry.source.name === source && entry.collection.lookup !== undefined)!;

/** Sockets and timers that keep the process alive. */
const held = (): number => process.getActiveResourcesInfo().filter(name => /^(TCP|TLS|Timeout)/.test(name)).length;

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; round < 100 && !condition(); round++) await new Promise(resolve => setTimeout(resolve, 30));
}

const matrix = new Map<string, Record<Path, Cell[]>>();
let leftOver = 0;

async function runLane(source: string, path: Path): Promise<void> {
  const lane = await openLane(entryOf(source), await discoverImitations(), path);
  try {
    for (const faultCase of faultCases) matrix.get(source)![path].push(await lane.run(faultCase));
  } finally {
    await lane.close();
  }
}

beforeAll(async () => {
  const before = held();
  for (const { name } of catalog.sources) matrix.set(name, { live: [], bulk: [] });
  await Promise.all([...matrix.keys()].flatMap(source => [runLane(source, "live"), runLane(source, "bulk")]));
  await until(() => held() <= before);
  leftOver = held() - before;
}, RUN_MS);

const wanting = new Set<Cell["outcome"]>(["hang", "silent", "crash"]);

describe("the fault matrix", () => {
  it("has every kind of fault that the sandbox knows", () => {
    expect(new Set(faultCases.map(({ kind }) => kind))).toEqual(new Set(faultKinds));
  });

  it.each(catalog.sources.map(({ name }) => name))(
    "%s: nothing hangs, crashes, or brings wrong data without an error",
    source => {
      const cells = (["live", "bulk"] as const).flatMap(path =>
        matrix.get(source)![path].map((cell, at) => ({ path, fault: faultCases[at]!.name, ...cell })),
      );
      expect(cells).toHaveLength(2 * faultCases.length);
      expect(cells.filter(({ outcome }) => wanting.has(outcome))).toEqual([]);
    },
  );

  it("leaves no socket and no timer", () => {
    expect(leftOver).toBeLessThanOrEqual(0);
  });

  it("is docs/fault-matrix.md", async () => {
    const expected = matrixDocument(matrix);
    if (isUpdate) await writeFile(document, expected);
    else expect(expected).toBe(await readFile(document, "utf8"));
  });
});
