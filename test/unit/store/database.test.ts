import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { Secret } from "../../../src/core/secret.ts";
import { CustomerIndex, type IndexedCustomer } from "../../../src/store/customer-index.ts";
import { type Database, openDatabase } from "../../../src/store/database.ts";
import { FieldShapes } from "../../../src/store/field-shapes.ts";
import { Mirror, type MirrorRecord } from "../../../src/store/mirror.ts";
import { postgresPassword, startPostgres } from "../../support/postgres.ts";

let server: Awaited<ReturnType<typeof startPostgres>>;
let schemas = 0;
let schema = "store_0";
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.remove());
beforeEach(() => {
  schema = `store_${++schemas}`;
});

const openShared = () => openDatabase(new Secret(server.url), schema);
const drivers: readonly [string, () => Promise<Database>][] = [
  ["embedded", () => openDatabase(null)],
  ["server", openShared],
];

const record = (key: string, fetchedAtMs: number, name = "Ada"): MirrorRecord => ({
  entity: { key, name, note: 'it\'s 1 € \\ "x"', amounts: [1.5, null], at: "2026-01-01T00:00:00.000Z" } as never,
  issues: [],
  clues: [{ space: "crm", value: `c-${key}` }],
  fetchedAtMs,
});
const customer = (id: string, keys: readonly string[], more: Partial<IndexedCustomer> = {}): IndexedCustomer => ({
  id,
  members: keys.map(key => ({ collection: "crm.people", key })),
  clues: keys.map(key => ({ space: "email", value: `${key}@example.com` })),
  country: "DE",
  status: null,
  createdAt: null,
  ...more,
});

