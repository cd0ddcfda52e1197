import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { afterEach, describe, expect, it } from "@jest/globals";
import { UpstreamError } from "../../../src/core/errors.ts";
import { build, type BuildResult } from "../../../src/pipeline/build.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { openBench, type Row } from "../../../src/mapping/bench.ts";
import { RawStore } from "../../../src/store/raw/raw-store.ts";
import { catalog, items, newHome, NOW_MS, removeHomes, type Script, scripted, steppingClock, teams } from "./stage.ts";

afterEach(removeHomes);

const down = new UpstreamError("UPSTREAM_UNAVAILABLE", "the source is down");

async function pullInto(home: string, script: Script, startsAtMs = NOW_MS): Promise<void> {
  const clock = steppingClock(startsAtMs);
  await pull({ catalog, upstreams: scripted(script, clock).upstreams, home, clock });
}

async function built(script: Script): Promise<BuildResult> {
  const home = await newHome();
  await pullInto(home, script);
  return build({ catalog, home });
}

async function rowsOf({ path }: BuildResult, table: string, columns = "*"): Promise<readonly Row[]> {
  const bench = await openBench(null);
  const rows = await bench.rows(`SELECT ${columns} FROM read_parquet('${path}/${table}.parquet')`);
  bench.close();
  return rows;
}

const typesOf = async ({ path }: BuildResult, table: string): Promise<Record<string, string | null>> => {
  const bench = await openBench(null);
  const rows = await bench.rows(`DESCRIBE SELECT * FROM read_parquet('${path}/${table}.parquet')`);
  bench.close();
  return Object.fromEntries(rows.map(row => [String(row["column_name"]), row["column_type"] ?? null]));
};

const report = (result: BuildResult, name: string) => result.collections.find(({ collection }) => collection === name)!;

