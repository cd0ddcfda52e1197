import { afterEach, describe, expect, it } from "@jest/globals";
import { openBench, type Row } from "../../../src/mapping/bench.ts";
import { build, type BuildResult } from "../../../src/pipeline/build.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { verifyVersion } from "../../../src/pipeline/verify-version.ts";
import { catalog, items, newHome, removeHomes, type Script, scripted, teams } from "./stage.ts";

afterEach(removeHomes);

const bill = (id: string, account: string) => ({ id, account, cents: 1, money: "eur" });
/** Ann: two people, one account. Bob: a person and an account. Cy and Dee: one each. */
const script: Script = {
  people: [
    teams(
      { id: "p1", name: "Ann Lee", mail: "ann@example.com" },
      { id: "p2", name: "Ann Lee", mail: "ann@example.com" },
      { id: "p3" },
      { id: "p4", name: "Cy" },
    ),
  ],
  accounts: items([{ id: "a1", owner: "p1" }, { id: "a3", owner: "p3" }, { id: "a9" }]),
  bills: items([bill("b1", "a1"), bill("b2", "a1"), bill("b3", "a9"), bill("b4", "gone")]),
};

async function pulled(): Promise<string> {
  const home = await newHome();
  await pull({ catalog, upstreams: scripted(script).upstreams, home });
  return home;
}

async function rowsOf({ path }: BuildResult, table: string, columns: string): Promise<readonly Row[]> {
  const bench = await openBench(null);
  const rows = await bench.rows(`SELECT ${columns} FROM read_parquet('${path}/${table}.parquet')`);
  bench.close();
  return rows;
}

const crm = { source: "crm", records: 4, matched: 3, unmatched: 1, multiplyMatched: 2 };
const shop = { source: "shop", records: 3, matched: 2, unmatched: 1, multiplyMatched: 0 };
const inner = { kind: "inner", sources: ["crm", "shop"] } as const;

describe("the join", () => {
  it("is an outer one unless declared, and says of every source what matched, what did not, and what matched twice", async () => {
    const { join, collections, parameters } = await build({ catalog, home: await pulled() });
    expect(parameters.join).toEqual({ kind: "outer" });
    expect(join).toEqual({ kind: "outer", required: [], customers: 4, leftOut: 0, sources: [shop, crm].toSorted(bySource) });
    expect(collections.find(({ collection }) => collection === "people")).toMatchObject({ matched: 3, multiplyMatched: 2 });
    expect(collections.find(({ collection }) => collection === "bills")).toMatchObject({ matched: 3, unmatched: 1 });
  });

  it("keeps, as an inner one, the customers that are in every source named, and what is theirs", async () => {
    const home = await pulled();
    const result = await build({ catalog, home, parameters: { join: inner } });
    expect(result.join).toEqual({
      kind: "inner",
      required: ["crm", "shop"],
      customers: 2,
      leftOut: 2,
      sources: [shop, crm].toSorted(bySource),
    });
    const keys = await rowsOf(result, "customers", "array_to_string(source_keys, ' ') AS keys");
    expect(keys.map(({ keys: each }) => String(each)).toSorted()).toEqual([
      "crm.people:p1 crm.people:p2 shop.accounts:a1",
      "crm.people:p3 shop.accounts:a3",
    ]);
    expect((await rowsOf(result, "invoices", "key")).map(({ key }) => key)).toEqual(["b1", "b2"]);
    expect((await rowsOf(result, "identities", "key")).map(({ key }) => key)).toEqual(["p1", "p2", "p3", "a1", "a3"]);
    expect(await rowsOf(result, "identity_edges", "a")).toHaveLength(3);
    expect(result.collections.find(({ collection }) => collection === "bills")).toMatchObject({ matched: 2, unmatched: 2 });
    expect((await verifyVersion({ catalog, home, version: result.version })).isReproduced).toBe(true);
  });

  it("is another version when it is another join, and refuses a source that has no customers", async () => {
    const home = await pulled();
    const outer = await build({ catalog, home });
    expect((await build({ catalog, home, parameters: { join: inner } })).version).not.toBe(outer.version);
    const nowhere = build({ catalog, home, parameters: { join: { kind: "inner", sources: ["nowhere"] } } });
    await expect(nowhere).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("crm") });
  });
});

const bySource = (a: { source: string }, b: { source: string }) => (a.source < b.source ? -1 : 1);
