import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { tableFromIPC } from "apache-arrow";
import { openBench } from "../../../src/mapping/bench.ts";
import { build, type BuildResult } from "../../../src/pipeline/build.ts";
import { DatasetStore } from "../../../src/pipeline/dataset.ts";
import { exportedFile, planExport, writeExport } from "../../../src/pipeline/export/export.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { catalog, items, newHome, removeHomes, scripted, teams } from "./stage.ts";

const BEYOND_DOUBLE = "9007199254740993";
let home: string;
let result: BuildResult;

beforeAll(async () => {
  home = await newHome();
  const people = [
    { id: "p1", name: 'Ann "A", Lee\nof Ü', since: 1 },
    { id: "p2", name: null },
    { id: "p3", name: "Cy", since: -86_400 },
  ];
  const accounts = items([{ id: "a1", owner: "p1" }]);
  const days = `[{"account":"a1","day":"2026-01-30","calls":${BEYOND_DOUBLE}},{"account":"a1","day":"2026-01-31","calls":99999999999999999999999999999999999999}]`;
  const bills = `[{"id":"b1","account":"a1","cents":${BEYOND_DOUBLE},"money":"eur"},{"id":"b2","account":"a1","cents":-1,"money":"eur"},{"id":"b3","account":"a1","cents":500,"money":"eur"}]`;
  const { upstreams } = scripted({ people: [teams(...people)], accounts, bills: items(bills), days: items(days) });
  await pull({ catalog, upstreams, home });
  result = await build({ catalog, home });
});
afterAll(removeHomes);

const exported = async (table: string, format: string, columns?: readonly string[]) =>
  exportedFile(await planExport({ home, table, format, columns }));
const textOf = async (table: string, format: string, columns: readonly string[]) =>
  readFile(await exported(table, format, columns), "utf8");

/** The rows of a file as the text that DuckDB makes of them. */
async function rowsIn(from: string, columns = "*") {
  const bench = await openBench(null);
  const rows = await bench.rows(`SELECT ${columns} FROM ${from}`);
  bench.close();
  return rows;
}

describe("an export", () => {
  it("is the table's own file where nothing is left out of it, else one with the same values", async () => {
    const own = `${result.path}/invoices.parquet`;
    expect(await exported("invoices", "parquet")).toBe(own);
    const part = await exported("invoices", "parquet", ["amount", "id"]);
    expect(await rowsIn(`'${part}'`)).toEqual(await rowsIn(`'${own}'`, "amount, id"));
  });

  it("keeps every digit in every form", async () => {
    const amounts = ["90071992547409.93", "-0.01", "5"];
    const calls = [BEYOND_DOUBLE, "9".repeat(38)];
    expect((await textOf("invoices", "csv", ["amount"])).trim().split("\n")).toEqual(["amount", ...amounts]);
    expect((await textOf("usage_daily", "csv", ["api_calls"])).trim().split("\n")).toEqual(["api_calls", ...calls]);
    expect((await textOf("invoices", "ndjson", ["amount"])).trim().split("\n")).toEqual(
      amounts.map(amount => JSON.stringify({ amount })),
    );
    expect((await textOf("usage_daily", "ndjson", ["api_calls"])).trim().split("\n")).toEqual(
      calls.map(count => JSON.stringify({ api_calls: count })),
    );
    const arrow = async (table: string, column: string) => {
      const read = tableFromIPC(await readFile(await exported(table, "arrow", [column])));
      const { values, type } = read.getChild(column)!.data[0]!;
      const halves = new BigInt64Array((values as Uint32Array).slice().buffer);
      return {
        type: String(type),
        values: Array.from(
          { length: read.numRows },
          (_, row) => (halves[2 * row + 1]! << 64n) | BigInt.asUintN(64, halves[2 * row]!),
        ),
      };
    };
    expect((await arrow("usage_daily", "api_calls")).values).toEqual(calls.map(BigInt));
    expect((await arrow("invoices", "amount")).values).toEqual([900719925474099300000000n, -100000000n, 50000000000n]);
  });

  it("tells null from empty, and writes instants, lists and odd text as they are", async () => {
    const columns = ["name", "created_at", "source_keys"];
    const rows = await rowsIn(`'${result.path}/customers.parquet'`, "name, created_at, source_keys::VARCHAR AS keys");
    const lines = (await textOf("customers", "ndjson", columns))
      .trim()
      .split("\n")
      .map(line => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ name }) => name)).toEqual(rows.map(({ name }) => name));
    expect(lines.map(line => String(line["created_at"])).toSorted()).toEqual([
      "1969-12-31T00:00:00.000Z",
      "1970-01-01T00:00:01.000Z",
      "null",
    ]);
    expect(lines.find(({ name }) => name === 'Ann "A", Lee\nof Ü')!["source_keys"]).toEqual([
      "crm.people:p1",
      "shop.accounts:a1",
    ]);
    const csv = await exported("customers", "csv", columns);
    const back = await rowsIn(`read_csv('${csv}', header = true, all_varchar = true)`);
    expect(back.map(({ name }) => name)).toEqual(rows.map(({ name }) => name));
    const arrow = tableFromIPC(await readFile(await exported("customers", "arrow", columns)));
    expect(arrow.schema.fields.map(({ type }) => String(type))).toEqual(["Utf8", "Timestamp<MICROSECOND>", "List<Utf8>"]);
    expect(arrow.toArray().map(row => (row as { name: string | null }).name)).toEqual(rows.map(({ name }) => name));
  });

  it("has the same bytes every time, and a tag for each version, format and list of columns", async () => {
    for (const format of ["parquet", "arrow", "csv", "ndjson"]) {
      const plan = await planExport({ home, table: "customers", format, columns: ["id", "name"] });
      const path = `${home}/again.${format}`;
      await writeExport(plan, path);
      expect(await readFile(path)).toEqual(await readFile(await exportedFile(plan)));
    }
    const tags = [];
    for (const format of ["parquet", "csv"])
      for (const columns of [undefined, ["id"], ["id", "name"], ["name", "id"]])
        tags.push((await planExport({ home, table: "customers", format, columns })).tag);
    expect(new Set(tags).size).toBe(8);
    for (const tag of tags) expect(tag).toContain(result.version);
  });

  it("is refused for what is not there, naming what is", async () => {
    const plan = (more: object) => planExport({ home, table: "customers", ...more });
    await expect(plan({ table: "people" })).rejects.toThrow(/has no table "people": give one of customers, invoices/);
    await expect(plan({ format: "xlsx" })).rejects.toThrow("give one of parquet, arrow, csv, ndjson");
    await expect(plan({ columns: ["id", 'x" FROM y --'] })).rejects.toThrow(
      /customers has no column "x" FROM y --"; it has id, name/,
    );
    await expect(plan({ columns: ["id", "id"] })).rejects.toThrow(/twice/);
    await expect(plan({ version: "0".repeat(20) })).rejects.toThrow(`there are ${result.version}`);
  });

  it("is made once for several who ask at once, and goes with its version", async () => {
    const plan = await planExport({ home, table: "issues", format: "csv" });
    const paths = await Promise.all([exportedFile(plan), exportedFile(plan), exportedFile(plan)]);
    expect(new Set(paths).size).toBe(1);
    const store = new DatasetStore(home);
    await store.select("0".repeat(20));
    expect(await store.remove(result.version)).toBe(true);
    expect(await readdir(`${home}/dataset/.exports`)).toEqual([]);
  });
});