describe.each(drivers)("the store, %s", (_name, open) => {
  let database: Database;
  beforeAll(async () => {
    database = await open();
  });
  beforeEach(async () => {
    await database.query("TRUNCATE mirror, fill, customer, member, clue, redirect, field_shape");
    await database.query("UPDATE customer_index SET version = 0, is_behind = true");
  });
  afterAll(() => database.close());

  it("gives records back as they were put, the newest of each key", async () => {
    const mirror = new Mirror(database);
    await mirror.put("crm.people", [record("1", 1_790_000_000_000), record("Ä", 20), record("a", 30)]);
    await mirror.put("crm.people", [record("Ä", 10, "older"), record("a", 40, "newer"), record("a", 50, "newest")]);
    expect(await mirror.all("crm.people")).toEqual([record("1", 1_790_000_000_000), record("a", 50, "newest"), record("Ä", 20)]);
    expect([...(await mirror.fresh("crm.people", ["1", "a", "none"], 50)).keys()].sort()).toEqual(["1", "a"]);
    expect(await mirror.count("crm.people")).toBe(3);
    expect(await mirror.unseen("crm.people", 50)).toEqual(["Ä"]);
  });

  it("keeps the later version of a record, whichever was fetched later, and knows that it was seen", async () => {
    const mirror = new Mirror(database);
    const of = (key: string, fetchedAtMs: number, name: string, versionMs?: number) => ({
      ...record(key, fetchedAtMs, name),
      ...(versionMs !== undefined && { versionMs }),
    });
    await mirror.put("crm.people", [of("lagging", 10, "new", 500), of("unmarked", 10, "old"), of("edited", 10, "old", 500)]);
    const changed = await mirror.put("crm.people", [
      of("lagging", 20, "old", 400),
      of("unmarked", 20, "new"),
      of("edited", 20, "new", 500),
    ]);
    expect(changed.map(({ key }) => key)).toEqual(["edited", "unmarked"]);
    const found = await mirror.fresh("crm.people", ["lagging", "unmarked", "edited"], 20);
    expect([...found.values()].map(({ entity }) => entity["name"])).toEqual(["new", "new", "new"]);
    expect(await mirror.unseen("crm.people", 20)).toEqual([]);
  });

  it("gives the records of many owners, and of none that has more than is asked for", async () => {
    const mirror = new Mirror(database);
    const of = (key: string, customer: string) => ({ ...record(key, 1), entity: { key, customer } as never });
    await mirror.put("crm.bills", [of("1", "a"), of("2", "a"), of("3", "b"), of("4", "c"), of("5", "a")]);
    const owned = await mirror.owned("crm.bills", ["a", "b", "none"], 2);
    expect([...owned].map(([owner, records]) => [owner, records.map(({ entity }) => entity.key)])).toEqual([
      ["b", ["3"]],
      ["none", []],
    ]);
    expect(await mirror.trim("crm.bills", 2)).toBe(3);
    expect(await mirror.count("crm.bills")).toBe(2);
    await mirror.giveUp("crm.bills", 1_000);
    expect([await mirror.count("crm.bills"), mirror.isGivenUp("crm.bills", 999), mirror.isGivenUp("crm.bills", 1_000)]).toEqual([
      0,
      true,
      false,
    ]);
  });

  it("drops what is gone when a reading ends, and knows when it did", async () => {
    const mirror = new Mirror(database);
    await mirror.put("crm.people", [record("1", 10), record("2", 10), record("3", 30)]);
    expect(await mirror.asOf("crm.people")).toBeUndefined();
    const completed = { gone: ["2", "3"], sinceMs: 20, completedAtMs: 1_790_000_000_123, isIndexed: true };
    expect(await mirror.completeFill("crm.people", completed)).toEqual([{ key: "2", owners: [] }]);
    expect(await mirror.asOf("crm.people")).toBe(20);
    expect(await mirror.count("crm.people")).toBe(2);
    expect([...(await mirror.fills())]).toEqual([["crm.people", 1_790_000_000_123]]);
  });

  it("finds customers by every key, pages and counts them", async () => {
    const index = new CustomerIndex(database);
    await index.replace([
      customer("b", ["1", "2"]),
      customer("a", ["3"], { country: null, status: "active" }),
      customer("B", ["4"]),
    ]);
    expect(await index.find("2")).toEqual(["b"]);
    expect(await index.find("nul\0")).toEqual([]);
    expect(await index.findByKey("crm", "3")).toEqual(["a"]);
    expect(await index.findByMailbox("1@example.com")).toEqual(["b"]);
    expect(await index.page({}, null, 2)).toEqual(["B", "a"]);
    expect(await index.page({}, "a", 2)).toEqual(["b"]);
    expect(await index.page({ country: "DE", source: "crm" }, null, 9)).toEqual(["B", "b"]);
    expect(await index.count({ status: "active" })).toBe(1);
    expect((await index.membersOf(["b", "none"])).get("b")).toEqual([
      { collection: "crm.people", key: "1" },
      { collection: "crm.people", key: "2" },
    ]);
  });

  it("leads from a retired id to where its first record went, and forgets what it knew", async () => {
    const index = new CustomerIndex(database);
    await index.replace([customer("a", ["1"]), customer("b", ["2"])]);
    expect(await index.find("1")).toEqual(["a"]);
    await index.replace([customer("b", ["1", "2"])]);
    expect(await index.find("1")).toEqual(["b"]);
    expect(await index.find("a")).toEqual(["b"]);
  });

  it("leads from an id retired long ago to where it is now, through every merge since", async () => {
    const index = new CustomerIndex(database);
    await index.replace([customer("c", ["3"]), customer("b", ["2"]), customer("a", ["1"])]);
    await index.replace([customer("b", ["2", "3"]), customer("a", ["1"])]);
    await index.replace([customer("a", ["1", "2", "3"])]);
    expect([await index.find("c"), await index.find("b")]).toEqual([["a"], ["a"]]);
    await index.replace([customer("a", ["1"]), customer("b", ["2", "3"])]);
    expect(await index.find("b")).toEqual(["b"]);
  });

  it("knows that the index is behind the mirror from the end of a reading until it is made anew", async () => {
    const index = new CustomerIndex(database);
    expect(await index.isBehind()).toBe(true);
    await index.replace([]);
    expect(await index.isBehind()).toBe(false);
    const completed = { gone: [], sinceMs: 0, completedAtMs: 1 };
    await new Mirror(database).completeFill("crm.invoices", { ...completed, isIndexed: false });
    expect(await index.isBehind()).toBe(false);
    await new Mirror(database).completeFill("crm.people", { ...completed, isIndexed: true });
    expect(await index.isBehind()).toBe(true);
  });

  it("keeps the fields of collections", async () => {
    const shapes = new FieldShapes(database);
    await shapes.put("crm.people", ["a"]);
    await shapes.put("crm.people", ["a", "b"]);
    expect([...(await shapes.all())]).toEqual([["crm.people", ["a", "b"]]]);
  });

  it("does nothing of a transaction that fails, and works on", async () => {
    const mirror = new Mirror(database);
    const broken = database.transaction(async inside => {
      await inside.query("INSERT INTO fill VALUES ('crm.people', 1, 1, 1)");
      await inside.query("SELECT 1 / 0");
    });
    await expect(broken).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: "the store refused a statement: division by zero",
    });
    expect((await mirror.fills()).size).toBe(0);
  });

  it("does work alone, and hands back what it came to, also an error", async () => {
    expect(await database.exclusively("work", async () => 1)).toEqual({ value: 1 });
    await expect(database.exclusively("work", () => Promise.reject(new Error("own")))).rejects.toThrow("own");
    expect(await database.exclusively("work", async () => 2)).toEqual({ value: 2 });
  });
});

