import { readFile, readdir } from "node:fs/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import type { EntityName } from "../../../src/core/canonical.ts";
import { type Check, type Checks, declaredChecks } from "../../../src/core/checks.ts";
import { openBench, type Row } from "../../../src/mapping/bench.ts";
import { build, type BuildResult } from "../../../src/pipeline/build.ts";
import type { RunEvent } from "../../../src/pipeline/openlineage.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { dataContract } from "../../support/odcs.ts";
import { runEvent } from "../../support/openlineage.ts";
import { catalog, items, newHome, NOW_MS, removeHomes, type Script, scripted, steppingClock, teams } from "./stage.ts";

afterEach(removeHomes);

const bill = (id: string, cents: number, account = "a1") => ({ id, account, cents, money: "eur" });
const day = (of: string, calls: number, account = "a1") => ({ account, day: of, calls });
const script: Script = {
  people: [teams({ id: "p1", name: "Ann", since: 1 })],
  accounts: items([{ id: "a1", owner: "p1", title: "Ann", since: 2 }]),
  bills: items([bill("b1", 500), bill("b2", -100), bill("b3", 0), bill("b4", 700, "gone")]),
  days: items([day("2026-01-29", 5), day("2026-01-30", 7)]),
};

async function pulled(given: Script = script): Promise<string> {
  const home = await newHome();
  const clock = steppingClock();
  await pull({ catalog, upstreams: scripted(given, clock).upstreams, home, clock });
  return home;
}

/** No checks but those given. */
function only(given: Partial<Record<EntityName, readonly Check[]>>): Checks {
  const entries = Object.entries(declaredChecks).map(([entity, { maxRowChange }]) => [
    entity,
    { rows: given[entity as EntityName] ?? [], maxRowChange },
  ]);
  return Object.fromEntries(entries) as Checks;
}

const positive: Check = { kind: "range", name: "amount_positive", field: "amount", above: 0, severity: "quarantine" };

async function rowsOf({ path }: BuildResult, table: string, columns = "*"): Promise<readonly Row[]> {
  const bench = await openBench(null);
  const rows = await bench.rows(`SELECT ${columns} FROM read_parquet('${path}/${table}.parquet')`);
  bench.close();
  return rows;
}

const keysOf = async (result: BuildResult, table: string): Promise<string[]> =>
  (await rowsOf(result, table, "key")).map(({ key }) => String(key));

