import { readFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { type Json, parseJson } from "../../../src/core/json.ts";
import { openBench, type Row } from "../../../src/mapping/bench.ts";
import { build, type BuildResult } from "../../../src/pipeline/build.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import type { Catalog } from "../../../src/source/catalog.ts";
import { type Drift, type DriftKind, driftPolicies } from "../../../src/source/drift.ts";
import { readRecord } from "../../../src/upstream/decode.ts";
import type { DriftWatch } from "../../../src/upstream/drift/drift-log.ts";
import { LearnedFields } from "../../../src/upstream/drift/learned-fields.ts";
import { shop, soundBill, type Variant } from "../upstream/drift/stage.ts";
import { items, newHome, NOW_MS, removeHomes, scripted, steppingClock } from "./stage.ts";

afterEach(removeHomes);

async function rowsOf({ path }: BuildResult, table: string, columns = "*"): Promise<readonly Row[]> {
  const bench = await openBench(null);
  const rows = await bench.rows(`SELECT ${columns} FROM read_parquet('${path}/${table}.parquet')`);
  bench.close();
  return rows;
}

const pulled = async (home: string, catalog: Catalog, bills: readonly object[], startsAtMs = NOW_MS) => {
  const clock = steppingClock(startsAtMs);
  return pull({ catalog, upstreams: scripted({ bills: items(bills), accounts: items([]) }, clock).upstreams, home, clock });
};

const soundBills = (count: number): object[] => Array.from({ length: count }, (_, index) => soundBill(`sound-${index}`));

/** Pulls without any policy first, so that what was agreed is known and every record is kept; then builds under the policies. */
async function builtUnder(variant: Variant, bills: readonly object[]): Promise<BuildResult> {
  const home = await newHome();
  const lenient = shop({ drift: "evolve" }).catalog;
  await pulled(home, lenient, soundBills(3));
  await pulled(home, lenient, bills, NOW_MS + 60_000);
  return build({ catalog: shop(variant).catalog, home });
}

const valueOf: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, 5, 1.5, "", "text", "open", "7", [], {}),
  fc.record({ made: fc.constantFrom(1, "x") }),
);
const names = ["account", "cents", "money", "number", "state", "channel", "times", "lines"] as const;

