import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type Check, declaredChecks } from "../../../src/core/checks.ts";
import { build } from "../../../src/pipeline/build.ts";
import { verifyParity } from "../../../src/pipeline/parity.ts";
import type { LiveAnswer } from "../../../src/pipeline/parity-live.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { openBench } from "../../../src/mapping/bench.ts";
import { catalog, items, newHome, removeHomes, scripted, steppingClock, teams } from "./stage.ts";

type LiveNode = Record<string, unknown> & { invoices: Record<string, unknown>[] | null; usage: Record<string, unknown>[] };

let home: string;
let nodes: LiveNode[];

const noTime = { number: null, status: null, issuedAt: null, dueAt: null, paidAt: null };
const noUse = { sessions: null, activeMinutes: null, events: null };
const bill = (id: string, amount: string) => ({ id: `shop.bills:${id}`, amount, currency: "EUR", ...noTime });

beforeEach(async () => {
  home = await newHome();
  const script = {
    people: [teams({ id: "p1", name: "Ann", since: 1 }, { id: "p2", name: "Ben" })],
    accounts: items([{ id: "a1", owner: "p1", land: "Nowhere" }]),
    bills: items([
      { id: "b1", account: "a1", cents: 1050, money: "eur" },
      { id: "b2", account: "a1", cents: 100, money: "eur" },
    ]),
    days: items(`[{"account": "a1", "day": "2026-01-30", "calls": 9007199254740993}]`),
  };
  await pull({ catalog, upstreams: scripted(script).upstreams, home, clock: steppingClock() });
  const { path } = await build({ catalog, home });
  const bench = await openBench(null);
  const rows = await bench.rows(`SELECT id, name FROM read_parquet('${path}/customers.parquet')`);
  bench.close();
  const none = {
    email: null,
    phone: null,
    company: null,
    country: null,
    status: null,
    createdAt: null,
    invoices: [],
    tickets: [],
    events: [],
    usage: [],
  };
  nodes = rows.map(({ id, name }) => ({ id, ...none, name }));
  const usage = [{ day: "2026-01-30", apiCalls: "9007199254740993", ...noUse }];
  Object.assign(named("Ann"), {
    createdAt: "1970-01-01T00:00:01.000Z",
    invoices: [bill("b2", "1.00"), bill("b1", "10.50")],
    usage,
  });
});
afterEach(removeHomes);

const named = (name: string): LiveNode => nodes.find(node => node["name"] === name)!;
const contract = { message: "cannot be read", extensions: { code: "UPSTREAM_CONTRACT" } };

async function verify(errors: LiveAnswer["errors"] = []) {
  const asked: unknown[] = [];
  const live = (_query: string, variables: Readonly<Record<string, unknown>>): Promise<LiveAnswer> => {
    asked.push(variables);
    const at = Number(variables["after"] ?? 0);
    const hasNextPage = at + 1 < nodes.length;
    return Promise.resolve({
      data: { customers: { nodes: nodes.slice(at, at + 1), pageInfo: { hasNextPage, endCursor: String(at + 1) } } },
      errors,
    });
  };
  return { ...(await verifyParity({ home, live, pageSize: 1, clock: steppingClock() })), asked };
}

