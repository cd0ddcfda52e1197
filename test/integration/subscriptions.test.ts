import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";
import { WebSocket } from "ws";
import type { Change } from "../../src/core/changes.ts";
import { LocalChanges } from "../../src/core/changes.ts";
import { type Loose, startWorld, type TestWorld } from "../support/world.ts";
import { until } from "../support/until.ts";

type Payload = { readonly data?: Loose; readonly errors?: readonly Loose[] };
interface Listening {
  readonly told: Payload[];
  readonly state: { isOver: boolean; failure?: unknown };
  readonly stop: () => void;
}

/** Two clients that are not ours. */
const transports = {
  "server-sent events": (world: TestWorld) => createSseClient({ url: world.url, retryAttempts: 0 }),
  "a WebSocket": (world: TestWorld) =>
    createWsClient({ url: world.url.replace("http", "ws"), webSocketImpl: WebSocket, retryAttempts: 0 }),
};
type Transport = keyof typeof transports;
const names = Object.keys(transports) as Transport[];

function listen(world: TestWorld, transport: Transport, query: string, variables: Record<string, unknown> = {}): Listening {
  const client = transports[transport](world);
  const told: Payload[] = [];
  const state: Listening["state"] = { isOver: false };
  const end = (failure?: unknown) => {
    state.isOver = true;
    if (failure !== undefined) state.failure = failure;
  };
  const leave = client.subscribe(
    { query, variables },
    { next: value => void told.push(value as Payload), error: end, complete: () => end() },
  );
  const stop = () => {
    leave();
    void client.dispose();
  };
  return { told, state, stop };
}

const change = (more: Partial<Change> = {}): Change => ({
  source: "stripe",
  collection: "stripe.invoices",
  entity: "Invoice",
  key: "in_1",
  kind: "changed",
  owners: ["cus_1"],
  atMs: Date.UTC(2026, 0, 1),
  ...more,
});

/** Subscribing takes a moment, of which a client hears nothing: what is told is told until it is heard. */
async function heard(world: TestWorld, listening: Listening, changes: readonly Change[]): Promise<void> {
  await until(async () => {
    if (listening.told.length === 0) world.product.changes.publish(changes);
    await new Promise(resolve => setTimeout(resolve, 100));
    return listening.told.length > 0;
  });
}

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld({ customers: 40, quotas: false });
});
afterAll(() => world.close());

