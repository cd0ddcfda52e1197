import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { systemClock } from "../../src/core/ports.ts";
import { secretVariables, type Source } from "../../src/source/define-source.ts";
import { conform } from "../../src/upstream/conform/conform.ts";
import type { CheckResult, ConformReport } from "../../src/upstream/conform/report.ts";
import { catalog, openStage, type Stage } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await openStage(30);
});
afterEach(() => stage.reset());
afterAll(() => stage.close());

const wrongSecrets = (source: Source) => Object.fromEntries(secretVariables(source).map(name => [name, `wrong-${name}`]));

const report = (source: Source, options: { sample?: number; maxCalls?: number } = {}): Promise<ConformReport> =>
  conform(source, {
    entries: catalog.entries.filter(entry => entry.source === source),
    open: (logger, hasWrongSecrets) =>
      stage.upstream(source, { logger, isCached: true, ...(hasWrongSecrets && { environment: wrongSecrets(source) }) }),
    clock: systemClock,
    signal: new AbortController().signal,
    ...options,
  });

const sources = catalog.sources.map(source => [source.name, source] as const);
const accounts = catalog.sources.find(({ name }) => name === "accounts")!;
const failed = ({ checks }: ConformReport): readonly CheckResult[] => checks.filter(({ status }) => status === "fail");

describe("the checks of tributary conform", () => {
  it.each(sources)("%s: fail nowhere for its imitation, and take few requests", async (name, source) => {
    const found = await report(source);
    expect(failed(found)).toEqual([]);
    expect(found.passed).toBeGreaterThan(10);
    expect(found.passed + found.skipped).toBe(found.checks.length);
    expect(found).toMatchObject({ source: name, failed: 0 });
    expect(found.calls).toBeLessThanOrEqual(20 * Object.keys(source.collections).length);
  });

  it("hold the advertised total against the whole listing where the sample is large enough", async () => {
    const { checks } = await report(accounts, { sample: 200 });
    expect(checks.find(({ check }) => check === "totals agree")).toMatchObject({ status: "pass" });
  });

  it("are skipped, not passed, when the requests are spent", async () => {
    const { checks, failed: failures } = await report(accounts, { maxCalls: 2 });
    expect(failures).toBe(0);
    expect(checks.find(({ check }) => check === "lookup equals listing")).toMatchObject({
      status: "skipped",
      remedy: "Raise --max-calls.",
    });
  });

  const listing = { data: [{ id: 1, name: "A" }], next_cursor: null };
  const cases: readonly [string, object, string, string | RegExp][] = [
    ["is down", { kind: "status", status: 503 }, "answers", "UPSTREAM_UNAVAILABLE"],
    ["has renamed a field", { kind: "drift", change: { remove: "email" } }, "records satisfy the contract", "email: missing"],
    [
      "writes times in another way",
      { kind: "drift", change: { rename: { from: "created_at", to: "x" } } },
      "records satisfy the contract",
      "created_at",
    ],
    ["has no key", { kind: "drift", change: { remove: "id" } }, "keys are unique", "20 have no key"],
    [
      "takes no notice of pages",
      { kind: "malformed", match: "limit=2", contentType: "application/json", body: listing },
      "page sizes agree",
      "pages of 2",
    ],
    [
      "fails by key",
      { kind: "status", status: 500, match: "get /v2/customers/" },
      "lookup equals listing",
      "UPSTREAM_UNAVAILABLE",
    ],
    [
      "calls what is absent an error",
      { kind: "status", status: 400, match: "get /v2/customers/" },
      "unknown key is absent",
      "UPSTREAM_REJECTED",
    ],
    [
      "asks nobody who he is",
      { kind: "malformed", contentType: "application/json", body: listing },
      "wrong credentials are refused",
      "answers all the same",
    ],
    ["throttles", { kind: "status", status: 429, retryAfter: 0, times: 1 }, "stays within its limits", /^1 of/],
  ];

  it.each(cases)("find a source that %s", async (_name, fault, check, seen) => {
    await stage.fault({ source: "accounts", ...fault });
    const found = failed(await report(accounts)).find(each => each.check === check);
    expect(found?.seen).toMatch(seen);
    expect(found?.remedy).toMatch(/\w+ \w+/);
    expect(found?.expected).toMatch(/\w+ \w+/);
  });
});
