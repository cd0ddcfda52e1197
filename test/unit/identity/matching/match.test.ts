import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { measureAccuracy } from "../../../../src/identity/matching/accuracy.ts";
import { matchRecords } from "../../../../src/identity/matching/match.ts";
import { type MatchModel, readModel } from "../../../../src/identity/matching/model.ts";
import { loadFile } from "../../../../src/identity/matching/prepare.ts";
import { inferFields } from "../../../../src/identity/matching/profile.ts";
import { openBench } from "../../../../src/mapping/bench.ts";
import { createPopulation } from "../../../../src/sandbox/population.ts";
import { Dice } from "../../../../src/sandbox/random.ts";
import { renderPerson } from "../../../../src/sandbox/rendering.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "matching-"));
});
afterAll(() => rm(folder, { recursive: true }));

const people = 1_500;
const columns = ["name", "email", "phone", "company", "country"] as const;

/** Two files about the same people, as two hands have written them down; `truth` says who is who. */
async function writeFiles(seed: number, order: "forwards" | "backwards" = "forwards"): Promise<string[]> {
  const population = createPopulation({ seed, size: people, rates: {} });
  const files = ["one", "two"].map(async (name, copy) => {
    const rows = Array.from({ length: people }, (_, index) => {
      const written = renderPerson(population.person(index), part => new Dice(seed, copy * 100 + part, index));
      const values = [
        `${name}-${index}`,
        written.fullName,
        written.email,
        written.phone,
        written.company,
        written.country,
        String(index),
      ];
      return values.map(value => `"${(value ?? "").replaceAll('"', '""')}"`).join(",");
    });
    const file = join(folder, `${name}-${seed}-${order}.csv`);
    const ordered = order === "forwards" ? rows : rows.toReversed();
    await writeFile(file, `id,${columns.join(",")},truth\n${ordered.join("\n")}\n`);
    return file;
  });
  return Promise.all(files);
}

async function run(files: readonly string[], model: MatchModel = {}) {
  const bench = await openBench(null);
  try {
    for (const [index, file] of files.entries()) await loadFile(bench, file, String(index), undefined);
    const report = await matchRecords(bench, [...columns, "truth"], { ignore: ["truth"], ...model });
    await bench.run("CREATE TABLE truth AS SELECT source, key, truth AS entity FROM input");
    const clusters = await bench.rows("SELECT source, key, cluster FROM cluster ORDER BY source, key");
    return { report, accuracy: await measureAccuracy(bench), clusters };
  } finally {
    bench.close();
  }
}

describe("matchRecords", () => {
  it.each([3, 17])("finds who is who without labels, keys or a model (population %i)", async seed => {
    const { accuracy } = await run(await writeFiles(seed));
    expect(accuracy.pairs.precision).toBeGreaterThan(0.98);
    expect(accuracy.clusters.f1).toBeGreaterThan(0.96);
  });

  it("gives the same clusters whatever the order of the rows", async () => {
    const [there, back] = [await run(await writeFiles(5)), await run(await writeFiles(5, "backwards"))];
    expect(back.clusters).toEqual(there.clusters);
  });

  it("puts no two rows of one file together where each file holds everybody once", async () => {
    const { clusters } = await run(await writeFiles(3), { isEachInputUnique: true });
    const places = clusters.map(({ source, cluster }) => `${source} ${cluster}`);
    expect(new Set(places).size).toBe(places.length);
  });

  it("takes the fields and the blocking rules that it is told", async () => {
    const fields = [
      { column: "name", kind: "name" as const },
      { column: "phone", kind: "phone" as const },
    ];
    const { report } = await run(await writeFiles(3), { fields, blocking: [["phone"], ["name"]] });
    expect(report.blocking).toEqual(["phone", "name"]);
    expect(report.fields.map(({ field }) => field.column)).toEqual(["name", "phone"]);
  });
});

describe("inferFields", () => {
  it("sees what columns hold", async () => {
    const [file] = await writeFiles(3);
    const bench = await openBench(null);
    await loadFile(bench, file!, "x", undefined);
    const fields = await inferFields(bench, "input", columns);
    bench.close();
    expect(Object.fromEntries(fields.map(({ column, kind }) => [column, kind]))).toEqual({
      name: "name",
      email: "email",
      phone: "phone",
      company: "text",
      country: expect.stringMatching(/category|name/),
    });
  });
});

describe("readModel", () => {
  it("names the place of what is wrong", () => {
    expect(() => readModel({ fields: [{ column: "a", kind: "nonsense" }] })).toThrow(/fields\.0\.kind/);
    expect(() => readModel({ treshold: 0.5 })).toThrow(/treshold/);
  });
});
