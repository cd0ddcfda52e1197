import { readFile, readdir } from "node:fs/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import { UpstreamError } from "../../../src/core/errors.ts";
import { openBench } from "../../../src/mapping/bench.ts";
import { build, type BuildResult } from "../../../src/pipeline/build.ts";
import type { RunEvent } from "../../../src/pipeline/openlineage.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { dataContract } from "../../support/odcs.ts";
import { runEvent } from "../../support/openlineage.ts";
import { catalog, items, newHome, removeHomes, type Script, scripted, teams } from "./stage.ts";

afterEach(removeHomes);

const script: Script = {
  people: [teams({ id: "p1", name: "Ann" }, { id: "p1", name: "Anne" })],
  accounts: items([{ id: "a1", owner: "p1", land: "Atlantis" }]),
  bills: [
    ...items([{ id: "b1", account: "a1", cents: 5, money: "eur" }], []).slice(0, 1),
    new UpstreamError("UPSTREAM_UNAVAILABLE", "down"),
  ],
};

async function pulled(given: Script = script): Promise<string> {
  const home = await newHome();
  await pull({ catalog, upstreams: scripted(given).upstreams, home });
  return home;
}

function collector() {
  const events: RunEvent[] = [];
  return { events, target: { namespace: "acme", emit: async (event: RunEvent) => void events.push(event) } };
}

const eventsIn = async (path: string): Promise<RunEvent[]> =>
  (await readFile(path, "utf8"))
    .trimEnd()
    .split("\n")
    .map(line => JSON.parse(line) as RunEvent);

describe("what a build tells as OpenLineage", () => {
  it("is a start and an end that the published schemas allow, alike in the file and at the target", async () => {
    const { events, target } = collector();
    const home = await pulled();
    const { version } = await build({ catalog, home, lineage: target });
    expect(events.map(({ eventType }) => eventType)).toEqual(["START", "COMPLETE"]);
    for (const event of events) expect(runEvent.parse(JSON.parse(JSON.stringify(event)))).toEqual(event);
    expect(new Set(events.map(({ run }) => run.runId)).size).toBe(1);
    expect(await eventsIn(`${home}/openlineage/${version}.jsonl`)).toEqual(events);
  });

  it("names for every column the fields of every source that it may come from", async () => {
    const { events, target } = collector();
    const { version } = await build({ catalog, home: await pulled(), lineage: target });
    const customers = events[1]!.outputs.find(({ name }) => name === "customers")!;
    expect(customers.namespace).toBe("acme");
    expect(customers.facets!["version"]).toMatchObject({ datasetVersion: version });
    const { fields } = customers.facets!["columnLineage"] as unknown as { fields: Record<string, { inputFields: object[] }> };
    expect(fields["name"]!.inputFields).toMatchObject([
      { namespace: "acme/crm", name: "people", field: "name" },
      { namespace: "acme/shop", name: "accounts", field: "title" },
    ]);
    expect(Object.keys(fields)).toEqual(["name", "email", "country", "created_at"]);
    expect(customers.facets!["schema"]).toMatchObject({
      fields: expect.arrayContaining([{ name: "created_at", type: "TIMESTAMP" }]),
    });
  });

  it("says what was asserted of the inputs, and how much came out", async () => {
    const { events, target } = collector();
    const result = await build({ catalog, home: await pulled(), lineage: target });
    const [, { inputs, outputs }] = events as [RunEvent, RunEvent];
    const failures = inputs.flatMap(({ name, inputFacets }) => {
      const { assertions } = inputFacets!["dataQualityAssertions"] as unknown as {
        assertions: { assertion: string; success: boolean }[];
      };
      return assertions.filter(({ success }) => !success).map(({ assertion }) => [name, assertion]);
    });
    expect(failures.map(failure => failure.join(" ")).toSorted()).toEqual([
      "accounts all_values_readable",
      "bills complete",
      "people keys_unique",
    ]);
    for (const { name, rows, files } of result.tables)
      expect(outputs.find(output => output.name === name)!.outputFacets!["outputStatistics"]).toMatchObject({
        rowCount: rows,
        size: files[0]!.sizeBytes,
      });
  });

  it("is told when the build fails, and no dataset appears", async () => {
    const broken = Array.from({ length: 12 }, (_, index) => ({ id: `b${index}`, money: "eur" }));
    const home = await pulled({ bills: items(broken) });
    const { events, target } = collector();
    await expect(build({ catalog, home, lineage: target })).rejects.toThrow(
      expect.objectContaining({ code: "BUILD_QUARANTINE" }),
    );
    expect(events.map(({ eventType }) => eventType)).toEqual(["START", "FAIL"]);
    for (const event of events) expect(runEvent.parse(JSON.parse(JSON.stringify(event)))).toEqual(event);
    expect(events[1]!.run.facets!["errorMessage"]).toMatchObject({
      message: expect.stringMatching(/^BUILD_QUARANTINE: too much/),
    });
    const [file] = await readdir(`${home}/openlineage`);
    expect(await eventsIn(`${home}/openlineage/${file}`)).toEqual(events);
  });

  it("is nothing when the version is there already", async () => {
    const home = await pulled();
    await build({ catalog, home });
    const { events, target } = collector();
    await build({ catalog, home, lineage: target });
    expect(events).toEqual([]);
  });
});

describe("the contracts of a dataset", () => {
  const contracts = async ({ path, tables }: BuildResult) =>
    Promise.all(
      tables.map(async ({ name }) => dataContract.parse(JSON.parse(await readFile(`${path}/${name}.odcs.json`, "utf8")))),
    );

  it("are what ODCS 3.1 allows, one for each table, with the columns and types of its file", async () => {
    const result = await build({ catalog, home: await pulled() });
    const bench = await openBench(null);
    for (const { name, version, schema } of await contracts(result)) {
      expect(version).toBe(result.version);
      const rows = await bench.rows(`DESCRIBE SELECT * FROM read_parquet('${result.path}/${name}.parquet')`);
      const typed = rows.map(row => [row["column_name"], row["column_type"]?.replaceAll(",", ", ")]);
      expect(schema[0]!.properties.map(each => [each.name, each.physicalType])).toEqual(typed);
    }
    bench.close();
  });

  it("promise nothing that the rows do not keep", async () => {
    const result = await build({ catalog, home: await pulled() });
    const bench = await openBench(null);
    const wrong: string[] = [];
    for (const { name: table, schema } of await contracts(result)) {
      for (const { name, quality = [], required, unique } of schema[0]!.properties) {
        expect([required ?? false, unique ?? false]).toEqual(
          ["nullValues", "duplicateValues"].map(metric => quality.some(rule => rule.metric === metric)),
        );
        for (const { metric, arguments: given } of quality) {
          const values = ((given?.["validValues"] ?? []) as string[]).map(value => `'${value}'`).join(", ");
          const count = {
            nullValues: `count(*) - count("${name}")`,
            duplicateValues: `count("${name}") - count(DISTINCT "${name}")`,
          };
          const sql =
            metric === "invalidValues" ? `count(*) FILTER ("${name}" NOT IN (${values}))` : count[metric as keyof typeof count];
          const [row] = await bench.rows(`SELECT ${sql} AS wrong FROM read_parquet('${result.path}/${table}.parquet')`);
          if (row!["wrong"] !== "0") wrong.push(`${table}.${name} ${metric}`);
        }
      }
    }
    bench.close();
    expect(wrong).toEqual([]);
  });
});