describe("parity", () => {
  it("finds graph and dataset equal, page by page, in the days of the dataset", async () => {
    const result = await verify();
    expect(result).toMatchObject({ isEqual: true, customers: 2, differences: [] });
    expect(result.fields).toBe(result.equal);
    expect(result.fields).toBeGreaterThan(25);
    expect(result.asked).toEqual([
      { first: 1, after: null, from: "2026-01-25", to: "2026-01-31" },
      { first: 1, after: "1", from: "2026-01-25", to: "2026-01-31" },
    ]);
  });

  it("takes a value that nobody can read for null in both", async () => {
    const at = nodes.indexOf(named("Ann"));
    expect(await verify([{ ...contract, path: ["customers", "nodes", 0, "country"] }])).toMatchObject({ isEqual: true });
    const unavailable = {
      message: "down",
      extensions: { code: "UPSTREAM_UNAVAILABLE" },
      path: ["customers", "nodes", 0, "country"],
    };
    const result = await verify([unavailable]);
    expect(result.isEqual).toBe(false);
    expect(result.differences[at]).toMatchObject({ field: "country", dataset: null, live: "error UPSTREAM_UNAVAILABLE" });
  });

  it.each<[string, (ann: LiveNode) => void, object]>([
    ["a scalar", ann => Object.assign(ann, { email: "x@example.com" }), { field: "email", dataset: null, live: "x@example.com" }],
    [
      "a digit",
      ann => Object.assign(ann.usage[0]!, { apiCalls: "9007199254740992" }),
      { field: "usage[2026-01-30].apiCalls", dataset: "9007199254740993" },
    ],
    [
      "an amount",
      ann => Object.assign(ann.invoices![1]!, { amount: "10.51" }),
      { field: "invoices[shop.bills:b1].amount", dataset: "10.5", live: "10.51" },
    ],
    [
      "a record that only the dataset has",
      ann => void ann.invoices!.pop(),
      { field: "invoices: how many", dataset: "2", live: "1" },
    ],
    [
      "a record that only the graph has",
      ann => void ann.invoices!.push(bill("b9", "1.00")),
      { field: "invoices: how many", dataset: "2", live: "3" },
    ],
    [
      "a record in another's place",
      ann => Object.assign(ann.invoices![1]!, { id: "shop.bills:b9" }),
      { field: "invoices[shop.bills:b9]", dataset: "(absent)" },
    ],
    ["a list that could not be read", ann => Object.assign(ann, { invoices: null }), { field: "invoices", dataset: "2 records" }],
  ])("tells of %s", async (_what, change, difference) => {
    change(named("Ann"));
    const result = await verify();
    expect(result.isEqual).toBe(false);
    expect(result.differences[0]).toMatchObject({ customer: named("Ann")["id"], ...difference });
  });

  it("tells of customers that only one of both has", async () => {
    const ben = named("Ben");
    nodes = [named("Ann"), { ...ben, id: "cst_nobody" }];
    const result = await verify();
    expect(result.customers).toBe(3);
    expect(result.differences).toEqual([
      { customer: "cst_nobody", field: "id", dataset: "(absent)", live: "cst_nobody" },
      { customer: ben["id"], field: "id", dataset: ben["id"], live: "(absent)" },
    ]);
  });

  it("knows of rows that failed a check and of customers that the join left out, and says how many", async () => {
    const large: Check = { kind: "range", name: "large", field: "amount", least: 5, severity: "quarantine" };
    const few: Check = { kind: "range", name: "few", field: "apiCalls", most: 5, severity: "quarantine" };
    const checks = {
      ...declaredChecks,
      Invoice: { rows: [large], maxRowChange: 1 },
      UsageDay: { rows: [few], maxRowChange: 1 },
    };
    await build({ catalog, home, checks, parameters: { join: { kind: "inner", sources: ["crm", "shop"] } } });
    expect(await verify()).toMatchObject({ isEqual: true, customers: 1, leftOut: { customers: 1, records: 2 }, differences: [] });
    named("Ann").invoices!.push(bill("b9", "1.00"));
    nodes.push({ ...named("Ben"), id: "cst_nobody", name: "Nobody" });
    const { differences, leftOut } = await verify();
    expect(leftOut).toEqual({ customers: 1, records: 2 });
    expect(differences.map(({ field, dataset }) => [field, dataset])).toEqual([
      ["invoices: how many", "1"],
      ["invoices[shop.bills:b9]", "(absent)"],
      ["id", "(absent)"],
    ]);
  });

  it("asks again while the graph says that a later try can help, and not for ever", async () => {
    const waits: number[] = [];
    const clock = { nowMs: () => 0, sleep: async (ms: number) => void waits.push(ms) };
    const busy = { message: "busy", extensions: { code: "UPSTREAM_THROTTLED", retryable: true, retryAfterMs: 700 } };
    const data = { customers: { nodes, pageInfo: { hasNextPage: false, endCursor: null } } };
    const answers: LiveAnswer[] = [{ data: null, errors: [busy] }, { data }];
    const once = await verifyParity({ home, live: () => Promise.resolve(answers.shift()!), clock });
    expect([once.isEqual, waits]).toEqual([true, [700]]);
    await expect(
      verifyParity({ home, live: () => Promise.resolve({ data: null, errors: [busy] }), clock }),
    ).rejects.toMatchObject({ code: "REQUEST_INVALID" });
    expect(waits).toEqual([700, 700, 700, 700]);
  });

  it("needs a dataset", async () => {
    const live = () => Promise.resolve({});
    await expect(verifyParity({ home: await newHome(), live })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await expect(verifyParity({ live })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});
