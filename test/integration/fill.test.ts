import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { fillCollection, type FillParts } from "../../src/intake/fill.ts";
import { rebuildIndex } from "../../src/intake/rebuild-index.ts";
import { silent, startWorld, type TestWorld } from "../support/world.ts";

const question = `{ customer(id: "4821") { id name identities { source } } customers(first: 1) { totalCount } }`;

let world: TestWorld;
beforeEach(async () => {
  world = await startWorld({ customers: 120 });
});
afterEach(() => world.close());

/** Reads one collection anew, as the regular refresh does. */
async function refill(collection: string) {
  const { catalog, gateway, upstreamOf } = world.product;
  const parts: FillParts = {
    catalog,
    upstreamOf,
    mirror: gateway.mirror,
    index: gateway.index,
    clock: gateway.clock,
    logger: silent,
  };
  const signal = new AbortController().signal;
  const result = await fillCollection(parts, catalog.get(collection), {
    priority: "bulk",
    signal,
    deadlineAtMs: Date.now() + 20_000,
    requestId: "r",
  });
  await rebuildIndex(parts);
  gateway.clear();
  return result;
}

describe("a listing that is not what it was", () => {
  it.each([
    [
      "empty",
      "stripe.customers",
      {
        source: "stripe",
        match: "/v1/customers?",
        kind: "malformed",
        body: '{"object":"list","data":[],"has_more":false}',
        contentType: "application/json",
      },
      "UPSTREAM_LISTING",
    ],
    [
      "without a field",
      "zendesk.users",
      { source: "zendesk", match: "/users?", kind: "drift", change: { remove: "email" } },
      "UPSTREAM_CONTRACT",
    ],
    [
      "with a renamed field",
      "hubspot.contacts",
      { source: "hubspot", match: "contacts?", kind: "drift", change: { rename: { from: "email", to: "mail" } } },
      "UPSTREAM_CONTRACT",
    ],
    [
      "cut after a page",
      "hubspot.contacts",
      { source: "hubspot", match: "contacts?", kind: "drift", change: { remove: "paging" } },
      null,
    ],
    [
      "null",
      "hubspot.contacts",
      { source: "hubspot", match: "contacts?", kind: "malformed", body: "null", contentType: "application/json" },
      "UPSTREAM_CONTRACT",
    ],
  ])("%s: drops nobody from %s", async (_name, collection, fault, code) => {
    const before = await world.ask(question);
    expect(before.data.customer.identities.length).toBeGreaterThan(4);
    await world.fault(fault);
    const result = await refill(collection);
    if (code === null) expect(result).toMatchObject({ dropped: 0 });
    else expect(result).toMatchObject({ isComplete: false, dropped: 0, error: { code } });
    await world.heal();
    expect((await world.ask(question)).data).toEqual(before.data);
  });

  it("a few that are gone are dropped", async () => {
    const gone = { entity: { key: "900000000001", name: "Gone", email: null } as never, issues: [], clues: [], fetchedAtMs: 1 };
    await world.product.gateway.mirror.put("zendesk.users", [gone]);
    expect(await refill("zendesk.users")).toMatchObject({ isComplete: true, dropped: 1 });
  });
});
