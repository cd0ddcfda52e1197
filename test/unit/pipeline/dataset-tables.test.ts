import { readdir, rm } from "node:fs/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import { DatasetReader } from "../../../src/gateway/dataset-reader.ts";
import { build } from "../../../src/pipeline/build.ts";
import { OpenDatasets } from "../../../src/pipeline/dataset-tables.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { CustomerIndex } from "../../../src/store/customer-index.ts";
import { openDatabase } from "../../../src/store/database.ts";
import { catalog, items, newHome, NOW_MS, removeHomes, type Script, scripted, steppingClock, teams } from "./stage.ts";

afterEach(removeHomes);

async function builtHome(script: Script) {
  const home = await newHome();
  const clock = steppingClock(NOW_MS);
  await pull({ catalog, upstreams: scripted(script, clock).upstreams, home, clock });
  return { home, result: await build({ catalog, home }) };
}

/** Ann's own source says when she came, but nobody can read it; another source knows better. */
const script: Script = {
  people: [
    teams({ id: "p1", name: "Ann", since: 99999999999999 }, { id: "p2", name: "O'Hara", mail: "o@example.com", since: 5 }),
  ],
  accounts: items([{ id: "a1", owner: "p1", land: "Nowhere", since: 5 }]),
};

describe("the tables of a version", () => {
  it("tell a value that could not be read from one that is not there, as the live path does", async () => {
    const { home } = await builtHome(script);
    const datasets = new OpenDatasets(home);
    const database = await openDatabase(null);
    try {
      const tables = await datasets.open(null);
      const reader = new DatasetReader(tables, { catalog, index: new CustomerIndex(database) });
      const [ann = "", ohara = ""] = (await Promise.all(["p1", "p2"].map(key => reader.find(key)))).flat();
      const facts = async (id: string, field: string) => {
        const found = await reader.field(id, field);
        return found !== null && typeof found === "object" ? [found.entry.id, found.record.issues] : found;
      };
      expect(await facts(ann, "createdAt")).toEqual([
        "crm.people",
        [expect.objectContaining({ field: "createdAt", code: "INVALID_VALUE", inputs: ["since"] })],
      ]);
      expect([await facts(ann, "phone"), await facts(ann, "name")]).toEqual([null, "Ann"]);
      expect([await facts(ohara, "createdAt"), await facts(ohara, "name")]).toEqual(["1970-01-01T00:00:05.000Z", "O'Hara"]);
      expect(await reader.find("'; DROP TABLE customers; --")).toEqual([]);
    } finally {
      await datasets.close();
      await database.close();
    }
  });

  it("hold their version while they are read, and let it go when they are closed", async () => {
    const { home, result } = await builtHome(script);
    const datasets = new OpenDatasets(home);
    const tables = await datasets.open(null);
    expect(await tables.count({})).toBe(2);
    const holds = async () => (await readdir(`${home}/dataset`)).filter(name => name.endsWith(".reading"));
    expect(await holds()).toEqual([expect.stringContaining(result.version)]);
    await datasets.close();
    expect(await holds()).toEqual([]);
    await expect(datasets.open("0".repeat(20))).rejects.toMatchObject({ code: "DATASET_UNKNOWN" });
    await rm(`${home}/dataset`, { recursive: true });
    await expect(datasets.open(null)).rejects.toMatchObject({
      code: "DATASET_UNKNOWN",
      message: expect.stringContaining("built"),
    });
  });
});
