import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { discoverImitations } from "../../src/app/registry.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.ts";
import type { ConformReport } from "../../src/upstream/conform/report.ts";
import { tributary } from "../support/process.ts";

let sandbox: Sandbox;
let environment: Record<string, string>;
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0, seed: 7, customers: 40, imitations: await discoverImitations() });
  environment = { ...sandbox.environment, TRIBUTARY_HOME: await mkdtemp(join(tmpdir(), "tributary-conform-")) };
});
afterAll(async () => {
  await sandbox.close();
  await rm(environment["TRIBUTARY_HOME"]!, { recursive: true, force: true });
});

describe("tributary conform", () => {
  it("prints what it checked of a source and exits with 0 when all is well", async () => {
    const { code, output } = await tributary(["conform", "stripe"], environment);
    expect(output).toMatch(/^Stripe \(stripe\) at http:\/\/127\.0\.0\.1:\d+\n\ncustomers\n {2}pass {5}answers: 20 records/);
    expect(output).toMatch(/pass {5}wrong credentials are refused: UPSTREAM_AUTH/);
    expect(output).toMatch(/skipped {2}watermark is honoured: no watermark is declared/);
    expect(output).toMatch(/\n\d+ passed, 0 failed, \d+ skipped; \d+ requests\n$/);
    expect(output).not.toContain(environment["STRIPE_API_KEY"]);
    expect(code).toBe(0);
  });

  it("says of a source that differs what was expected, what was seen and what to do, and exits with 1", async () => {
    await fetch(`${sandbox.origin}/__control/faults`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ source: "stripe", kind: "drift", match: "/v1/invoices", change: { retype: "total" } }),
    });
    const shown = await tributary(["conform", "stripe"], environment);
    expect(shown.code).toBe(1);
    expect(shown.output).toMatch(
      / {2}FAIL {5}records satisfy the contract\n +expected: every record.*\n +seen: +20 of 20 records differ at total.*\n +to do: +Adapt the contract/,
    );
    const json = await tributary(["conform", "stripe", "--json", "--sample", "5"], environment);
    expect(json.code).toBe(1);
    const report = JSON.parse(json.output) as ConformReport;
    expect(report).toMatchObject({ source: "stripe", failed: report.checks.filter(({ status }) => status === "fail").length });
    expect(report.checks).toContainEqual(
      expect.objectContaining({
        check: "records satisfy the contract",
        collection: "invoices",
        status: "fail",
        remedy: expect.any(String),
      }),
    );
  });

  it("names the sources that there are, and flags that cannot be", async () => {
    expect((await tributary(["conform", "nobody"], environment)).output).toMatch(/SOURCE_UNKNOWN: .*stripe/);
    expect(await tributary(["conform", "stripe", "--sample", "none"], environment)).toMatchObject({
      code: 1,
      output: expect.stringContaining("--sample"),
    });
  });
});