type Mutation = (bill: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;

/** One overnight change of a record: renamed, removed, of another type, null, another word, something new. */
const mutation: fc.Arbitrary<Mutation> = fc.oneof<fc.Arbitrary<Mutation>[]>(
  fc.constantFrom(...names).map(
    name =>
      ({ [name]: _gone, ...rest }: Record<string, unknown>) =>
        rest,
  ),
  fc
    .constantFrom(...names)
    .map(name => ({ [name]: value, ...rest }: Readonly<Record<string, unknown>>) => ({ ...rest, [`${name}_renamed`]: value })),
  fc.tuple(fc.constantFrom(...names), valueOf).map(([name, value]) => bill => ({ ...bill, [name]: value })),
  fc.constant(bill => ({ ...bill, tax: { rate: 5 } })),
  fc.constant(bill => ({ ...bill, id: { value: bill["id"] } })),
);

const kinds: readonly DriftKind[] = ["unknownField", "missingField", "changedType", "newEnumValue", "changedNullability"];
const policies = fc.oneof(
  fc.constantFrom(...driftPolicies),
  fc.record(Object.fromEntries(kinds.map(kind => [kind, fc.constantFrom(...driftPolicies)]))) as fc.Arbitrary<Drift>,
);

const instantOf = (text: string | null | undefined): string | null => (text ? new Date(`${text}Z`).toISOString() : null);

/** What a live read makes of a record: its entity, that it is left out, or the code of its error. */
function liveOutcome(catalog: Catalog, record: Json, watch: DriftWatch) {
  try {
    return readRecord(catalog.get("shop.bills"), record, watch);
  } catch (thrown) {
    return (thrown as { code: string }).code;
  }
}

describe("a record that differs", () => {
  it("fares alike in a live read and in a build, whatever changed and whatever the policy", async () => {
    const property = fc.asyncProperty(policies, fc.array(mutation, { minLength: 1, maxLength: 12 }), async (drift, changes) => {
      const changed = changes.map((change, index) => change({ ...soundBill(`b${index}`) }));
      const variant: Variant = { drift, maxQuarantinedShare: 1 };
      const { catalog } = shop(variant);
      const fields = new LearnedFields(catalog.get("shop.bills").collection, null);
      fields.add(soundBill());
      const { known } = new LearnedFields(catalog.get("shop.bills").collection, fields.after());
      const watch: DriftWatch = { known: () => known, note: () => undefined };
      const outcomes = changed.map(bill => liveOutcome(catalog, parseJson(JSON.stringify(bill)), watch));
      const bulk = builtUnder(variant, [...changed, ...soundBills(250)]);
      if (outcomes.includes("UPSTREAM_FROZEN")) {
        await expect(bulk).rejects.toMatchObject({ code: "UPSTREAM_FROZEN" });
        return;
      }
      const result = await bulk;
      const rows = await rowsOf(result, "invoices", "key, customer, number, amount, currency, status, issued_at, due_at");
      const live = outcomes.filter(outcome => outcome !== null && typeof outcome !== "string");
      const fresh = rows.filter(({ key }) => key!.startsWith("b"));
      expect(fresh.map(({ key }) => key)).toEqual(live.map(({ entity }) => entity.key).toSorted());
      for (const { entity } of live) {
        const row = fresh.find(({ key }) => key === entity.key)!;
        for (const field of ["customer", "number", "currency", "status"])
          expect([field, row[field]]).toEqual([field, entity[field]]);
        for (const [field, column] of [
          ["issuedAt", "issued_at"],
          ["dueAt", "due_at"],
        ] as const)
          expect([field, instantOf(row[column])]).toEqual([field, entity[field]]);
        expect(row["amount"] === null ? null : Number(row["amount"])).toBe(
          entity["amount"] === null ? null : Number(entity["amount"]),
        );
      }
      const issues = (await rowsOf(result, "issues", "key, field, code")).map(
        row => `${row["key"]} ${row["field"]} ${row["code"]}`,
      );
      const liveIssues = live.flatMap(({ entity, issues: found }) =>
        found.map(({ field, code }) => `${entity.key} ${field} ${code}`),
      );
      expect(issues.toSorted()).toEqual(liveIssues.toSorted());
      const report = result.collections.find(({ collection }) => collection === "bills")!;
      expect(report.quarantined).toBe(outcomes.length - live.length);
    });
    await fc.assert(property, { numRuns: 25 });
  });
});

describe("quarantine", () => {
  const { cents: _cents, ...withoutCents } = soundBill("b1");

  it("says of each record which, why, by which policy, with which value, and where it stands", async () => {
    const drift = { changedType: "discard_row" } as const;
    const result = await builtUnder({ drift, personal: ["number"] }, [
      withoutCents,
      { ...soundBill("b2"), number: 5 },
      ...soundBills(60),
    ]);
    const rows = await rowsOf(result, "quarantine", "key, reason, policy, kind, field, expected, offending, detail, pull, raw");
    expect(rows.map(({ raw: _raw, pull: _pull, ...row }) => row)).toEqual([
      {
        key: "b1",
        reason: "CONTRACT",
        policy: "reject",
        kind: "missingField",
        field: "cents",
        expected: "number or integer",
        offending: "absent",
        detail: "cents: missingField",
      },
      {
        key: "b2",
        reason: "DISCARDED",
        policy: "discard_row",
        kind: "changedType",
        field: "number",
        expected: "text",
        offending: "[redacted] (number)",
        detail: "number: changedType",
      },
    ]);
    const input = result.inputs.find(({ collection }) => collection === "bills")!;
    for (const { pull: name, raw } of rows) {
      expect(name).toBe(input.pull);
      expect(raw).toMatch(/^[0-9a-f]{64}#\/items\/\d$/);
    }
  });

  it("is summed up in the report, together with what was let through", async () => {
    const bills = [
      withoutCents,
      { ...soundBill("b2"), tax: 1 },
      { ...soundBill("b3"), tax: 2, state: "lost" },
      ...soundBills(60),
    ];
    const result = await builtUnder({}, bills);
    const report = result.collections.find(({ collection }) => collection === "bills")!;
    expect(report.drift).toMatchObject([
      { kind: "missingField", field: "cents", policy: "reject", offending: "absent", key: "b1", count: 1 },
      { kind: "newEnumValue", field: "state", policy: "evolve", offending: '"lost"', key: "b3", count: 1 },
      { kind: "unknownField", field: "tax", policy: "evolve", offending: "(number)", key: "b3", count: 2 },
    ]);
    for (const { firstSeenAt, lastSeenAt } of report.drift) expect(firstSeenAt <= lastSeenAt).toBe(true);
  });

  it("fails the build when there is too much of it, and names a file that has it all", async () => {
    const broken = Array.from({ length: 11 }, (_, index) => ({ ...withoutCents, id: `b${index}` }));
    const bills = [...broken, ...soundBills(100)];
    const failing = builtUnder({}, bills);
    await expect(failing).rejects.toMatchObject({
      code: "BUILD_QUARANTINE",
      message: expect.stringContaining("shop.bills (11 of 111 records)"),
    });
    const { details } = (await failing.catch((thrown: unknown) => thrown)) as { details: { file: string } };
    const lines = (await readFile(details.file, "utf8")).trim().split("\n");
    expect(lines.map(line => (JSON.parse(line) as { key: string }).key).toSorted()).toEqual(
      broken.map(({ id }) => id).toSorted(),
    );
    await expect(builtUnder({ maxQuarantinedShare: 0.2 }, bills)).resolves.toMatchObject({ isNew: true });
  });
});

describe("a frozen collection", () => {
  it("fails the pull's verdict and the build, naming the field", async () => {
    const home = await newHome();
    const { catalog } = shop({ drift: "freeze" });
    await pulled(home, catalog, soundBills(5));
    const { verdicts } = await pulled(home, catalog, [{ ...soundBill("b1"), tax: 1 }, ...soundBills(5)], NOW_MS + 60_000);
    expect(verdicts.find(({ collection }) => collection === "bills")).toMatchObject({
      verdict: "partial",
      reason: { code: "UPSTREAM_FROZEN", message: expect.stringContaining("tax") },
    });
    const result = await build({ catalog, home });
    expect((await rowsOf(result, "invoices")).length).toBe(5);
    expect(result.passedOver).toMatchObject([{ collection: "bills", reason: { code: "UPSTREAM_FROZEN" } }]);
    await expect(builtUnder({ drift: "freeze" }, [{ ...soundBill("b1"), tax: 1 }, ...soundBills(5)])).rejects.toMatchObject({
      code: "UPSTREAM_FROZEN",
      message: expect.stringContaining("tax: unknownField"),
    });
  });
});

describe("fields that are new", () => {
  it("are known after the next complete pull, where they are let through", async () => {
    const home = await newHome();
    const { catalog } = shop();
    const taxed = soundBills(20).map(bill => ({ ...bill, tax: 1 }));
    const driftAfter = async () =>
      (await build({ catalog, home })).collections.find(({ collection }) => collection === "bills")!.drift;
    await pulled(home, catalog, soundBills(20));
    expect(await driftAfter()).toEqual([]);
    await pulled(home, catalog, taxed, NOW_MS + 60_000);
    expect(await driftAfter()).toMatchObject([{ kind: "unknownField", field: "tax", count: 20 }]);
    await pulled(home, catalog, taxed, NOW_MS + 120_000);
    expect(await driftAfter()).toEqual([]);
  });
});
