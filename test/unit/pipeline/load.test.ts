import { mkdir, readdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { quoted } from "../../../src/mapping/sql-text.ts";
import { load } from "../../../src/pipeline/load.ts";
import type { TablePlan } from "../../../src/pipeline/tables.ts";
import { openBench, type Workbench } from "../../../src/mapping/bench.ts";
import { newHome, removeHomes } from "./stage.ts";

const types = ["DECIMAL(38, 10)", "DECIMAL(38, 0)", "INTEGER", "BOOLEAN", "TIMESTAMP", "DATE"];
const sound = [
  "1234567890123456789012345678.0123456789",
  "9".repeat(38),
  "-2147483648",
  "true",
  "9999-12-31T23:59:59.999Z",
  "0001-01-01",
];
const plan: TablePlan = {
  name: "staged",
  columns: [{ name: "id", type: "VARCHAR" }, ...types.map((type, index) => ({ name: `c${index}`, type }))],
  order: ["id"],
};

let folder: string;
let bench: Workbench;
beforeEach(async () => {
  folder = await newHome();
  await mkdir(folder, { recursive: true });
  bench = await openBench(null);
  await bench.run(`CREATE TABLE staged (id VARCHAR, ${types.map((_type, index) => `c${index} VARCHAR`).join(", ")})`);
});
afterEach(async () => {
  bench.close();
  await removeHomes();
});

const insert = (id: string, values: readonly (string | null)[]) =>
  bench.run(
    `INSERT INTO staged VALUES (${quoted(id)}, ${values.map(value => (value === null ? "NULL" : quoted(value))).join(", ")})`,
  );

describe("load", () => {
  it("writes every value as its type holds it, exactly, in the order of the plan", async () => {
    await insert(
      "b",
      types.map(() => null),
    );
    await insert("a", sound);
    const report = await load(bench, plan, folder);
    expect(report).toMatchObject({
      name: "staged",
      rows: 2,
      files: [{ name: "staged.parquet", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
    });
    const columns = types.map((_type, index) => `c${index}::VARCHAR AS c${index}`).join(", ");
    const [first, second] = await bench.rows(`SELECT id, ${columns} FROM read_parquet('${folder}/staged.parquet')`);
    expect(Object.values(first!)).toEqual(["a", ...sound.slice(0, 4), "9999-12-31 23:59:59.999", "0001-01-01"]);
    expect(Object.values(second!)).toEqual(["b", ...types.map(() => null)]);
  });

  it.each([
    [0, "1.00000000001"],
    [0, "1".repeat(29)],
    [1, "1".repeat(39)],
    [2, "2147483648"],
    [3, "maybe"],
    [4, "10000000-01-01T00:00:00.000Z"],
    [5, "2026-02-30"],
  ])("refuses a value that column %i cannot hold, naming table, column and row: %s", async (column, value) => {
    await insert("sound", sound);
    await insert("bad", sound.with(column, value));
    await expect(load(bench, plan, folder)).rejects.toMatchObject({
      code: "UPSTREAM_CONTRACT",
      message: expect.stringContaining("bad"),
      details: { table: "staged", column: `c${column}`, misfits: 1 },
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it("takes trailing zeros for what they are", async () => {
    await insert("a", sound.with(0, "1.50000000000000"));
    await load(bench, plan, folder);
    expect(await bench.rows(`SELECT c0::VARCHAR AS c0 FROM read_parquet('${folder}/staged.parquet')`)).toEqual([
      { c0: "1.5000000000" },
    ]);
  });
});
