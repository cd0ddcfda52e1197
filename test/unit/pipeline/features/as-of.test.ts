import { cp, readFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import { openBench, type Row } from "../../../../src/mapping/bench.ts";
import { build, type BuildResult } from "../../../../src/pipeline/build.ts";
import { pull } from "../../../../src/pipeline/pull.ts";
import { catalog, items, newHome, NOW_MS, removeHomes, type Script, scripted, steppingClock } from "../stage.ts";

afterEach(removeHomes);

const DAY_MS = 86_400_000;
const dayOf = (ms: number): string => new Date(ms).toISOString();
const account = (id: string) => ({ id, owner: null, title: `Account ${id}`, land: "Germany", since: 1 });
const day = (calls: number) => ({ account: "a1", day: dayOf(NOW_MS).slice(0, 10), calls });
const first: Script = { people: [], accounts: items([account("a1")]), bills: items([]), days: items([day(5)]) };
const second: Script = { ...first, accounts: items([account("a1"), account("a2")]), days: items([day(50)]) };

async function pullInto(home: string, script: Script, startsAtMs: number): Promise<void> {
  const clock = steppingClock(startsAtMs);
  await pull({ catalog, upstreams: scripted(script, clock).upstreams, home, clock });
}

async function featuresOf({ path }: BuildResult): Promise<readonly Row[]> {
  const bench = await openBench(null);
  const columns = "event_timestamp, created_timestamp, active_days_7d, api_calls_7d, invoices_30d, tickets_30d";
  const rows = await bench.rows(
    `SELECT ${columns} FROM read_parquet('${path}/customer_features.parquet') ORDER BY api_calls_7d DESC`,
  );
  bench.close();
  return rows;
}

describe("a build as of a moment", () => {
  it("knows what was known then, byte for byte, whatever has been learnt since", async () => {
    const home = await newHome();
    await pullInto(home, first, NOW_MS);
    const then = dayOf(NOW_MS + DAY_MS / 2);
    const parameters = { asOf: then, currency: "EUR" };
    const before = await build({ catalog, home, parameters });
    const bytes = await readFile(`${before.path}/customer_features.parquet`);

    const other = await newHome();
    await cp(`${home}/raw`, `${other}/raw`, { recursive: true });
    await pullInto(other, second, NOW_MS + DAY_MS);
    const after = await build({ catalog, home: other, parameters });
    expect(after.version).toBe(before.version);
    expect(await readFile(`${after.path}/customer_features.parquet`)).toEqual(bytes);
    expect(await featuresOf(after)).toMatchObject([
      { event_timestamp: then.replace("T", " ").replace(/\.?0*Z/, ""), api_calls_7d: "5" },
    ]);
  });

  it("is another one than that of all that is known, and does not take its place", async () => {
    const home = await newHome();
    await pullInto(home, first, NOW_MS);
    await pullInto(home, second, NOW_MS + DAY_MS);
    const all = await build({ catalog, home });
    const then = await build({ catalog, home, parameters: { asOf: dayOf(NOW_MS + DAY_MS / 2), currency: "EUR" } });
    expect(then.version).not.toBe(all.version);
    expect(await readFile(`${home}/dataset/current`, "utf8")).toContain(all.version);
    expect((await featuresOf(all)).map(row => row["api_calls_7d"])).toEqual(["50", "0"]);
    expect(all.tables.find(({ name }) => name === "customers")!.rows).toBe(2);
    expect(then.tables.find(({ name }) => name === "customers")!.rows).toBe(1);
  });

  it("says null of what nobody declares, and refuses a moment before the first pull", async () => {
    const home = await newHome();
    await pullInto(home, first, NOW_MS);
    expect(await featuresOf(await build({ catalog, home }))).toMatchObject([
      { tickets_30d: null, invoices_30d: "0", active_days_7d: "1" },
    ]);
    const tooEarly = build({ catalog, home, parameters: { asOf: dayOf(NOW_MS - DAY_MS), currency: "EUR" } });
    await expect(tooEarly).rejects.toMatchObject({ code: "REQUEST_INVALID", message: expect.stringContaining("tributary runs") });
  });
});
