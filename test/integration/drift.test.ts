import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { type Loose, startWorld, type TestWorld } from "../support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld({ customers: 40, quotas: false });
});
afterEach(() => world.reset());
afterAll(() => world.close());

const report = `{ sources { name collections { name drift {
  kind field expected offending key count firstSeenAt lastSeenAt policy } } } }`;

async function driftOf(source: string, collection: string): Promise<Loose[]> {
  const { data } = await world.ask(report);
  const found = data.sources.find((each: Loose) => each.name === source);
  return found.collections.find((each: Loose) => each.name === collection).drift;
}

const metricsText = async () => (await fetch(`${world.address}/metrics`)).text();

describe("a source whose records have changed", () => {
  it("is seen in the answer, in sources, in the metrics and once in the log", async () => {
    await world.fault({ source: "stripe", match: "invoices", kind: "drift", change: { retype: "total" } });
    const { data } = await world.ask("{ customers(first: 40) { nodes { id invoices(last: 1) { number } } } }");
    const broken = data.customers.nodes.filter((node: Loose) => node.invoices === null);
    expect(broken.length).toBeGreaterThan(1);
    const [drift, ...others] = await driftOf("stripe", "invoices");
    expect(others).toEqual([]);
    expect(drift).toMatchObject({ kind: "CHANGED_TYPE", field: "total", expected: "number or integer", policy: "REJECT" });
    expect(drift.offending).toMatch(/^"\d+"$/);
    expect(drift.key).toMatch(/^in_/);
    expect(drift.count).toBeGreaterThan(1);
    expect(drift.firstSeenAt <= drift.lastSeenAt).toBe(true);
    expect(world.lines.filter(({ fields }) => fields["kind"] === "changedType")).toHaveLength(1);
    const series = 'tributary_drift_total{source="stripe",collection="invoices",kind="changedType",field="total"}';
    expect(await metricsText()).toContain(`${series} ${drift.count}\n`);
  });
});

describe("/metrics", () => {
  it("tells of every source what was sent, what is left and how its breakers stand", async () => {
    const text = await metricsText();
    expect(text).toMatch(/tributary_upstream_calls_total\{source="stripe"\} [1-9]/);
    expect(text).toMatch(/tributary_upstream_breaker_state\{source="zendesk",operation="[\w.]+"\} [012]/);
    expect(text).toMatch(/tributary_upstream_budget_left\{source="hubspot",limit="[^"]+",unit="requests"\} \d/);
    expect(text).toMatch(/tributary_http_request_seconds_count\{route="\/graphql",status="200"\} [1-9]/);
    expect(text.match(/^# HELP tributary_upstream_calls_total/gm)).toHaveLength(1);
  });

  it("is as closed to strangers as everything else", async () => {
    const port = new URL(world.address).port;
    const { request } = await import("node:http");
    const status = await new Promise(resolve => {
      request({ host: "127.0.0.1", port, path: "/metrics", headers: { host: "evil.example" } }, ({ statusCode }) =>
        resolve(statusCode),
      ).end();
    });
    expect(status).toBe(403);
  });
});
