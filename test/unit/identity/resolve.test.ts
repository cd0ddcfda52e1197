import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { matchEmail } from "../../../src/identity/match-email.ts";
import { type IdentityRecord, resolveIdentity } from "../../../src/identity/resolve.ts";

const single = new Set(["billing.customers", "desk.users"]);
const rules = { onePerCustomer: single };
const blank = { name: null, email: null, phone: null, company: null, country: null };
const record = (
  collection: string,
  key: string,
  traits: Partial<IdentityRecord> = {},
  ...clues: [string, string][]
): IdentityRecord => ({ ...blank, collection, key, ...traits, clues: clues.map(([space, value]) => ({ space, value })) });
const groups = async (records: readonly IdentityRecord[]) =>
  (await resolveIdentity(records, rules))
    .map(cluster => cluster.members.map(member => `${member.collection}:${member.key}`).join(" "))
    .sort();
const ann = { name: "Ann Lee", email: "ann.lee+crm@gmail.com", phone: "+441632960960" };

describe("resolveIdentity", () => {
  it("knows nobody, and one record as one customer", async () => {
    expect(await groups([])).toEqual([]);
    expect(await groups([record("crm.contacts", "1")])).toEqual(["crm.contacts:1"]);
  });

  it("puts records with the same explicit key together", async () => {
    const records = [record("crm.contacts", "1", {}, ["account", "A"]), record("billing.customers", "c1", {}, ["account", "A"])];
    expect(await groups(records)).toEqual(["billing.customers:c1 crm.contacts:1"]);
  });

  it("follows a reference to another collection's key", async () => {
    const records = [record("desk.users", "7", {}, ["billing.customers", "c1"]), record("billing.customers", "c1")];
    expect(await groups(records)).toEqual(["billing.customers:c1 desk.users:7"]);
  });

  it("puts together what is alike, whatever the tag and dots of the mailbox", async () => {
    const records = [record("crm.contacts", "1", ann), record("billing.customers", "c1", { ...ann, email: "annlee@gmail.com" })];
    expect(await groups(records)).toHaveLength(1);
  });

  it("outlives a slip in the name when mailbox and telephone agree", async () => {
    const records = [record("crm.contacts", "1", ann), record("billing.customers", "c1", { ...ann, name: "Lee, Anne" })];
    expect(await groups(records)).toHaveLength(1);
  });

  it("never puts records together for a role mailbox", async () => {
    const info = { email: "info@acme.com" };
    const records = [
      record("crm.contacts", "1", { ...info, name: "Ann Lee" }),
      record("billing.customers", "c1", { ...info, name: "Bo Ek" }),
    ];
    expect(await groups(records)).toHaveLength(2);
  });

  it("leaves a record alone that might as well be either of two customers", async () => {
    const shared = { email: "pair@x.org" };
    const records = [
      record("billing.customers", "c1", shared),
      record("billing.customers", "c2", shared),
      record("crm.contacts", "1", shared),
    ];
    expect(await groups(records)).toHaveLength(3);
  });

  it("tells by the name which of two customers with one mailbox a record is", async () => {
    const shared = { email: "pair@x.org" };
    const records = [
      record("billing.customers", "c1", { ...shared, name: "Ann Lee" }),
      record("billing.customers", "c2", { ...shared, name: "Bo Ek" }),
      record("crm.contacts", "1", { ...shared, name: "Bo Ek" }),
    ];
    expect(await groups(records)).toEqual(["billing.customers:c1", "billing.customers:c2 crm.contacts:1"]);
  });

  it("refuses a merge that would give one customer two values of an explicit key", async () => {
    const records = [
      record("crm.contacts", "1", ann, ["account", "A"]),
      record("billing.customers", "c1", ann, ["account", "B"]),
    ];
    expect(await groups(records)).toHaveLength(2);
  });

  it("keeps a customer's id when it gains a larger record", async () => {
    const before = (await resolveIdentity([record("billing.customers", "c1", ann)], rules))[0]?.id;
    const after = await resolveIdentity([record("crm.contacts", "1", ann), record("billing.customers", "c1", ann)], rules);
    expect(after.map(cluster => cluster.id)).toEqual([before]);
  });

  describe("people's decisions", () => {
    const crm = record("crm.contacts", "1", ann, ["account", "A"]);
    const billing = record("billing.customers", "c1", ann, ["account", "A"]);
    const other = record("billing.customers", "c2", { name: "Bo Ek" }, ["account", "B"]);
    const decided = async (type: "link" | "unlink", a: IdentityRecord, b: IdentityRecord) =>
      (await resolveIdentity([crm, billing, other], { onePerCustomer: single, decisions: [{ type, a: id(a), b: id(b) }] }))
        .map(({ members }) => members.map(id).join(" "))
        .sort();
    const id = ({ collection, key }: IdentityRecord) => `${collection}:${key}`;

    it("keep apart what an explicit key would put together", async () => {
      expect(await decided("unlink", crm, billing)).toEqual([id(billing), id(other), id(crm)]);
    });

    it("put together what explicit keys would keep apart", async () => {
      expect(await decided("link", crm, other)).toContain(`${id(other)} ${id(crm)}`);
    });

    it("wait for a record that is not there", async () => {
      expect(await decided("link", crm, record("desk.users", "9"))).toEqual([`${id(billing)} ${id(crm)}`, id(other)]);
    });
  });

  const anyRecord = fc.record({
    phone: fc.constant(null),
    company: fc.constant(null),
    country: fc.constant(null),
    collection: fc.constantFrom("crm.contacts", "billing.customers", "desk.users"),
    key: fc.integer({ min: 1, max: 12 }).map(String),
    name: fc.option(fc.constantFrom("Ann Lee", "Anne Lee", "Bo Ek")),
    email: fc.option(fc.constantFrom("a@x.org", "b@x.org", "a+1@x.org", "info@x.org")),
    clues: fc.array(
      fc.record({ space: fc.constantFrom("account", "billing.customers"), value: fc.constantFrom("1", "2", "3") }),
      {
        maxLength: 1,
      },
    ),
  });
  const someRecords = fc.uniqueArray(anyRecord, { maxLength: 20, selector: each => `${each.collection}:${each.key}` });

  it("gives the same clusters and ids for every order of the records", async () => {
    const orders = someRecords.chain(given =>
      fc.tuple(fc.constant(given), fc.shuffledSubarray(given, { minLength: given.length })),
    );
    await fc.assert(
      fc.asyncProperty(orders, async ([given, shuffled]) => {
        expect(await resolveIdentity(shuffled, rules)).toEqual(await resolveIdentity(given, rules));
      }),
      { numRuns: 40 },
    );
  });

  it("never lets two records of a one-per-customer collection into one cluster", async () => {
    await fc.assert(
      fc.asyncProperty(someRecords, async records => {
        for (const { members } of await resolveIdentity(records, rules)) {
          for (const collection of single)
            expect(members.filter(member => member.collection === collection).length).toBeLessThan(2);
        }
      }),
      { numRuns: 60 },
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
