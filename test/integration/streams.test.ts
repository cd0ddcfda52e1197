import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { differencesOf } from "../support/mirror-truth.ts";
import { startWorld, type TestWorld } from "../support/world.ts";
import { until } from "../support/until.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld({ customers: 40, hasStreams: true });
});
afterAll(() => world.close());

interface Event {
  readonly source: string;
  readonly channel: string;
  readonly collection: string;
  readonly key: string;
  readonly state: string;
  readonly outcome: string;
}
const events = async (query: string) =>
  ((await (await fetch(`${world.address}/intake/events?limit=1000&${query}`)).json()) as { events: Event[] }).events;

const settled = async (source: string, count: number) => {
  const all = await events(`source=${source}`);
  return all.length >= count && all.every(({ state }) => state !== "waiting");
};

describe("what a source tells over a stream", () => {
  it("over a WebSocket is asked for, and is in the mirror", async () => {
    await world.change("product", 30);
    await until(() => settled("product", 20));
    const told = await events("source=product");
    expect(new Set(told.map(({ channel, collection, state }) => `${channel} ${collection} ${state}`))).toEqual(
      new Set(["changes product.accounts done"]),
    );
    expect(told.filter(({ outcome }) => outcome === "changed").length).toBeGreaterThan(5);
    const { catalog, upstreamOf, gateway } = world.product;
    const { different, records } = await differencesOf({ catalog, upstreamOf, mirror: gateway.mirror }, "product.accounts");
    expect([different, records > 20]).toEqual([[], true]);
  });

  it("by server-sent events is taken as it is, where it cannot be asked for", async () => {
    await world.change("clickstream", 25);
    await until(() => settled("clickstream", 25));
    const told = await events("source=clickstream");
    expect(told.map(({ outcome }) => outcome)).toEqual(told.map(() => "changed"));
    const kept = await world.product.gateway.mirror.all("clickstream.events");
    expect(new Set(kept.map(({ entity }) => entity.key))).toEqual(new Set(told.map(({ key }) => key)));
  });
});
