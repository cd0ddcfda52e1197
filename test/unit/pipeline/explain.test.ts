import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { customerIdOf } from "../../../src/core/ids.ts";
import { build, type BuildResult } from "../../../src/pipeline/build.ts";
import { explainCell } from "../../../src/pipeline/explain.ts";
import { explainIdentity } from "../../../src/pipeline/explain-identity.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { IdentityDecisions } from "../../../src/store/identity-decisions.ts";
import { RawStore } from "../../../src/store/raw/raw-store.ts";
import { linesOf } from "../../../src/store/raw/segment-reader.ts";
import { catalog, items, newHome, NOW_MS, removeHomes, scripted, teams } from "./stage.ts";

let home: string;
let result: BuildResult;
const ann = customerIdOf("crm.people:p1");

beforeAll(async () => {
  home = await newHome();
  const people = [
    { id: "p1", name: " Ann Über ", mail: "ann@example.com" },
    { id: "p2", name: null, mail: "bo@example.com" },
    { id: "p3", name: "Cy", since: 1 },
  ];
  const accounts = `[{"id":"a1","owner":"p1","title":"Lee","land":"SE","since":1700000000}, {"id":"a3","owner":"p3","land":"Atlantis"}]`;
  const bills = `[{"id":"b1","account":"a1","cents":9007199254740993,"money":"eur"}]`;
  const { upstreams } = scripted({ people: [teams(...people)], accounts: items(accounts), bills: items(bills) });
  await pull({ catalog, upstreams, home });
  await new IdentityDecisions(home).add("link", ["crm.people:p2", "crm.people:p3"], null, NOW_MS);
  result = await build({ catalog, home });
});
afterAll(removeHomes);

const cell = (column: string, id: string) => explainCell({ catalog, home }, { column, id });
const outcomes = async (column: string, id: string) =>
  (await cell(column, id)).says.map(({ record, outcome, value }) => [record, outcome, value]);

describe("the explanation of a cell", () => {
  it("leads from the value to the text in the kept response", async () => {
    const { value, says, isReproduced, version } = await cell("customers.name", ann);
    expect({ value, isReproduced, version }).toEqual({ value: "Ann Über", isReproduced: true, version: result.version });
    const [won] = says;
    expect(won).toMatchObject({ record: "crm.people:p1", outcome: "won", by: { rule: "text", rank: 1, inputs: ["name"] } });
    expect(won!.inputs).toEqual([{ path: "name", pointer: "/teams/0/people/0/name", text: '" Ann Über "' }]);
    const { file, line, raw } = won!.raw;
    const [kept] = await new RawStore(home).pulls("crm", "people");
    expect(`${home}/${file}`).toBe(kept!.paths[0]);
    for await (const envelope of linesOf([{ path: `${home}/${file}`, sizeBytes: Infinity, isOpen: false }], undefined))
      if (envelope.line === line) expect(raw).toBe(`${envelope.sha256}#/teams/0/people/0`);
  });

  it("says which records had a say and why the one won", async () => {
    expect(await outcomes("customers.name", ann)).toEqual([
      ["crm.people:p1", "won", "Ann Über"],
      ["shop.accounts:a1", "outranked", "Lee"],
    ]);
    expect(await outcomes("customers.country", ann)).toEqual([
      ["shop.accounts:a1", "won", "SE"],
      ["crm.people:p1", "silent", null],
    ]);
    expect(await outcomes("customers.created_at", ann)).toEqual([
      ["shop.accounts:a1", "won", "2023-11-14T22:13:20.000Z"],
      ["crm.people:p1", "empty", null],
    ]);
  });

  it("shows the value that cannot be read, and that it is not covered up", async () => {
    const { value, says } = await cell("customers.country", "crm.people:p3");
    expect(value).toBeNull();
    expect(says[0]).toMatchObject({ outcome: "won", value: null, issue: "INVALID_VALUE", inputs: [{ text: '"Atlantis"' }] });
  });

  it("finds a customer by any of its records, and by an id that it had before a merge", async () => {
    expect(await cell("customers.name", "shop.accounts:a1")).toMatchObject({ id: ann, askedFor: "shop.accounts:a1" });
    const retired = customerIdOf("shop.accounts:a1");
    expect(await cell("customers.name", retired)).toMatchObject({ id: ann, askedFor: retired, value: "Ann Über" });
    expect((await cell("customers.name", ann)).askedFor).toBeNull();
  });

  it("keeps every digit of a record that belongs to a customer", async () => {
    const { value, isReproduced, says } = await cell("invoices.amount", "shop.bills:b1");
    expect({ value, isReproduced }).toEqual({ value: "90071992547409.93", isReproduced: true });
    expect(says[0]!.inputs[0]).toEqual({ path: "cents", pointer: "/items/0/cents", text: "9007199254740993" });
  });

  it("says of a column that the build makes what it is", async () => {
    const { lineage, says, isReproduced } = await cell("customers.id", ann);
    expect(lineage.made).toMatch(/smallest record/);
    expect(says.map(({ record }) => record)).toEqual(["crm.people:p1", "shop.accounts:a1"]);
    expect(isReproduced).toBeNull();
  });

  it("says what there is instead of what was asked for", async () => {
    await expect(cell("people.name", ann)).rejects.toThrow(/no lineage of a table "people".*customers, invoices/);
    await expect(cell("customers.nam", ann)).rejects.toThrow(/customers has no column "nam"; it has id, name/);
    await expect(cell("customers.name", "cst_0")).rejects.toThrow(/customers has no row "cst_0".*such as cst_/);
    await expect(explainCell({ catalog, home, version: "../x" }, { column: "customers.name", id: ann })).rejects.toThrow(
      `there is no dataset ../x; there are ${result.version}`,
    );
  });
});

describe("the explanation of who is who", () => {
  const explain = (a: string, b: string) => explainIdentity({ catalog, home }, [a, b]);

  it("goes from record to record along what holds them together", async () => {
    expect((await explain("shop.accounts:a3", "crm.people:p2")).path).toEqual([
      { from: "shop.accounts:a3", to: "crm.people:p3", rule: "key", evidence: "crm.people=p3", weight: null },
      { from: "crm.people:p3", to: "crm.people:p2", rule: "decision", evidence: null, weight: null },
    ]);
    expect((await explain("crm.people:p1", "crm.people:p1")).path).toEqual([]);
  });

  it("says what keeps two customers apart", async () => {
    const { path, apart } = await explain("crm.people:p1", "shop.accounts:a3");
    expect(path).toBeNull();
    expect(apart).toEqual(["both have a record of shop.accounts, which holds one record of a customer"]);
    await expect(explain("crm.people:p1", "crm.people:p9")).rejects.toThrow(/no customer's record "crm.people:p9".*such as crm/);
  });
});
