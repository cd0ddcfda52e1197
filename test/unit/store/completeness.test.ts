import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Completeness } from "../../../src/store/completeness.ts";
import { type Database, openDatabase } from "../../../src/store/database.ts";
import { type Arrival, Inbox } from "../../../src/store/inbox.ts";

const DAY_MS = 86_400_000;
const NOON_MS = Date.UTC(2026, 10, 23, 12);

const arrival = (identity: string, key: string, receivedAtMs: number, occurredAtMs = receivedAtMs): Arrival => ({
  source: "crm",
  identity,
  channel: "webhook",
  type: "changed",
  object: { collection: "crm.people", key },
  isDeletion: false,
  occurredAtMs,
  receivedAtMs,
  body: "{}",
});

let database: Database;
beforeAll(async () => {
  database = await openDatabase(null);
});
afterAll(() => database.close());

describe("how complete events were", () => {
  it("is counted by day, and a day that is over keeps its count when its events are forgotten", async () => {
    const [inbox, completeness] = [new Inbox(database), new Completeness(database)];
    await inbox.accept([
      arrival("a", "1", NOON_MS),
      arrival("a", "1", NOON_MS),
      arrival("b", "1", NOON_MS + 10, NOON_MS - 10),
      arrival("c", "2", NOON_MS, NOON_MS - 61_000),
      arrival("d", "3", NOON_MS + 5_000),
    ]);
    await completeness.note("crm", "crm.people", ["1", "3", "9"], NOON_MS + 1_000);
    await completeness.count(NOON_MS + 10_000);
    const day = { source: "crm", day: "2026-11-23", delivered: 4, duplicated: 1, late: 2, outOfOrder: 1, missed: 1 };
    expect(await completeness.days(NOON_MS)).toEqual([day]);

    const laterMs = NOON_MS + 8 * DAY_MS;
    await database.query("UPDATE inbox SET state = 'done', settled_at_ms = received_at_ms");
    expect(await inbox.prune(laterMs - 7 * DAY_MS)).toBe(4);
    await inbox.accept([arrival("e", "1", laterMs)]);
    await completeness.count(laterMs);
    expect(await completeness.days(NOON_MS)).toEqual([
      { source: "crm", day: "2026-12-01", delivered: 1, duplicated: 0, late: 0, outOfOrder: 0, missed: 0 },
      day,
    ]);
  });
});