describe("a server that several share", () => {
  it("is migrated once by many that start at once", async () => {
    const opened = await Promise.all(Array.from({ length: 6 }, openShared));
    const rows = await opened[0]!.query<{ version: number }>("SELECT version FROM migration ORDER BY version");
    expect(rows.map(({ version }) => version)).toEqual(rows.map((_row, index) => index + 1));
    expect(await opened[5]!.query("SELECT version FROM customer_index")).toHaveLength(1);
    await Promise.all(opened.map(database => database.close()));
  });

  it("is refused when a newer release has migrated it", async () => {
    const database = await openShared();
    await database.query("INSERT INTO migration VALUES (999)");
    await database.close();
    await expect(openShared()).rejects.toMatchObject({
      code: "STORE_NEWER",
      retryable: false,
      message: expect.stringContaining("version 999"),
    });
  });

  it("keeps stores of other names apart", async () => {
    const one = await openShared();
    schema = `${schema}_other`;
    const other = await openShared();
    await new Mirror(one).put("crm.people", [record("1", 1)]);
    expect(await new Mirror(other).count("crm.people")).toBe(0);
    expect(await one.exclusively("work", () => other.exclusively("work", async () => "both"))).toEqual({
      value: { value: "both" },
    });
    await Promise.all([one.close(), other.close()]);
  });

  it("lets one do a work at a time, and the next one when that one has ended", async () => {
    const [one, other] = await Promise.all([openShared(), openShared()]);
    const inside = await one.exclusively("work", () => other.exclusively("work", async () => "never"));
    expect(inside).toEqual({ value: undefined });
    expect(await other.exclusively("work", async () => "now")).toEqual({ value: "now" });
    await Promise.all([one.close(), other.close()]);
  });

  it("shows an index that one has replaced to the others within a second or so", async () => {
    const [one, other] = await Promise.all([openShared(), openShared()]);
    const [writer, reader] = [new CustomerIndex(one), new CustomerIndex(other)];
    await writer.replace([customer("a", ["1"])]);
    expect(await reader.find("1")).toEqual(["a"]);
    expect((await reader.membersOf(["a"])).size).toBe(1);
    await writer.replace([customer("b", ["1"])]);
    await new Promise(resolve => setTimeout(resolve, 1_100));
    expect(await reader.find("1")).toEqual(["b"]);
    expect((await reader.membersOf(["a"])).size).toBe(0);
    await Promise.all([one.close(), other.close()]);
  });

  it("two that replace the index at once leave the whole of one", async () => {
    const [one, other] = await Promise.all([openShared(), openShared()]);
    const many = (prefix: string) =>
      Array.from({ length: 200 }, (_each, number) => customer(`${prefix}${number}`, [`${number}`]));
    await Promise.all([new CustomerIndex(one).replace(many("a")), new CustomerIndex(other).replace(many("b"))]);
    const ids = await new CustomerIndex(one).page({}, null, 1_000);
    expect(new Set(ids.map(id => id[0])).size).toBe(1);
    expect(ids).toHaveLength(200);
    await Promise.all([one.close(), other.close()]);
  });

  it("is said to be away while it is, without its password, and is used again when it is back", async () => {
    const database = await openShared();
    await database.query("SELECT 1");
    await server.stop();
    const lost = await database.query("SELECT 1").catch((thrown: unknown) => thrown as Error);
    expect(lost).toMatchObject({
      code: "STORE_UNAVAILABLE",
      retryable: true,
      message: expect.stringMatching(/^the store cannot be reached: ./),
    });
    const unopened = await openShared().catch((thrown: unknown) => thrown as Error);
    expect(unopened).toMatchObject({ code: "STORE_UNAVAILABLE", message: expect.stringContaining("ECONNREFUSED") });
    expect(`${(lost as Error).message}${(unopened as Error).message}${database.description}`).not.toContain(postgresPassword);
    await server.start();
    expect(await database.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await database.close();
  });

  it("a connection that is lost inside a transaction or a work fails that one alone", async () => {
    const database = await openShared();
    const end =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = 'tributary'";
    const cut = database.transaction(async inside => {
      await inside.query("INSERT INTO fill VALUES ('crm.people', 1, 1, 1)");
      await database.query(end);
      await inside.query("SELECT 1");
    });
    await expect(cut).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", message: expect.stringContaining("cannot be reached") });
    await database.exclusively("work", () => database.query(end));
    expect((await new Mirror(database).fills()).size).toBe(0);
    await database.close();
  });
});
