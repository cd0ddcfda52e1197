import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { matchEmail } from "../../../src/identity/match-email.ts";
import { type IdentityRecord, resolveIdentity } from "../../../src/identity/resolve.ts";

const single = new Set(["billing.customers", "desk.users"]);
const record = (collection: string, key: string, email: string | null = null, ...clues: [string, string][]): IdentityRecord => ({
  collection,
  key,
  email,
  clues: clues.map(([space, value]) => ({ space, value })),
});
const groups = (records: readonly IdentityRecord[]) =>
  resolveIdentity(records, single)
    .clusters.map(cluster => cluster.members.map(member => `${member.collection}:${member.key}`).join(" "))
    .sort();

describe("resolveIdentity", () => {
  it("puts records with the same explicit key together", () => {
    expect(
      groups([record("crm.contacts", "1", null, ["account", "A"]), record("billing.customers", "c1", null, ["account", "A"])]),
    ).toEqual(["billing.customers:c1 crm.contacts:1"]);
  });

  it("follows a reference to another collection's key", () => {
    expect(groups([record("desk.users", "7", null, ["billing.customers", "c1"]), record("billing.customers", "c1")])).toEqual([
      "billing.customers:c1 desk.users:7",
    ]);
  });

  it("puts the same mailbox together whatever its tag and dots", () => {
    expect(
      groups([record("crm.contacts", "1", "ann.lee+crm@gmail.com"), record("billing.customers", "c1", "annlee@gmail.com")]),
    ).toHaveLength(1);
  });

  it("never puts a role mailbox's records together", () => {
    expect(
      groups([record("crm.contacts", "1", "info@acme.com"), record("billing.customers", "c1", "info@acme.com")]),
    ).toHaveLength(2);
  });

  it("takes an e-mail that a one-per-customer collection has twice for a shared one", () => {
    const shared = [
      record("billing.customers", "c1", "pair@x.org"),
      record("billing.customers", "c2", "pair@x.org"),
      record("crm.contacts", "1", "pair@x.org"),
    ];
    expect(groups(shared)).toHaveLength(3);
  });

  it("refuses a merge that would give one customer two values of an explicit key", () => {
    const records = [
      record("crm.contacts", "1", "pair@x.org", ["account", "A"]),
      record("billing.customers", "c1", "pair@x.org", ["account", "B"]),
    ];
    expect(groups(records)).toHaveLength(2);
    expect(resolveIdentity(records, single).edges).toEqual([expect.objectContaining({ rule: "email", isAccepted: false })]);
  });

  it("keeps a customer's id when it gains a larger record", () => {
    const before = resolveIdentity([record("billing.customers", "c1", "a@x.org")], single).clusters[0]?.id;
    const after = resolveIdentity(
      [record("crm.contacts", "1", "a@x.org"), record("billing.customers", "c1", "a@x.org")],
      single,
    ).clusters;
    expect(after.map(cluster => cluster.id)).toEqual([before]);
  });

  it("gives the same clusters, ids and edges for every order of the records", () => {
    const anyRecord = fc.record({
      collection: fc.constantFrom("crm.contacts", "billing.customers", "desk.users"),
      key: fc.integer({ min: 1, max: 12 }).map(String),
      email: fc.option(fc.constantFrom("a@x.org", "b@x.org", "a+1@x.org", "info@x.org")),
      clues: fc.array(
        fc.record({ space: fc.constantFrom("account", "billing.customers"), value: fc.constantFrom("1", "2", "3") }),
        { maxLength: 1 },
      ),
    });
    const records = fc.uniqueArray(anyRecord, { maxLength: 20, selector: each => `${each.collection}:${each.key}` });
    const orders = records.chain(given => fc.tuple(fc.constant(given), fc.shuffledSubarray(given, { minLength: given.length })));
    fc.assert(
      fc.property(orders, ([given, shuffled]) => {
        expect(resolveIdentity(shuffled, single)).toEqual(resolveIdentity(given, single));
      }),
      { numRuns: 2_000 },
    );
  });

  it("never lets two records of a one-per-customer collection into one cluster", () => {
    const anyRecord = fc.record({
      collection: fc.constantFrom("crm.contacts", "billing.customers", "desk.users"),
      key: fc.integer({ min: 1, max: 9 }).map(String),
      email: fc.option(fc.constantFrom("a@x.org", "b@x.org")),
      clues: fc.array(fc.record({ space: fc.constant("account"), value: fc.constantFrom("1", "2") }), { maxLength: 1 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(anyRecord, { maxLength: 16, selector: each => `${each.collection}:${each.key}` }), records => {
        for (const { members } of resolveIdentity(records, single).clusters) {
          for (const collection of single)
            expect(members.filter(member => member.collection === collection).length).toBeLessThan(2);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("matchEmail", () => {
  it.each([
    ["Ann", "ann.lee+x@gmail.com", "annlee@gmail.com"],
    ["googlemail", "a.b@googlemail.com", "ab@gmail.com"],
    ["dots elsewhere", "a.b@x.org", "a.b@x.org"],
    ["a role", "billing+eu@x.org", null],
    ["only a tag", "+x@y.org", null],
  ])("%s", (_name, email, expected) => {
    expect(matchEmail(email)).toBe(expected);
  });
});
