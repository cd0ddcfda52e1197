import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { CompletenessDay, Reconciliation } from "../../src/store/completeness.ts";
import { calledCollections, differencesOf } from "../support/mirror-truth.ts";
import { startWorld, type TestWorld } from "../support/world.ts";

const sources = ["stripe", "hubspot", "zendesk"];
let world: TestWorld;
beforeAll(async () => {
  world = await startWorld({ customers: 25, quotas: false });
});
afterAll(() => world.close());

async function reconcile(body: object): Promise<readonly Reconciliation[]> {
  const response = await fetch(`${world.address}/intake/reconcile`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return ((await response.json()) as { reconciliations: Reconciliation[] }).reconciliations;
}
const completeness = async () =>
  ((await (await fetch(`${world.address}/intake/completeness?days=2`)).json()) as { days: CompletenessDay[] }).days;

async function different(): Promise<number> {
  const { catalog, upstreamOf, gateway } = world.product;
  const all = await Promise.all(
    calledCollections.map(collection => differencesOf({ catalog, upstreamOf, mirror: gateway.mirror }, collection)),
  );
  return all.reduce((sum, each) => sum + each.different.length, 0);
}

async function quiet(): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const isOpen = Object.values(await world.deliveries()).some(({ open }) => open > 0);
    const { events } = (await (await fetch(`${world.address}/intake/events?state=waiting&limit=1`)).json()) as { events: [] };
    if (!isOpen && events.length === 0) return;
    await new Promise(resolve => setTimeout(resolve, 25));
  }
  throw new Error("it did not become quiet");
}

describe("webhooks of which nearly a third never comes", () => {
  it("are made good for by reading the sources, and what they missed is measured", async () => {
    const first = await reconcile({ sources });
    expect(first.map(({ source, found, problem }) => [source, found, problem])).toEqual(
      ["hubspot", "stripe", "zendesk"].map(source => [source, 0, null]),
    );
    expect(await different()).toBe(0);
    for (const source of sources) await world.hear(source, { loss: 0.3, duplicates: 0.1, reorder: 0.2, seed: 11 });
    for (const source of sources) await world.change(source, 60, 4);
    await quiet();
    expect(await different()).toBeGreaterThan(5);

    const runs = await reconcile({ sources, full: true });
    expect(await different()).toBe(0);
    const counts = await world.deliveries();
    for (const day of await completeness()) {
      const { made, lost, duplicated } = counts[day.source]!;
      expect([day.source, day.delivered, day.duplicated]).toEqual([day.source, made - lost, expect.any(Number)]);
      expect(day.duplicated).toBeLessThanOrEqual(duplicated);
      // Several lost events about one record are one record that was missed.
      expect(day.missed).toBeGreaterThan(0);
      expect(day.missed).toBeLessThanOrEqual(lost);
      expect(runs.find(run => run.source === day.source)).toMatchObject({ isFull: true, problem: null });
    }
    expect((await completeness()).some(({ outOfOrder }) => outOfOrder > 0)).toBe(true);
    expect((await completeness()).map(({ source }) => source)).toEqual(["hubspot", "stripe", "zendesk"]);
  }, 60_000);

  it("are read by what changed where that suffices, and by everything where it does not", async () => {
    const runs = await reconcile({ sources });
    expect(runs.map(({ source, isFull, found }) => [source, isFull, found])).toEqual([
      ["hubspot", false, 0],
      // Nobody tells what changed of its invoices, which the mirror holds.
      ["stripe", true, 0],
      ["zendesk", false, 0],
    ]);
  });

  it("a source that sends no word cannot be reconciled", async () => {
    const response = await fetch(`${world.address}/intake/reconcile`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ sources: ["fx"] }),
    });
    expect([response.status, await response.text()]).toEqual([
      400,
      expect.stringMatching(/fx sends no word of changes; these do:.* hubspot/),
    ]);
  });
});