describe("a check", () => {
  const cases: readonly (readonly [Check, EntityName, number, number])[] = [
    [positive, "Invoice", 4, 2],
    [{ kind: "range", name: "amount_small", field: "amount", least: -1, most: 6, severity: "warn" }, "Invoice", 4, 1],
    [{ kind: "required", name: "number_required", field: "number", severity: "warn" }, "Invoice", 4, 4],
    [{ kind: "required", name: "amount_required", field: "amount", severity: "warn" }, "Invoice", 4, 0],
    [{ kind: "unique", name: "currency_unique", fields: ["currency"], severity: "warn" }, "Invoice", 4, 4],
    [{ kind: "unique", name: "currency_amount_unique", fields: ["currency", "amount"], severity: "warn" }, "Invoice", 4, 0],
    [{ kind: "unique", name: "email_unique", fields: ["email"], severity: "warn" }, "Customer", 1, 0],
    [{ kind: "referential", name: "customer_known", severity: "warn" }, "Invoice", 4, 1],
    [{ kind: "order", name: "ordered", earlier: "issuedAt", later: "paidAt", severity: "warn" }, "Invoice", 4, 0],
    [{ kind: "freshness", name: "day_fresh", field: "day", maxDays: 2, severity: "warn" }, "UsageDay", 1, 0],
    [{ kind: "freshness", name: "day_fresh", field: "day", maxDays: 1, severity: "warn" }, "UsageDay", 1, 1],
    [{ kind: "freshness", name: "issued_fresh", field: "issuedAt", maxDays: 1, severity: "warn" }, "Invoice", 0, 0],
  ];

  it("counts the rows that it looks at and those that fail, in the manifest", async () => {
    const home = await pulled();
    for (const [check, entity, rows, failed] of cases) {
      const result = await build({ catalog, home, checks: only({ [entity]: [check] }) });
      expect([check.name, result.checks.map(each => [each.rows, each.failed])]).toEqual([check.name, [[rows, failed]]]);
    }
  });

  it("compares instants in their order", async () => {
    const home = await pulled({ ...script, people: [teams({ id: "p1", since: 1 }, { id: "p2", since: 2 })] });
    const never: Check = { kind: "order", name: "never", earlier: "createdAt", later: "createdAt", severity: "warn" };
    const { checks } = await build({ catalog, home, checks: only({ Customer: [never] }) });
    expect(checks).toMatchObject([{ rows: 2, failed: 0 }]);
  });

  it("warns and leaves the row, or takes it out of its table and says why and where it stood", async () => {
    const home = await pulled();
    const warned = await build({ catalog, home, checks: only({ Invoice: [{ ...positive, severity: "warn" }] }) });
    expect(await keysOf(warned, "invoices")).toEqual(["b1", "b2", "b3", "b4"]);
    const result = await build({ catalog, home, checks: only({ Invoice: [positive] }) });
    expect(await keysOf(result, "invoices")).toEqual(["b1", "b4"]);
    const raws = new Map((await rowsOf(warned, "invoices", "key, raw")).map(({ key, raw }) => [key, raw]));
    const said = { source: "shop", collection: "bills", reason: "CHECK", policy: "quarantine", kind: "amount_positive" };
    expect(await rowsOf(result, "quarantine")).toMatchObject([
      { ...said, key: "b2", field: "amount", expected: "amount above 0", offending: "-1.00", raw: raws.get("b2") },
      { ...said, key: "b3", offending: "0.00", detail: "amount_positive: amount above 0", raw: raws.get("b3") },
    ]);
    expect(result.collections.find(({ collection }) => collection === "bills")).toMatchObject({
      records: 4,
      quarantined: 2,
      matched: 3,
      unmatched: 1,
    });
  });

  it("takes a customer out with a row for each of its records, and shows nothing personal", async () => {
    const named: Check = { kind: "range", name: "impossible", field: "name", above: 0, severity: "quarantine" };
    const home = await pulled({ ...script, people: [teams({ id: "p1", name: "-7" }, { id: "p2", name: "Ben" })] });
    const result = await build({ catalog, home, checks: only({ Customer: [named] }) });
    expect((await rowsOf(result, "customers", "name")).map(({ name }) => name)).toEqual(["Ben"]);
    expect(await rowsOf(result, "quarantine", "source, key, offending")).toEqual([
      { source: "crm", key: "p1", offending: null },
      { source: "shop", key: "a1", offending: null },
    ]);
    expect(await rowsOf(result, "customer_features", "customer_id")).toHaveLength(1);
  });

  it("names every check that a row fails in one row of quarantine", async () => {
    const small: Check = { kind: "range", name: "amount_small", field: "amount", least: -0.5, severity: "quarantine" };
    const result = await build({ catalog, home: await pulled(), checks: only({ Invoice: [positive, small] }) });
    expect((await rowsOf(result, "quarantine", "detail")).map(({ detail }) => detail)).toEqual([
      "amount_positive: amount above 0; amount_small: amount at least -0.5",
      "amount_positive: amount above 0",
    ]);
  });
});

describe("a check that too many rows fail", () => {
  it("stops the build with its name, its counts and a remedy, and nothing is published", async () => {
    const home = await pulled();
    const before = await build({ catalog, home, checks: only({}) });
    const failing = build({ catalog, home, checks: only({ Invoice: [{ ...positive, maxShare: 0.4 }] }) });
    await expect(failing).rejects.toMatchObject({
      code: "BUILD_CHECK",
      message: expect.stringMatching(/invoices\.amount_positive .*: 2 of 4 rows fail, at most 1 may, all in shop\.bills$/),
      remedy: expect.stringMatching(/\S/),
    });
    const versions = (await readdir(`${home}/dataset`)).filter(name => name !== "current");
    expect(versions).toEqual([before.version]);
    expect((await readFile(`${home}/dataset/current`, "utf8")).trim()).toBe(before.version);
    await expect(build({ catalog, home, checks: only({ Invoice: [{ ...positive, maxShare: 0.5 }] }) })).resolves.toMatchObject({
      isNew: true,
    });
  });

  it("may be a warning, where a share is declared; ten rows are never too many where none is", async () => {
    const home = await pulled();
    const stale: Check = { kind: "freshness", name: "stale", field: "day", maxDays: 0, severity: "warn", maxShare: 0 };
    await expect(build({ catalog, home, checks: only({ UsageDay: [stale] }) })).rejects.toMatchObject({ code: "BUILD_CHECK" });
    const most = Array.from({ length: 11 }, (_, index) => bill(`b${index}`, -1));
    const [few, many] = [
      await pulled({ ...script, bills: items(most.slice(1)) }),
      await pulled({ ...script, bills: items(most) }),
    ];
    await expect(build({ catalog, home: few, checks: only({ Invoice: [positive] }) })).resolves.toMatchObject({ isNew: true });
    await expect(build({ catalog, home: many, checks: only({ Invoice: [positive] }) })).rejects.toMatchObject({
      code: "BUILD_CHECK",
    });
  });
});

