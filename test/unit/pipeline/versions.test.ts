import { appendFile, readdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import { build } from "../../../src/pipeline/build.ts";
import { DatasetStore } from "../../../src/pipeline/dataset.ts";
import { findDataset, openDataset } from "../../../src/pipeline/dataset-reader.ts";
import { pruneDatasets } from "../../../src/pipeline/dataset-retention.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { verifyVersion } from "../../../src/pipeline/verify-version.ts";
import { IdentityDecisions } from "../../../src/store/identity-decisions.ts";
import { catalog, items, newHome, NOW_MS, removeHomes, scripted, steppingClock, teams } from "./stage.ts";

afterEach(removeHomes);

async function pulledInto(home: string, name: string, startsAtMs: number): Promise<void> {
  const clock = steppingClock(startsAtMs);
  const script = { people: [teams({ id: "p1", name }, { id: "p2", name: "Bo" })], accounts: items([{ id: "a1", owner: "p1" }]) };
  await pull({ catalog, upstreams: scripted(script, clock).upstreams, home, clock });
}

/** A home with so many versions, the last one current; each a day younger than the one before. */
async function homeWith(versions: number) {
  const home = await newHome();
  const store = new DatasetStore(home);
  const built: string[] = [];
  for (let index = 0; index < versions; index++) {
    await pulledInto(home, `Ann ${index}`, NOW_MS + index * 3_600_000);
    const { version } = await build({ catalog, home, retention: { keepDays: 10_000 } });
    const at = new Date(NOW_MS - (versions - index) * 86_400_000);
    await utimes(store.manifestOf(version), at, at);
    built.push(version);
  }
  return { home, store, built };
}

describe("the proof of a version", () => {
  it("finds every file equal when it is derived anew, also after newer pulls and other decisions", async () => {
    const { home, built } = await homeWith(2);
    await new IdentityDecisions(home).add("link", ["crm.people:p1", "crm.people:p2"], null, NOW_MS);
    const { version: linked } = await build({ catalog, home, retention: { keepDays: 10_000 } });
    for (const version of [...built, linked]) {
      const { isReproduced, files } = await verifyVersion({ catalog, home, version });
      expect([version, isReproduced, files.filter(({ outcome }) => outcome !== "equal")]).toEqual([version, true, []]);
      expect(files.map(({ name }) => name)).toEqual(
        expect.arrayContaining(["customers.parquet", "customers.odcs.json", "manifest.json"]),
      );
    }
    expect((await readdir(`${home}/dataset`)).filter(name => name.startsWith("."))).toEqual([]);
  });

  it("names the files that are not what they should be", async () => {
    const { home, store, built } = await homeWith(1);
    const path = store.pathOf(built[0]!);
    await appendFile(`${path}/customers.parquet`, "x");
    await rm(`${path}/tickets.parquet`);
    await writeFile(`${path}/more.txt`, "");
    const { isReproduced, files } = await verifyVersion({ catalog, home });
    expect(isReproduced).toBe(false);
    expect(files.filter(({ outcome }) => outcome !== "equal")).toEqual([
      { name: "customers.parquet", outcome: "differs" },
      { name: "more.txt", outcome: "unexpected" },
      { name: "tickets.parquet", outcome: "missing" },
    ]);
  });

  it("is refused where the responses are others than those that it was made of", async () => {
    const { home, built } = await homeWith(2);
    const [older, newer] = (await readdir(`${home}/raw/crm/people`)).toSorted().map(name => `${home}/raw/crm/people/${name}`);
    await rm(older!, { recursive: true });
    await rename(newer!, older!);
    await expect(verifyVersion({ catalog, home, version: built[0]! })).rejects.toThrow(
      /was made by other code, other declarations or of other responses/,
    );
    await expect(verifyVersion({ catalog, home, version: built[1]! })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });
});

describe("old versions", () => {
  it("go by number and by age, never the current one", async () => {
    const { home, store, built } = await homeWith(4);
    expect(await pruneDatasets(home, { keepVersions: 3, nowMs: NOW_MS })).toEqual([built[0]]);
    expect(await pruneDatasets(home, { keepDays: 2, nowMs: NOW_MS })).toEqual([built[1]]);
    await store.select(built[2]!);
    expect(await pruneDatasets(home, { keepVersions: 1, keepDays: 1, nowMs: NOW_MS + 9 * 86_400_000 })).toEqual([built[3]]);
    expect((await store.all()).map(({ version }) => version)).toEqual([built[2]]);
  });

  it("stay while they are read, and what a dead reader left holds nothing", async () => {
    const { home, store, built } = await homeWith(2);
    const reader = await openDataset(await findDataset(home, built[0]));
    await writeFile(`${store.root}/.${built[0]!}.999999999.00000000-0000-0000-0000-000000000000.reading`, "");
    expect(await pruneDatasets(home, { keepVersions: 1, nowMs: NOW_MS })).toEqual([]);
    expect(await store.remove(built[0]!)).toBe(false);
    expect(await reader.rows("SELECT name FROM customers ORDER BY name")).toEqual([{ name: "Ann 0" }, { name: "Bo" }]);
    await reader.close();
    expect(await pruneDatasets(home, { keepVersions: 1, nowMs: NOW_MS })).toEqual([built[0]]);
    expect((await readdir(store.root)).toSorted()).toEqual([built[1]!, "current"].toSorted());
  });

  it("go when a build has made a newer one", async () => {
    const { home, store, built } = await homeWith(2);
    await build({ catalog, home, retention: { keepVersions: 1, keepDays: 10_000 } });
    expect((await store.all()).map(({ version }) => version)).toEqual([built[1]]);
    await expect(findDataset(home, built[0])).rejects.toThrow(`there is no dataset ${built[0]}; there are ${built[1]}`);
  });
});
