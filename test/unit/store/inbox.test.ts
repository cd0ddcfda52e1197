import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { Secret } from "../../../src/core/secret.ts";
import { type Database, openDatabase } from "../../../src/store/database.ts";
import { type Arrival, Inbox } from "../../../src/store/inbox.ts";
import { startPostgres } from "../../support/postgres.ts";

let server: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.remove());

const arrival = (identity: string, key: string | null = "7", more: Partial<Arrival> = {}): Arrival => ({
  source: "crm",
  identity,
  channel: "webhook",
  type: "person.changed",
  object: key === null ? null : { collection: "crm.people", key },
  isDeletion: false,
  occurredAtMs: 900,
  receivedAtMs: 1_000,
  body: '{"id":"ü"}',
  ...(key === null && { problem: "no key" }),
  ...more,
});
const now = { source: "crm", nowMs: 1_000, forMs: 60_000, max: 100 };

const drivers: readonly [string, () => Promise<Database>][] = [
  ["embedded", () => openDatabase(null)],
  ["server", () => openDatabase(new Secret(server.url))],
];

describe.each(drivers)("the inbox, %s", (_name, open) => {
  let database: Database;
  let inbox: Inbox;
  beforeAll(async () => {
    database = await open();
    inbox = new Inbox(database);
  });
  beforeEach(() => database.query("TRUNCATE inbox, inbox_lease, stream_position, stream_gap"));
  afterAll(() => database.close());

  it("keeps an event once, however often it comes, and counts", async () => {
    expect(await inbox.accept([arrival("a"), arrival("b", "8"), arrival("a")])).toBe(2);
    expect(await inbox.accept([arrival("a"), arrival("a", "7", { source: "other" })])).toBe(1);
    const events = await inbox.list({ limit: 10, source: "crm" });
    expect(events.map(({ identity, deliveries, state }) => [identity, deliveries, state])).toEqual([
      ["b", 1, "waiting"],
      ["a", 3, "waiting"],
    ]);
    expect(events[1]).toMatchObject({ body: '{"id":"ü"}', occurredAtMs: 900, receivedAtMs: 1_000, key: "7", attempts: 0 });
  });

  it("keeps what it cannot read, for somebody to look at", async () => {
    await inbox.accept([arrival("a", null, { body: "{\u0000" })]);
    expect(await inbox.lease("w", now)).toEqual([]);
    expect(await inbox.list({ state: "dead", limit: 10 })).toMatchObject([{ outcome: "no key", key: null, body: "{\ufffd" }]);
    expect(await inbox.retry("all", 2_000)).toBe(0);
    expect(await inbox.discard("all", 2_000)).toBe(1);
  });

  it("gives an object to one worker at a time, with all its events in order", async () => {
    await inbox.accept([arrival("a"), arrival("b", "8"), arrival("c")]);
    expect((await inbox.lease("one", { ...now, max: 1 })).map(event => event.identity)).toEqual(["a", "c"]);
    await inbox.accept([arrival("d")]);
    expect((await inbox.lease("two", now)).map(event => event.identity)).toEqual(["b"]);
    expect(await inbox.lease("three", now)).toEqual([]);
  });

  it("gives an object to somebody else when its worker is dead", async () => {
    await inbox.accept([arrival("a")]);
    const [event] = await inbox.lease("dead", now);
    expect((await inbox.lease("two", { ...now, nowMs: 61_000 })).map(({ id }) => id)).toEqual([event!.id]);
    await inbox.settle("dead", [], 61_000);
    expect(await inbox.lease("three", { ...now, nowMs: 61_001 })).toEqual([]);
  });

  it("gives an object free when it is settled", async () => {
    await inbox.accept([arrival("a")]);
    const [event] = await inbox.lease("one", now);
    await inbox.accept([arrival("b")]);
    await inbox.settle("one", [{ ids: [event!.id], outcome: "changed" }], 1_500);
    expect((await inbox.lease("two", now)).map(({ identity }) => identity)).toEqual(["b"]);
    expect(await inbox.get(event!.id)).toMatchObject({ state: "done", outcome: "changed", settledAtMs: 1_500, attempts: 1 });
  });

  it("lets what failed wait, and gives up what is never due again", async () => {
    await inbox.accept([arrival("a"), arrival("b", "8")]);
    const [a, b] = await inbox.lease("one", now);
    await inbox.settle(
      "one",
      [
        { ids: [a!.id], problem: "down", dueAtMs: 5_000 },
        { ids: [b!.id], problem: "broken", dueAtMs: null },
      ],
      1_000,
    );
    expect(await inbox.nextDueMs("crm")).toBe(5_000);
    expect(await inbox.lease("two", now)).toEqual([]);
    expect((await inbox.lease("two", { ...now, nowMs: 5_000 })).map(({ id, attempts }) => [id, attempts])).toEqual([[a!.id, 1]]);
    expect(await inbox.counts()).toEqual([
      { source: "crm", state: "dead", events: 1 },
      { source: "crm", state: "waiting", events: 1 },
    ]);
    expect(await inbox.retry([b!.id], 6_000)).toBe(1);
    expect(await inbox.get(b!.id)).toMatchObject({ state: "waiting", attempts: 0, outcome: "broken" });
  });

  it("keeps how far a stream has been read together with what came", async () => {
    expect(await inbox.position("crm.live")).toBeNull();
    await inbox.accept([arrival("a")], { stream: "crm.live", position: "41", atMs: 5 });
    await inbox.accept([arrival("a")], { stream: "crm.live", position: "42", atMs: 6 });
    expect(await inbox.position("crm.live")).toEqual({ stream: "crm.live", position: "42", atMs: 6 });
    const broken = inbox.accept([arrival("b", "9", { type: null as never })], { stream: "crm.live", position: "43", atMs: 7 });
    await expect(broken).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(await inbox.position("crm.live")).toEqual({ stream: "crm.live", position: "42", atMs: 6 });
  });

  it("keeps what of a stream was missed until somebody has made good for it", async () => {
    await inbox.accept([], { stream: "crm.live", position: "41", atMs: 5 });
    await inbox.noteGap({ stream: "crm.live", fromMs: 5, atMs: 9, reason: "forgotten" });
    expect(await inbox.position("crm.live")).toBeNull();
    expect(await inbox.openGaps("crmx")).toEqual([]);
    const [gap] = await inbox.openGaps("crm");
    expect(gap).toMatchObject({ fromMs: 5, atMs: 9, reason: "forgotten" });
    await inbox.closeGaps([gap!.id], 10);
    expect(await inbox.openGaps("crm")).toEqual([]);
  });

  it("forgets what is settled long ago, and nothing else", async () => {
    await inbox.accept([arrival("a"), arrival("b", "8"), arrival("c", null)]);
    const [a] = await inbox.lease("one", now);
    await inbox.settle("one", [{ ids: [a!.id], outcome: "changed" }], 1_500);
    expect(await inbox.prune(1_500)).toBe(0);
    expect(await inbox.prune(9_999)).toBe(1);
    expect((await inbox.list({ limit: 9 })).map(({ identity }) => identity)).toEqual(["c", "b"]);
  });
});