describe("build", () => {
  it("takes records out of nested lists, whole and in their order", async () => {
    const result = await built({ people: [teams({ id: "p1" }, { id: "p2" }, { id: "p3" }, { id: 4 }, { id: "p5" })] });
    const keys = (await rowsOf(result, "customers", "source_keys[1] AS key")).map(({ key }) => String(key));
    expect(keys.toSorted()).toEqual(["crm.people:4", "crm.people:p1", "crm.people:p2", "crm.people:p3", "crm.people:p5"]);
  });

  it("lets the best ranked source that has a value give a field, and of one source the smallest key by code point", async () => {
    const mail = "ann@example.com";
    const astral = "\u{1f600}";
    const result = await built({
      people: [
        teams(
          { id: "\u{ffee}", mail, name: "By code point", since: 3 },
          { id: astral, mail, name: null, since: 2 },
          { id: `${astral}b`, mail, name: "By code unit", since: null },
        ),
      ],
      accounts: items([{ id: "a1", owner: astral, title: "Account", land: "Germany", since: 1 }]),
    });
    const rows = await rowsOf(
      result,
      "customers",
      "name, email, phone, country, created_at, array_to_string(source_keys, ' ') AS keys",
    );
    expect(rows).toEqual([
      {
        name: "By code point",
        email: mail,
        phone: null,
        country: "DE",
        created_at: "1970-01-01 00:00:03",
        keys: `crm.people:\u{ffee} crm.people:${astral} crm.people:${astral}b shop.accounts:a1`,
      },
    ]);
  });

  it("does not cover a value that cannot be read with another source's, and says so", async () => {
    const result = await built({
      people: [teams({ id: "p1", name: "Ann", since: 99999999999999 })],
      accounts: items([{ id: "a1", owner: "p1", land: "Nowhere", since: 5 }]),
    });
    expect(await rowsOf(result, "customers", "name, country, created_at")).toEqual([
      { name: "Ann", country: null, created_at: null },
    ]);
    expect(await rowsOf(result, "issues", "source, collection, key, field, code")).toEqual([
      { source: "crm", collection: "people", key: "p1", field: "createdAt", code: "INVALID_VALUE" },
      { source: "shop", collection: "accounts", key: "a1", field: "country", code: "INVALID_VALUE" },
    ]);
    expect([report(result, "people").issues, report(result, "accounts").issues]).toEqual([1, 1]);
  });

  it("keeps every digit, from the response's text to the column", async () => {
    const result = await built({
      bills: items(
        `[{"id": "b1", "cents": 123456789012345678901, "money": "eur"}, {"id": "b2", "cents": 9007199254740993, "money": "jpy"}]`,
      ),
      days: items(`[{"account": "a1", "day": "2026-01-30", "calls": 98765432109876543210987654321}]`),
    });
    expect(await rowsOf(result, "invoices", "key, amount::VARCHAR AS amount")).toEqual([
      { key: "b1", amount: "1234567890123456789.0100000000" },
      { key: "b2", amount: "9007199254740993.0000000000" },
    ]);
    expect(await rowsOf(result, "usage_daily", "api_calls::VARCHAR AS calls")).toEqual([
      { calls: "98765432109876543210987654321" },
    ]);
  });

  it("gives columns their proper types", async () => {
    const result = await built({ people: [teams({ id: "p1" })] });
    expect(await typesOf(result, "customers")).toMatchObject({
      id: "VARCHAR",
      created_at: "TIMESTAMP",
      source_keys: "VARCHAR[]",
      event_timestamp: "TIMESTAMP",
      created_timestamp: "TIMESTAMP",
    });
    expect(await typesOf(result, "invoices")).toMatchObject({
      customer_id: "VARCHAR",
      customer: "VARCHAR",
      amount: "DECIMAL(38,10)",
      issued_at: "TIMESTAMP",
    });
    expect(await typesOf(result, "usage_daily")).toMatchObject({ day: "DATE", sessions: "INTEGER", api_calls: "DECIMAL(38,0)" });
  });

  it("says of every row when it came about and since when it is known, the former never later than the latter", async () => {
    const result = await built({
      people: [teams({ id: "p1", name: "Ann", since: 5 })],
      days: items([
        { account: "a1", day: "2020-01-30", calls: 1 },
        { account: "a1", day: "2999-12-30", calls: 1 },
      ]),
    });
    const columns = "event_timestamp::VARCHAR AS happened, event_timestamp = created_timestamp AS is_known_at_once";
    expect(await rowsOf(result, "customers", columns)).toEqual([{ happened: expect.any(String), is_known_at_once: "true" }]);
    const days = await rowsOf(result, "usage_daily", `day::VARCHAR AS day, ${columns}`);
    expect(days.toSorted((a, b) => (String(a["day"]) < String(b["day"]) ? -1 : 1))).toEqual([
      { day: "2020-01-30", happened: "2020-01-31 00:00:00", is_known_at_once: "false" },
      { day: "2999-12-30", happened: expect.stringMatching(/^20[23]/), is_known_at_once: "true" },
    ]);
  });

  it("leaves a number beyond what the columns hold out, as an issue", async () => {
    const huge = `1${"0".repeat(30)}`;
    const result = await built({ bills: items(`[{"id": "b1", "cents": ${huge}, "money": "jpy"}]`) });
    expect(await rowsOf(result, "invoices", "key, amount")).toEqual([{ key: "b1", amount: null }]);
    expect(await rowsOf(result, "issues", "key, field, code")).toEqual([{ key: "b1", field: "amount", code: "INVALID_VALUE" }]);
  });

  it("joins records to their customers, keeps those without one, and counts both", async () => {
    const result = await built({
      people: [teams({ id: "p1" })],
      accounts: items([{ id: "a1", owner: "p1" }, { id: "a2" }]),
      bills: items([
        { id: "b1", account: "a1", cents: 1, money: "eur" },
        { id: "b2", account: "gone", cents: 1, money: "eur" },
        { id: "b3", account: null, cents: 1, money: "eur" },
      ]),
    });
    const customers = await rowsOf(result, "customers", "id, array_to_string(source_keys, ' ') AS keys");
    const ann = customers.find(({ keys }) => keys === "crm.people:p1 shop.accounts:a1")!;
    expect(await rowsOf(result, "invoices", "id, customer_id, customer")).toEqual([
      { id: "shop.bills:b1", customer_id: ann["id"], customer: "a1" },
      { id: "shop.bills:b2", customer_id: null, customer: "gone" },
      { id: "shop.bills:b3", customer_id: null, customer: null },
    ]);
    expect(report(result, "bills")).toMatchObject({ records: 3, matched: 1, unmatched: 2 });
    expect(report(result, "accounts")).toMatchObject({ records: 2, matched: 1, unmatched: 1 });
  });

  it("takes the last of several records with one key, and counts the others", async () => {
    const title = (name: string) => ({ id: "a1", title: name });
    const result = await built({ accounts: items([title("first"), title("second")], [title("third")], []) });
    expect(await rowsOf(result, "customers", "name")).toEqual([{ name: "third" }]);
    expect(report(result, "accounts")).toMatchObject({ records: 3, duplicates: 2 });
  });

  it("puts what it cannot use into quarantine, with the reason and where it stands", async () => {
    const home = await newHome();
    await pullInto(home, { accounts: items([{ id: "a1" }], [{ id: 7 }, { id: " ", title: "nobody" }]) });
    const result = await build({ catalog, home });
    const [kept] = await new RawStore(home).pulls("shop", "accounts");
    const rows = await rowsOf(result, "quarantine", "source, collection, reason, detail, raw");
    expect(rows).toMatchObject([
      { source: "shop", collection: "accounts", reason: "CONTRACT", detail: expect.stringMatching(/^id: /) },
      { source: "shop", collection: "accounts", reason: "NO_KEY", detail: "INVALID_VALUE" },
    ]);
    const hashes = rows.map(({ raw }) => raw!.split("#"));
    expect(hashes.map(([, pointer]) => pointer)).toEqual(["/items/0", "/items/1"]);
    expect(new Set(hashes.map(([hash]) => hash)).size).toBe(1);
    expect(report(result, "accounts")).toMatchObject({ records: 3, quarantined: 2 });
    expect(kept!.manifest.brokenRecords).toBe(1);
  });

  it("orders rows by their identifiers", async () => {
    const bill = (id: string) => ({ id, cents: 1, money: "eur" });
    const result = await built({ bills: items([bill("b3"), bill("B2")], [bill("b1")]) });
    expect((await rowsOf(result, "invoices", "key")).map(({ key }) => key)).toEqual(["B2", "b1", "b3"]);
  });
});

