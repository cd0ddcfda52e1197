import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { openBench } from "../../../../src/mapping/bench.ts";
import { build, type BuildResult } from "../../../../src/pipeline/build.ts";
import { pull } from "../../../../src/pipeline/pull.ts";
import { verifyVersion } from "../../../../src/pipeline/verify-version.ts";
import { IdentityDecisions } from "../../../../src/store/identity-decisions.ts";
import { catalog, items, newHome, NOW_MS, removeHomes, type Script, scripted, steppingClock, teams } from "../stage.ts";

const HOUR_MS = 3_600_000;
const moment = (hours: number): string => new Date(NOW_MS + hours * HOUR_MS).toISOString();
const account = (id: string, owner: string | null) => ({ id, owner, title: `Account ${id}`, land: "Germany", since: 1 });
const day = (account_: string, calls: number) => ({ account: account_, day: moment(0).slice(0, 10), calls });
const bill = (id: string, cents: number) => ({ id, account: "a1", cents, money: "eur" });

/** What the sources said at the hours 0, 10 and 20: a customer more each time, and other figures. */
const said: readonly Script[] = [
  {
    people: [teams({ id: "p1", since: 1 })],
    accounts: items([account("a1", "p1")]),
    days: items([day("a1", 5)]),
    bills: items([]),
  },
  {
    people: [teams({ id: "p1", since: 1 }, { id: "p2", since: 2 })],
    accounts: items([account("a1", "p1"), account("a2", null)]),
    days: items([day("a1", 50), day("a2", 3)]),
    bills: items([bill("b1", 100)]),
  },
  {
    people: [teams({ id: "p1", since: 1 }, { id: "p2", since: 2 }, { id: "p3", since: 3 })],
    accounts: items([account("a1", "p1"), account("a2", null), account("a3", "p3")]),
    days: items([day("a1", 500), day("a3", 7)]),
    bills: items([bill("b1", 100), bill("b2", 900)]),
  },
];

let home: string;
beforeAll(async () => {
  home = await newHome();
  for (const [index, script] of said.entries()) {
    const clock = steppingClock(NOW_MS + index * 10 * HOUR_MS);
    await pull({ catalog, upstreams: scripted(script, clock).upstreams, home, clock });
  }
  // Made between the second and the third pull.
  await new IdentityDecisions(home).add("link", ["crm.people:p2", "shop.accounts:a2"], null, NOW_MS + 15 * HOUR_MS);
});
afterAll(removeHomes);

async function featuresOf({ path }: BuildResult): Promise<string[]> {
  const bench = await openBench(null);
  const rows = await bench.rows(`SELECT * FROM read_parquet('${path}/customer_features.parquet')`);
  bench.close();
  return rows.map(row => JSON.stringify(row));
}

const retention = { keepVersions: 100 };
const of = (moments: readonly string[]) =>
  build({ catalog, home, retention, parameters: { asOf: moments.at(-1)!, earlier: moments.slice(0, -1) } });

describe("a build as of several moments", () => {
  it("has of each moment the rows that a build of that moment alone has", async () => {
    const hours = fc.uniqueArray(fc.constantFrom(1, 2, 9, 11, 14, 16, 19, 21, 30), { minLength: 2, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(hours, async chosen => {
        const moments = chosen.toSorted((a, b) => a - b).map(moment);
        const alone: string[] = [];
        for (const each of moments) alone.push(...(await featuresOf(await of([each]))));
        expect((await featuresOf(await of(moments))).toSorted(byText)).toEqual(alone.toSorted(byText));
      }),
      { numRuns: 6 },
    );
  });

  it("has the tables of the last of them, is another version for other moments, and can be made again", async () => {
    const [many, last] = [await of([moment(1), moment(2), moment(16), moment(21)]), await of([moment(21)])];
    expect(many.version).not.toBe(last.version);
    const others = ({ tables }: BuildResult) => tables.filter(({ name }) => name !== "customer_features");
    expect(others(many)).toEqual(others(last));
    expect(many.history.map(({ moments }) => moments)).toEqual([[moment(1), moment(2)], [moment(16)]]);
    expect(await verifyVersion({ catalog, home, version: many.version })).toMatchObject({ isReproduced: true });
    expect((await of([moment(1), moment(21)])).version).not.toBe(many.version);
  });

  it("refuses a moment at which nothing was known, and one that is not before the last", async () => {
    await expect(of([moment(-1), moment(2)])).rejects.toMatchObject({ code: "REQUEST_INVALID" });
    await expect(of([moment(9), moment(2)])).rejects.toMatchObject({ code: "REQUEST_INVALID" });
    await expect(build({ catalog, home, parameters: { earlier: [moment(2)] } })).rejects.toMatchObject({
      code: "REQUEST_INVALID",
    });
  });
});

const byText = (a: string, b: string) => (a < b ? -1 : 1);