describe.each(names)("over %s", transport => {
  it("a customer's change arrives with the customer as it is then", async () => {
    const { data } = await world.ask(
      `{ customers(first: 40, filter: {source: "hubspot"}) { nodes { id identities { source key } } } }`,
    );
    const nodes = data.customers.nodes as Loose[];
    const keyOf = (node: Loose) => node.identities.find(({ source }: Loose) => source === "hubspot").key as string;
    const [one, other] = [nodes[0]!, nodes[1]!];
    const listening = listen(
      world,
      transport,
      `subscription Follow($id: ID!) { customerChanged(id: $id) { customer { id name } changes { source collection key kind customer { id } } } }`,
      { id: one.id },
    );
    const changed = (node: Loose) =>
      change({ source: "hubspot", collection: "hubspot.contacts", entity: "Customer", key: keyOf(node), owners: [] });
    await heard(world, listening, [changed(other), changed(one)]);
    const [payload] = listening.told;
    expect(payload!.errors).toBeUndefined();
    expect(payload!.data.customerChanged.customer).toEqual({
      id: one.id,
      name: (await world.ask(`{ customer(id: "${one.id}") { name } }`)).data.customer.name,
    });
    for (const told of payload!.data.customerChanged.changes)
      expect(told).toEqual({
        source: "hubspot",
        collection: "contacts",
        key: keyOf(one),
        kind: "CHANGED",
        customer: { id: one.id },
      });
    listening.stop();
  });

  it("what belongs to a customer concerns it, too", async () => {
    const { data } = await world.ask(
      `{ customers(first: 40, filter: {source: "stripe"}) { nodes { id identities { source key } } } }`,
    );
    const [one] = data.customers.nodes as Loose[];
    const owner = one.identities.find(({ source }: Loose) => source === "stripe").key as string;
    const listening = listen(
      world,
      transport,
      `subscription { customerChanged(id: "${one.id}") { changes { collection key } } }`,
    );
    await heard(world, listening, [change({ owners: ["cus_other"], key: "in_other" }), change({ owners: [owner] })]);
    expect(listening.told[0]!.data.customerChanged.changes[0]).toEqual({ collection: "invoices", key: "in_1" });
    listening.stop();
  });

  it("each change of a source is told, in order, and those of others are not", async () => {
    const listening = listen(world, transport, `subscription { changes(source: "stripe") { source key kind at } }`);
    await heard(world, listening, [change({ key: "first" })]);
    const before = listening.told.length;
    const keys = Array.from({ length: 300 }, (_empty, number) => `in_${number}`);
    world.product.changes.publish(
      keys.flatMap(key => [change({ key, kind: "deleted" }), change({ key, source: "zendesk", collection: "zendesk.tickets" })]),
    );
    await until(() => listening.told.length >= before + keys.length);
    expect(listening.told.slice(before).map(({ data }) => data.changes)).toEqual(
      keys.map(key => ({ source: "stripe", key, kind: "DELETED", at: "2026-01-01T00:00:00.000Z" })),
    );
    listening.stop();
  });

  it("a query is answered once", async () => {
    const listening = listen(world, transport, `{ sources { name } }`);
    await until(() => listening.state.isOver);
    expect(listening.told).toMatchObject([{ data: { sources: expect.any(Array) } }]);
    expect(listening.state.failure).toBeUndefined();
  });

  it.each([
    ["no field of the schema", "subscription { changes { nothing } }", "REQUEST_INVALID"],
    ["no customer", `subscription { customerChanged(id: "nobody") { customer { id } } }`, "REQUEST_INVALID"],
    ["no source", `subscription { changes(source: "sap") { key } }`, "SOURCE_UNKNOWN"],
    ["no text that can be read", "subscription { changes", "REQUEST_INVALID"],
    [
      "too deep",
      `subscription { changes { customer { invoices { customer { invoices { customer { invoices { customer { invoices { customer { invoices { customer { id } } } } } } } } } } } } }`,
      "LIMIT_DEPTH",
    ],
  ])("%s is refused", async (_name, query, code) => {
    const listening = listen(world, transport, query);
    await until(() => listening.state.isOver);
    expect(listening.told).toEqual([]);
    if (transport === "a WebSocket") {
      expect(listening.state.failure).toMatchObject([{ extensions: { code } }]);
      return;
    }
    const response = await fetch(world.url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ query }),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code } }] });
  });

  it("a subscriber that lags behind is told so and dropped; others go on", async () => {
    const own = await startWorld({ customers: 10, quotas: false });
    try {
      await own.fault({ source: "hubspot", kind: "stall" });
      const slow = listen(
        own,
        transport,
        `subscription @freshness(maxAge: 0, staleIfError: false) { changes { key customer { name } } }`,
      );
      const quick = listen(own, transport, `subscription { changes { key } }`);
      await heard(own, quick, [change()]);
      const { data } = await own.ask(
        `{ customers(first: 9, filter: {source: "hubspot"}) { nodes { identities { source key } } } }`,
      );
      const key = data.customers.nodes[0].identities.find(({ source }: Loose) => source === "hubspot").key as string;
      const contact = change({ source: "hubspot", collection: "hubspot.contacts", entity: "Customer", key, owners: [] });
      const before = quick.told.length;
      for (let round = 0; round < 15; round++) {
        own.product.changes.publish(Array.from({ length: 100 }, () => contact));
        await new Promise(resolve => setTimeout(resolve, 50));
      }
      await until(() => quick.told.length >= before + 1_500);
      await until(() => slow.state.isOver, 30_000);
      expect(slow.told.at(-1)!.errors).toMatchObject([{ extensions: { code: "SUBSCRIPTION_SLOW", retryable: true } }]);
      expect(quick.state.isOver).toBe(false);
      quick.stop();
    } finally {
      await own.close();
    }
  }, 120_000);

  it("when changes may have been missed, the subscription ends and says so", async () => {
    const listening = listen(world, transport, `subscription { changes { key } }`);
    await heard(world, listening, [change()]);
    (world.product.changes as LocalChanges).gap();
    await until(() => listening.state.isOver);
    expect(listening.told.at(-1)!.errors).toMatchObject([{ extensions: { code: "SUBSCRIPTION_GAP", retryable: true } }]);
  });

  it("a server that stops ends it, and does not wait", async () => {
    const own = await startWorld({ customers: 5 });
    const listening = listen(own, transport, `subscription { changes { key } }`);
    await heard(own, listening, [change()]);
    const startedAt = performance.now();
    await own.close();
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await until(() => listening.state.isOver);
    expect(listening.state.failure).toBeDefined();
  });
});

