import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { openBench } from "../../src/mapping/bench.ts";
import { build } from "../../src/pipeline/build.ts";
import { pull } from "../../src/pipeline/pull.ts";
import { createCatalog } from "../../src/source/catalog.ts";
import type { DriftPolicy } from "../../src/source/drift.ts";
import { lookupRecords } from "../../src/upstream/lookup.ts";
import { catalog as declared, keysOf, listed, openStage, patient, type Stage } from "../contract/stage.ts";

let stage: Stage;
const homes: string[] = [];
beforeAll(async () => {
  stage = await openStage(60);
});
afterEach(async () => {
  await stage.reset();
  await Promise.all(homes.splice(0).map(home => rm(home, { recursive: true, force: true })));
});
afterAll(() => stage.close());

/** One source alone, with a policy of its own for its customers. */
function sourceUnder(drift: DriftPolicy) {
  const original = declared.get("stripe.customers");
  const customers = { ...original.collection, drift, maxQuarantinedShare: 1 };
  const source = { ...original.source, collections: { ...original.source.collections, customers } };
  const catalog = createCatalog([source]);
  return { catalog, source, entry: catalog.get("stripe.customers") };
}

/** What a customer's record came to: its phone, `no value` where that is an issue, `out` where there is no record. */
type Outcome = string | null;

async function liveOutcomes(drift: DriftPolicy, keys: readonly string[]): Promise<Map<string, Outcome>> {
  const { source, entry } = sourceUnder(drift);
  const found = await lookupRecords(stage.upstream(source), entry, keys, patient());
  return new Map(
    [...found].map(([key, record]) => {
      if (record === null || record instanceof Error) return [key, "out"];
      return [key, record.issues.length > 0 ? "no value" : (record.entity["phone"] as string | null)];
    }),
  );
}

async function bulkOutcomes(drift: DriftPolicy, keys: readonly string[]): Promise<Map<string, Outcome>> {
  const { catalog, source } = sourceUnder(drift);
  const home = await mkdtemp(`${tmpdir()}/tributary-drift-`);
  homes.push(home);
  await pull({ catalog, home, upstreams: () => stage.upstream(source) });
  const { path, collections } = await build({ catalog, home });
  const bench = await openBench(null);
  const rows = await bench.rows(
    `SELECT array_to_string(source_keys, ' ') AS key, phone FROM read_parquet('${path}/customers.parquet')`,
  );
  const issues = await bench.rows(`SELECT key FROM read_parquet('${path}/issues.parquet') WHERE collection = 'customers'`);
  bench.close();
  const unreadable = new Set(issues.map(({ key }) => key));
  const phones = new Map(rows.map(row => [String(row["key"]).replace("stripe.customers:", ""), row["phone"] ?? null]));
  const { quarantined } = collections.find(({ collection }) => collection === "customers")!;
  expect(rows.length + quarantined).toBe(keys.length);
  return new Map(keys.map(key => [key, unreadable.has(key) ? "no value" : phones.has(key) ? phones.get(key)! : "out"]));
}

describe("a source that has changed a field's type in some of its records", () => {
  it.each(["evolve", "discard_value", "discard_row", "reject"] as const)(
    "under %s gives the same records and the same values live and in a build",
    async drift => {
      const sound = await listed(stage, declared.get("stripe.customers"));
      const keys = keysOf(sound);
      const without = sound.filter(({ entity }) => entity["phone"] === null).length;
      expect(without).toBeGreaterThan(0);
      expect(without).toBeLessThan(keys.length);
      await stage.fault({ source: "stripe", kind: "drift", change: { retype: "phone" } });
      const live = await liveOutcomes(drift, keys);
      expect(live).toEqual(await bulkOutcomes(drift, keys));
      const changed = [...live.values()].filter(
        outcome => outcome === (drift === "evolve" || drift === "discard_value" ? "no value" : "out"),
      );
      expect(changed).toHaveLength(keys.length - without);
    },
  );

  it("under freeze fails every read that holds such a record, and the pull", async () => {
    const { entry, source, catalog } = sourceUnder("freeze");
    const keys = keysOf(await listed(stage, entry));
    await stage.fault({ source: "stripe", kind: "drift", change: { retype: "phone" } });
    const outcomes = await lookupRecords(stage.upstream(source), entry, keys.slice(0, 10), patient());
    expect(
      [...outcomes.values()].some(outcome => outcome instanceof Error && "code" in outcome && outcome.code === "UPSTREAM_FROZEN"),
    ).toBe(true);
    const home = await mkdtemp(`${tmpdir()}/tributary-drift-`);
    homes.push(home);
    const { verdicts } = await pull({ catalog, home, upstreams: () => stage.upstream(source) });
    expect(verdicts.find(({ collection }) => collection === "customers")).toMatchObject({
      verdict: "partial",
      reason: { code: "UPSTREAM_FROZEN" },
    });
  });
});