describe("a corrected check", () => {
  it("brings back exactly the rows that it had taken, and leaves every other row and table as it was", async () => {
    const home = await pulled();
    const wrong = await build({ catalog, home, checks: only({ Invoice: [positive] }) });
    const right: Check = { kind: "range", name: "amount_positive", field: "amount", least: 0, severity: "quarantine" };
    const corrected = await build({ catalog, home, checks: only({ Invoice: [right] }) });
    const never = await build({ catalog, home, checks: only({}) });
    const texts = async (result: BuildResult) => (await rowsOf(result, "invoices")).map(row => JSON.stringify(row));
    const [were, are, all] = [await texts(wrong), await texts(corrected), await texts(never)];
    expect(are.filter(row => !were.includes(row))).toEqual([all[2]]);
    expect(were.filter(row => !are.includes(row))).toEqual([]);
    expect(await keysOf(corrected, "quarantine")).toEqual(["b2"]);
    const touched = new Set(["invoices", "quarantine", "customer_features"]);
    for (const { name, files } of corrected.tables.filter(table => !touched.has(table.name)))
      expect([name, files]).toEqual([name, wrong.tables.find(table => table.name === name)!.files]);
    const bytes = async ({ path }: BuildResult) => readFile(`${path}/usage_daily.parquet`);
    expect(await bytes(corrected)).toEqual(await bytes(wrong));
  });
});

describe("how the checks went", () => {
  it("is told as OpenLineage, of the collections whose rows fail, as the published schemas have it", async () => {
    const events: RunEvent[] = [];
    const lineage = { namespace: "acme", emit: async (event: RunEvent) => void events.push(event) };
    await build({ catalog, home: await pulled(), lineage, checks: only({ Invoice: [positive] }) });
    const complete = runEvent.parse(JSON.parse(JSON.stringify(events[1])));
    const said = complete.inputs.map(({ name, inputFacets }) => [
      name,
      inputFacets!.dataQualityAssertions.assertions.filter(({ assertion }) => assertion === "invoices.amount_positive"),
    ]);
    const failed = { assertion: "invoices.amount_positive", success: false, column: "amount" };
    expect(Object.fromEntries(said)).toEqual({ accounts: [], bills: [failed], days: [], people: [] });
  });

  it("is in the contracts, with a query that counts what fails", async () => {
    const result = await build({ catalog, home: await pulled() });
    const bench = await openBench(null);
    for (const { name } of result.tables)
      await bench.run(`CREATE VIEW ${name} AS FROM read_parquet('${result.path}/${name}.parquet')`);
    const counted: (readonly [string, number])[] = [];
    for (const { name } of result.tables) {
      const contract = dataContract.parse(JSON.parse(await readFile(`${result.path}/${name}.odcs.json`, "utf8")));
      for (const { name: check, query } of contract.schema[0]!.quality ?? []) {
        const [row] = await bench.rows(query.replaceAll("{object}", name));
        counted.push([`${name}.${check}`, Number(Object.values(row!)[0])]);
      }
    }
    bench.close();
    const expected = result.checks.filter(({ query }) => query !== null);
    const inTables = expected.map(({ table, check, failed }) => [`${table}.${check}`, failed]);
    expect(Object.fromEntries(counted)).toEqual(Object.fromEntries(inTables));
    expect(counted).toContainEqual(["invoices.amount_not_negative", 1]);
    expect(counted).toContainEqual(["invoices.customer_known", 1]);
  });

  it("tells of a table that became much longer than in the dataset in use, and is the same dataset nevertheless", async () => {
    const home = await pulled();
    const before = await build({ catalog, home });
    expect(before.rowChanges).toEqual([]);
    const clock = steppingClock(NOW_MS + 86_400_000);
    const five = Array.from({ length: 5 }, (_, index) => bill(`b${index}`, 5));
    const longer: Script = {
      ...script,
      bills: items(five),
      days: items([day("2026-01-29", 5), day("2026-01-30", 7), day("2026-01-31", 7)]),
    };
    await pull({ catalog, upstreams: scripted(longer, clock).upstreams, home, clock });
    const after = await build({ catalog, home });
    expect(after.rowChanges).toEqual([{ table: "invoices", since: before.version, before: 4, after: 5, maxShare: 0.2 }]);
    expect((await build({ catalog, home })).rowChanges).toEqual([]);
    expect(await readFile(`${after.path}/manifest.json`, "utf8")).not.toContain("rowChanges");
  });
});