it("a change that a webhook tells of arrives within seconds", async () => {
  const own = await startWorld({ customers: 20, quotas: false });
  try {
    await own.hear("stripe");
    const listening = listen(own, "server-sent events", `subscription { changes(source: "stripe") { key customer { id } } }`);
    await until(async () => {
      if (listening.told.length === 0) await own.change("stripe", 3, Math.floor(Math.random() * 1_000));
      await new Promise(resolve => setTimeout(resolve, 500));
      return listening.told.length > 0;
    });
    listening.stop();
  } finally {
    await own.close();
  }
});

it("one that left is forgotten", async () => {
  const feed = world.product.changes;
  let open = 0;
  const subscribe = feed.subscribe.bind(feed);
  feed.subscribe = (...listener) => {
    open++;
    const stop = subscribe(...listener);
    return () => {
      open--;
      stop();
    };
  };
  const all = names.flatMap(name => Array.from({ length: 5 }, () => listen(world, name, `subscription { changes { key } }`)));
  await until(() => open === 10);
  world.product.changes.publish([change()]);
  await until(() => all.every(({ told }) => told.length === 1));
  for (const { stop } of all) stop();
  await until(() => open === 0);
  feed.subscribe = subscribe;
});

it("an ordinary request is told how to subscribe", async () => {
  const { status, errors } = await world.ask(`subscription { changes { key } }`);
  expect(status).toBe(400);
  expect(errors).toMatchObject([
    { message: expect.stringContaining("text/event-stream"), extensions: { code: "REQUEST_INVALID" } },
  ]);
});

it("more streams than may be open are refused", async () => {
  const own = await startWorld({ customers: 5, maxStreams: 2 });
  try {
    const first = listen(own, "server-sent events", `subscription { changes { key } }`);
    const second = listen(own, "a WebSocket", `subscription { changes { key } }`);
    await heard(own, first, [change()]);
    await heard(own, second, [change()]);
    const body = JSON.stringify({ query: `subscription { changes { key } }` });
    const headers = { "content-type": "application/json", accept: "text/event-stream" };
    const third = await fetch(own.url, { method: "POST", headers, body });
    expect(await third.json()).toMatchObject({ errors: [{ extensions: { code: "LIMIT_SUBSCRIPTIONS", limit: 2 } }] });
    first.stop();
    await until(
      async () =>
        (await fetch(own.url, { method: "POST", headers, body: JSON.stringify({ query: "{ sources { name } }" }) })).status ===
        200,
    );
    second.stop();
  } finally {
    await own.close();
  }
});

it.each([
  [{ origin: "https://evil.example" }, 403],
  [{ host: "127.0.0.1" }, 101],
])("a WebSocket asked for with %j is answered %i", async (headers, status) => {
  const { hostname, port } = new URL(world.url);
  const lines = Object.entries({ host: `${hostname}:${port}`, ...headers }).map(([name, value]) => `${name}: ${value}`);
  const socket = connect(Number(port), hostname);
  socket.write(
    `GET /graphql HTTP/1.1\r\n${lines.join("\r\n")}\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n`,
  );
  const [answer] = (await new Promise<Buffer[]>(resolve => socket.once("data", data => resolve([data])))) as [Buffer];
  expect(answer.toString()).toContain(`HTTP/1.1 ${status}`);
  socket.destroy();
});
