import { afterEach, describe, expect, it } from "@jest/globals";
import { build } from "../../../src/pipeline/build.ts";
import { evaluate, type TrueRecord } from "../../../src/pipeline/evaluate.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { catalog, items, newHome, removeHomes, type Script, scripted, teams } from "./stage.ts";

afterEach(removeHomes);

/** p1 and p2 are found to be one, a1 is p1's; p3 has a3; p4 and a9 are alone. */
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
  bills: items([]),
};
const of = (person: string, ...records: readonly string[]): TrueRecord[] =>
  records.map(text => {
    const [source = "", collection = "", key = ""] = text.split(/[.:]/);
    return { source, collection, key, person };
  });

async function built(): Promise<string> {
  const home = await newHome();
  await pull({ catalog, upstreams: scripted(script).upstreams, home });
  await build({ catalog, home });
  return home;
}

describe("evaluate", () => {
  it("says of who is exactly right that they are", async () => {
    const home = await built();
    const truth = [
      ...of("ann", "crm.people:p1", "crm.people:p2", "shop.accounts:a1"),
      ...of("bob", "crm.people:p3", "shop.accounts:a3"),
      ...of("cy", "crm.people:p4"),
      ...of("dee", "shop.accounts:a9"),
    ];
    const { version: _version, ...evaluation } = await evaluate(home, truth);
    const all = { precision: 1, recall: 1, f1: 1 };
    expect(evaluation).toEqual({
      records: 7,
      customers: 4,
      people: 4,
      pairs: all,
      clusters: all,
      unknown: { toTruth: 0, toDataset: 0 },
      wrong: { merged: [], split: [] },
    });
  });

  it("counts what is merged, what is split and what is not known, and names it", async () => {
    const home = await built();
    const truth = [
      ...of("ann", "crm.people:p1", "shop.accounts:a1"),
      ...of("ann's sister", "crm.people:p2"),
      ...of("bob", "crm.people:p3", "shop.accounts:a3", "crm.people:p4"),
      ...of("gone", "crm.people:p77"),
    ];
    const { pairs, clusters, unknown, wrong, customers, people } = await evaluate(home, truth);
    expect([customers, people]).toEqual([3, 3]);
    // 4 pairs are found: 3 of Ann's customer, of which 1 is right, and Bob's. True ones are Ann's 1 and Bob's 3.
    expect(pairs).toEqual({ precision: 2 / 4, recall: 2 / 4, f1: 0.5 });
    expect(clusters).toEqual({ precision: 0, recall: 0, f1: 0 });
    expect(unknown).toEqual({ toTruth: 1, toDataset: 1 });
    expect(wrong.merged).toMatchObject([{ people: 2, records: ["crm.people:p1", "crm.people:p2", "shop.accounts:a1"] }]);
    expect(wrong.split).toMatchObject([{ person: "bob", customers: [expect.any(String), expect.any(String)] }]);
  });

  it("refuses a truth about other records, and a home without a dataset", async () => {
    await expect(evaluate(await built(), of("x", "crm.people:other"))).rejects.toMatchObject({ code: "REQUEST_INVALID" });
    await expect(evaluate(await newHome(), [])).rejects.toMatchObject({ code: "REQUEST_INVALID" });
  });
});
