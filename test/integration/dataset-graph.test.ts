import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { build, type BuildResult } from "../../src/pipeline/build.ts";
import { pull } from "../../src/pipeline/pull.ts";
import { startWorld, type TestWorld } from "../support/world.ts";

let world: TestWorld;
let home: string;
let result: BuildResult;

beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/tributary-graph-`);
  world = await startWorld({ customers: 10, quotas: false, isFilled: false, environment: { TRIBUTARY_HOME: home } });
});
afterAll(async () => {
  await world.close();
  await rm(home, { recursive: true, force: true });
});

describe("the dataset in the graph", () => {
  it("is null, and no version is listed, before anything was built", async () => {
    const { data, errors } = await world.ask("{ dataset { version } datasets { version } }");
    expect([data, errors]).toEqual([{ dataset: null, datasets: [] }, []]);
  });

  it("says what its manifest says, without asking any source", async () => {
    const { catalog, upstreamOf: upstreams } = world.product;
    await world.fault({ source: "accounts", kind: "drift", change: { remove: "name" }, times: 1 });
    await pull({ catalog, upstreams, home });
    await world.heal();
    result = await build({ catalog, home });
    await world.reset();
    const { data, errors } = await world.ask(`query ($version: ID) {
      dataset(version: $version) { version isCurrent isComplete builtAt tables { name rows sizeBytes } verdicts { source collection pull verdict }
        matches { source collection records duplicates quarantined issues matched unmatched multiplyMatched }
        join { kind required customers leftOut sources { source records matched unmatched multiplyMatched } }
        checks { table check expected severity rows failed } }
      datasets { version } }`);
    expect(errors).toEqual([]);
    const { tables, verdicts, matches, join, checks, ...facts } = data.dataset;
    expect(facts).toMatchObject({ version: result.version, isCurrent: true, isComplete: result.isComplete });
    expect(data.datasets).toEqual([{ version: result.version }]);
    expect(tables.map(({ name, rows }: { name: string; rows: unknown }) => [name, Number(rows)])).toEqual(
      result.tables.map(({ name, rows }) => [name, rows]),
    );
    expect(verdicts).toEqual(
      result.inputs.map(({ source, collection, pull: name, verdict }) => ({
        source,
        collection,
        pull: name,
        verdict: verdict.toUpperCase(),
      })),
    );
    expect(matches.map((each: Record<string, unknown>) => [each["source"], each["collection"], Number(each["matched"])])).toEqual(
      result.collections.map(({ source, collection, matched }) => [source, collection, matched]),
    );
    const numbers = JSON.parse(JSON.stringify(join), (_key, value: unknown) =>
      /^\d+$/.test(String(value)) ? Number(value) : value,
    );
    expect(numbers).toEqual({ ...result.join, kind: "OUTER" });
    expect(checks.map((each: Record<string, unknown>) => [each["table"], each["check"], Number(each["failed"])])).toEqual(
      result.checks.map(({ table, check, failed }) => [table, check, failed]),
    );
    expect(Object.values(await world.calls()).reduce((total, count) => total + count, 0)).toBe(0);
  });

  it("has the lineage of a column", async () => {
    const { data } = await world.ask(`{ dataset {
      name: lineage(table: "customers", column: "name") { type field sources { source collection rank inputs rule unit ruleVersion } }
      id: lineage(table: "customers", column: "id") { made sources { source } }
      none: lineage(table: "customers", column: "nobody") { made } } }`);
    expect(data.dataset.name).toMatchObject({ type: "VARCHAR", field: "name" });
    expect(data.dataset.name.sources[0]).toMatchObject({
      source: "hubspot",
      inputs: ["properties.firstname", "properties.lastname"],
      rule: "fullName",
    });
    expect(data.dataset.id).toMatchObject({ made: expect.stringMatching(/smallest record/), sources: [] });
    expect(data.dataset.none).toBeNull();
  });

  it("pages through quarantine, each record once", async () => {
    const total = result.tables.find(({ name }) => name === "quarantine")!.rows;
    expect(total).toBeGreaterThan(1);
    const query = `query ($first: Int, $after: String) { dataset { quarantine(first: $first, after: $after) {
      nodes { source collection key reason field expected offending detail raw } pageInfo { hasNextPage endCursor } } } }`;
    const seen: string[] = [];
    for (let after: string | null = null, more = true; more;) {
      const { data, errors } = await world.ask(query, { first: 1 + seen.length, after });
      expect(errors).toEqual([]);
      const page: { nodes: { raw: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string } } = data.dataset.quarantine;
      seen.push(...page.nodes.map(({ raw }) => raw));
      [after, more] = [page.pageInfo.endCursor, page.pageInfo.hasNextPage];
    }
    expect([seen.length, new Set(seen).size]).toEqual([total, total]);
    const { errors } = await world.ask(query, { first: 1, after: Buffer.from("cst_0").toString("base64url") });
    expect(errors.map(({ extensions }) => extensions["code"])).toEqual(["CURSOR_INVALID"]);
  });

  it("is within the limits: too long a page is refused before anything is read", async () => {
    const { errors } = await world.ask("{ dataset { quarantine(first: 5000) { nodes { raw } } } }");
    expect(errors.map(({ extensions }) => extensions["code"])).toEqual(["LIMIT_LIST_SIZE"]);
  });
});
