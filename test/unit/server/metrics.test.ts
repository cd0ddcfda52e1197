import { describe, expect, it } from "@jest/globals";
import { PrometheusMeter } from "../../../src/server/metrics.ts";

const attempts = "tributary_upstream_attempts_total";

describe("the meter", () => {
  it("counts by labels and observes durations, in a registry of its own", async () => {
    const [meter, other] = [new PrometheusMeter(), new PrometheusMeter()];
    const labels = { source: "crm", operation: "people.list", outcome: "2xx" };
    meter.count(attempts, labels);
    meter.count(attempts, labels, 2);
    meter.observe("tributary_http_request_seconds", { route: "/graphql", status: "200" }, 0.02);
    const text = await meter.registry.metrics();
    expect(text).toContain(`${attempts}{source="crm",operation="people.list",outcome="2xx"} 3`);
    expect(text).toContain('tributary_http_request_seconds_bucket{le="0.025",route="/graphql",status="200"} 1');
    expect(await other.registry.metrics()).not.toContain("crm");
  });

  it("keeps its series few, whatever labels it is given, and loses no count", async () => {
    const meter = new PrometheusMeter();
    for (let index = 0; index < 3_000; index++)
      meter.count(attempts, { source: "crm", operation: `people.${index}`, outcome: "2xx" });
    const lines = (await meter.registry.metrics()).split("\n").filter(line => line.startsWith(`${attempts}{`));
    expect(lines).toHaveLength(1_001);
    expect(lines).toContain(`${attempts}{source="(others)",operation="(others)",outcome="(others)"} 2000`);
  });
});