describe("a dataset's version", () => {
  const script: Script = { people: [teams({ id: "p1", name: "Ann" })], accounts: items([{ id: "a1", owner: "p1" }]) };

  it("is the same for the same responses, wherever they lie, and so is every byte", async () => {
    const [home, other] = [await newHome(), await newHome()];
    await pullInto(home, script);
    await cp(`${home}/raw`, `${other}/raw`, { recursive: true });
    const [first, second] = [await build({ catalog, home }), await build({ catalog, home: other })];
    expect(second.version).toBe(first.version);
    expect(second.isNew).toBe(true);
    for (const name of await readdir(first.path))
      expect(await readFile(`${second.path}/${name}`)).toEqual(await readFile(`${first.path}/${name}`));
  });

  it("is built once, and found again", async () => {
    const home = await newHome();
    await pullInto(home, script);
    const [first, second] = [await build({ catalog, home }), await build({ catalog, home })];
    expect([first.isNew, second.isNew]).toEqual([true, false]);
    expect({ ...second, isNew: true }).toEqual(first);
    expect((await readdir(`${home}/dataset`)).toSorted()).toEqual([first.version, "current"].toSorted());
  });

  it("is another one for other responses", async () => {
    const home = await newHome();
    await pullInto(home, script);
    const first = await build({ catalog, home });
    await pullInto(home, { ...script, people: [teams({ id: "p1", name: "Anna" })] }, NOW_MS + 60_000);
    const second = await build({ catalog, home });
    expect(second.version).not.toBe(first.version);
    expect(await rowsOf(second, "customers", "name")).toEqual([{ name: "Anna" }]);
    expect(await rowsOf(first, "customers", "name")).toEqual([{ name: "Ann" }]);
  });
});

describe("the responses that a build takes", () => {
  it("are the last complete ones; a failed pull after them is passed over and named", async () => {
    const home = await newHome();
    await pullInto(home, { people: [teams({ id: "p1", name: "Ann" })] });
    await pullInto(
      home,
      { people: [`{"teams": [{"people": [{"id": "p1", "name": "Anna"}]}], "next": "1"}`, down] },
      NOW_MS + 60_000,
    );
    const result = await build({ catalog, home });
    expect(await rowsOf(result, "customers", "name")).toEqual([{ name: "Ann" }]);
    const input = result.inputs.find(({ collection }) => collection === "people")!;
    expect(input.verdict).toBe("complete");
    expect(result.passedOver).toMatchObject([
      { source: "crm", collection: "people", verdict: "partial", reason: { code: "UPSTREAM_UNAVAILABLE" } },
    ]);
    expect(result.isComplete).toBe(true);
  });

  it("are what came of a partial pull when there is no complete one, and then the dataset is not complete", async () => {
    const result = await built({ accounts: [items([{ id: "a1" }], [])[0]!, down] });
    expect(result.isComplete).toBe(false);
    expect(result.tables.find(({ name }) => name === "customers")!.rows).toBe(1);
  });

  it("are refused when there are none, or when they were changed", async () => {
    const home = await newHome();
    await expect(build({ catalog, home })).rejects.toMatchObject({ code: "REQUEST_INVALID" });
    await pullInto(home, { people: [teams({ id: "p1", name: "Ann" })] });
    const [kept] = await new RawStore(home).pulls("crm", "people");
    const text = zstdDecompressSync(await readFile(kept!.paths[0]!)).toString("utf8");
    await writeFile(kept!.paths[0]!, zstdCompressSync(text.replace("Ann", "Bob")));
    await expect(build({ catalog, home })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(await readdir(`${home}/dataset`)).toEqual([]);
  });

  it("may be left at any time", async () => {
    const home = await newHome();
    await pullInto(home, {});
    await expect(build({ catalog, home, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "UPSTREAM_CANCELLED" });
    expect(await readdir(`${home}/dataset`)).toEqual([]);
  });
});
