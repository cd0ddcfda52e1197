import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { zstdDecompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { secretVariables } from "../../src/source/define-source.ts";
import { entityNames } from "../../src/core/canonical.ts";
import type { CatalogEntry } from "../../src/source/catalog.ts";
import { lastDays } from "../../src/core/days.ts";
import { build, type BuildResult } from "../../src/pipeline/build.ts";
import { type LiveAnswer } from "../../src/pipeline/parity-live.ts";
import { verifyParity } from "../../src/pipeline/parity.ts";
import { tableNames } from "../../src/pipeline/tables.ts";
import { pull, type PullResult } from "../../src/pipeline/pull.ts";
import { openBench } from "../../src/mapping/bench.ts";
import { readPages } from "../../src/upstream/listing.ts";
import { startWorld, type TestWorld } from "../support/world.ts";

let world: TestWorld;
let home: string;
let pulled: PullResult;
let result: BuildResult;

beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/tributary-pipeline-`);
  world = await startWorld({ customers: 60, quotas: false });
  pulled = await pullAll();
  result = await build({ catalog: world.product.catalog, home });
});
afterAll(async () => {
  await world.close();
  await rm(home, { recursive: true, force: true });
});

const pullAll = (only?: readonly string[]) =>
  pull({ catalog: world.product.catalog, upstreams: world.product.upstreamOf, home, ...(only && { only }) });

/** How many records a collection lists, counted apart from the pipeline. */
async function listed({ source, collection }: CatalogEntry): Promise<number> {
  const { list } = collection;
  const window = lastDays(list.days ?? 30, Date.now());
  const context = {
    priority: "live",
    signal: new AbortController().signal,
    deadlineAtMs: Date.now() + 60_000,
    requestId: "count",
  } as const;
  let records = 0;
  for await (const page of readPages(
    world.product.upstreamOf(source.name),
    { request: list.request(window), items: list.items, pages: list.pages },
    context,
  )) {
    records += page.records.length;
  }
  return records;
}

const live = async (query: string, variables: object): Promise<LiveAnswer> => world.ask(query, variables);

describe("the bulk path over the sandbox", () => {
  it("pulls every collection to its end", () => {
    expect(pulled.verdicts.length).toBe(world.product.catalog.entries.length);
    for (const verdict of pulled.verdicts) {
      expect(verdict).toMatchObject({ verdict: "complete", duplicateKeys: 0, missingKeys: 0, brokenRecords: 0 });
    }
  });

  it("has in its tables what the sources list, and a customer for each cluster", async () => {
    const { catalog, gateway } = world.product;
    const rows = new Map(result.tables.map(table => [table.name, table.rows]));
    for (const entity of entityNames.filter(name => name !== "Customer")) {
      const counts = await Promise.all(catalog.of(entity).map(listed));
      const table = tableNames[entity];
      expect([table, rows.get(table)]).toEqual([table, counts.reduce((total, count) => total + count, 0)]);
    }
    expect(rows.get("customers")).toBe(await gateway.index.count({}));
    expect(rows.get("customers")).toBeGreaterThan(50);
    expect(result.isComplete).toBe(true);
  });

  it("loses no record: every one is in a table, a duplicate or in quarantine", async () => {
    const bench = await openBench(null);
    for (const { source, collection, records, duplicates, quarantined } of result.collections) {
      const { entity } = result.inputs.find(input => input.source === source && input.collection === collection)!;
      const id = `${source}.${collection}:`;
      const sql =
        entity === "Customer"
          ? `SELECT count(*) AS n FROM (SELECT unnest(source_keys) AS id FROM read_parquet('${result.path}/customers.parquet')) WHERE starts_with(id, '${id}')`
          : `SELECT count(*) AS n FROM read_parquet('${result.path}/${tableNames[entity]}.parquet') WHERE starts_with(id, '${id}')`;
      const [row] = await bench.rows(sql);
      expect([id, Number(row!["n"]) + duplicates + quarantined]).toEqual([id, records]);
    }
    bench.close();
  });

  it("says the same as the live graph, value by value", async () => {
    const parity = await verifyParity({ home, live });
    expect(parity.differences).toEqual([]);
    expect(parity).toMatchObject({ isEqual: true, version: result.version, customers: result.tables[0]!.rows });
    expect(parity.fields).toBeGreaterThan(5_000 + 4 * result.tables.find(({ name }) => name === "exchange_rates")!.rows);
  });

  it("tells of a record that belongs to nobody and is another one in the graph, or none", async () => {
    const changed = async (query: string, variables: object): Promise<LiveAnswer> => {
      const answer = await live(query, variables);
      const { r0 } = (answer.data ?? {}) as { readonly r0?: { readonly rate: string } };
      return r0 ? { ...answer, data: { ...(answer.data as object), r0: { ...r0, rate: `${r0.rate}1` }, r1: null } } : answer;
    };
    const parity = await verifyParity({ home, live: changed });
    expect(parity.isEqual).toBe(false);
    expect(parity.differences.slice(0, 2)).toEqual([
      expect.objectContaining({ customer: null, field: expect.stringMatching(/^exchange_rates\[fx\.rates:EUR:.+\]\.rate$/) }),
      expect.objectContaining({ customer: null, field: expect.stringMatching(/^exchange_rates\[.+\]$/), live: "(absent)" }),
    ]);
  });

  it("makes the same version of the same responses, and asks nobody for it", async () => {
    await world.reset();
    const again = await build({ catalog: world.product.catalog, home });
    expect({ version: again.version, isNew: again.isNew }).toEqual({ version: result.version, isNew: false });
    await rm(result.path, { recursive: true });
    const anew = await build({ catalog: world.product.catalog, home });
    expect({ ...anew, isNew: false }).toEqual(again);
    expect(Object.values(await world.calls()).reduce((total, count) => total + count, 0)).toBe(0);
  });

  it("keeps no secret with the responses", async () => {
    const files = (await readdir(`${home}/raw`, { recursive: true })).filter(name => /\.(json|zst)$/.test(name));
    expect(files.length).toBe(2 * pulled.verdicts.length);
    const secrets = world.product.catalog.sources.flatMap(secretVariables).map(name => world.environment[name]!);
    expect(secrets.length).toBeGreaterThan(4);
    for (const name of files) {
      const bytes = await readFile(`${home}/raw/${name}`);
      const text = name.endsWith(".zst") ? zstdDecompressSync(bytes).toString("utf8") : bytes.toString("utf8");
      for (const secret of secrets) expect(text.includes(secret)).toBe(false);
      expect(text).not.toMatch(/authorization|set-cookie|bearer/i);
    }
  });

  it("keeps the dataset when a source fails meanwhile, and says which pull it passed over", async () => {
    // One whose answers may not be kept: a kept one would do without the source.
    const { source } = world.product.catalog.of("Customer")[0]!;
    await world.fault({ source: source.name, kind: "status", status: 503, times: 1000 });
    const { verdicts } = await pullAll([source.name]);
    await world.heal();
    for (const verdict of verdicts)
      expect(verdict).toMatchObject({ verdict: "partial", reason: { code: expect.stringMatching(/^UPSTREAM_/) } });
    const again = await build({ catalog: world.product.catalog, home });
    expect(again.version).toBe(result.version);
    expect(again.passedOver.map(({ source, collection }) => [source, collection])).toEqual(
      verdicts.map(({ source, collection }) => [source, collection]),
    );
  });
});
