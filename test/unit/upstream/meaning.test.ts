import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { parseJson } from "../../../src/core/json.ts";
import { createCatalog } from "../../../src/source/catalog.ts";
import * as t from "../../../src/source/index.ts";
import type { CallContext } from "../../../src/upstream/context.ts";
import { lookupRecords } from "../../../src/upstream/lookup.ts";
import { itemsAt } from "../../../src/upstream/records.ts";
import { relatedPages, relatedRecords } from "../../../src/upstream/related.ts";
import type { Upstream } from "../../../src/upstream/upstream.ts";

const pages = t.cursorPages({ next: "next", cursorParameter: "after", sizeParameter: "limit", maxPageSize: 10 });
const list = { request: () => t.get("x.list", "/x"), items: "rows[*]", pages, order: "oldest-first" } as const;
const freshness = { cacheMs: 0 };
const nothing = {
  name: t.literal(null),
  email: t.literal(null),
  phone: t.literal(null),
  company: t.literal(null),
  country: t.literal(null),
  status: t.literal(null),
  createdAt: t.literal(null),
};
const ticketMap = {
  key: t.key("id"),
  customer: t.ref("owner"),
  subject: t.text("subject"),
  status: t.literal(null),
  priority: t.literal(null),
  createdAt: t.literal(null),
  updatedAt: t.literal(null),
};
const ticket = z.object({ id: z.string(), owner: z.string(), subject: z.string() });
const source = t.defineSource({
  name: "crm",
  title: "CRM",
  version: "1",
  client: { baseUrl: "https://crm.example", auth: t.bearer({ secret: "KEY" }), limits: [] },
  collections: {
    people: t.collection({
      canonical: "Customer",
      contract: z.object({ id: z.string() }),
      list,
      lookup: t.batchLookup({ max: 10, request: () => t.get("people.read", "/people"), items: "rows[*]" }),
      freshness,
      identity: { onePerCustomer: true },
      survivorship: { rank: 1 },
      map: { key: t.key("id"), ...nothing },
    }),
    tickets: t.collection({
      canonical: "Ticket",
      contract: ticket,
      list,
      owner: "people",
      related: t.relatedEach({ request: () => t.get("tickets.of", "/tickets"), items: "rows[*]", pages, order: "oldest-first" }),
      freshness,
      map: ticketMap,
    }),
    notes: t.collection({
      canonical: "Ticket",
      contract: ticket,
      list,
      owner: "people",
      related: t.relatedBatch({
        max: () => 10,
        request: () => t.get("notes.of", "/notes"),
        items: "people[*].notes[*]",
        owners: "people[*].id",
      }),
      freshness,
      map: ticketMap,
    }),
  },
});
const catalog = createCatalog([source]);
const context: CallContext = { priority: "live", signal: new AbortController().signal, deadlineAtMs: Infinity, requestId: "r" };
const answering = (body: string): Upstream =>
  ({
    source,
    send: async () => ({
      status: 200,
      headers: {},
      text: body,
      body: parseJson(body),
      problems: [],
      receivedAtMs: 1,
      attempts: 2,
    }),
  }) as unknown as Upstream;

describe("itemsAt", () => {
  it.each(["null", '{"rows":null}', "[]", '{"rows":{}}', "{}"])(
    "takes %s for a break of the contract, never for an empty list",
    body => {
      expect(() => itemsAt(parseJson(body), "rows[*]", "x")).toThrow(expect.objectContaining({ code: "UPSTREAM_CONTRACT" }));
    },
  );
  it("goes through a body that is itself a list, with or without more below", () => {
    expect(itemsAt(parseJson('[{"id":1},{"id":2}]'), "[*]", "x")).toEqual([{ id: 1 }, { id: 2 }]);
    expect(itemsAt(parseJson('[{"rows":[1,2]},{"rows":[]}]'), "[*].rows[*]", "x")).toEqual([1, 2]);
    expect(() => itemsAt(parseJson('{"rows":[]}'), "[*]", "x")).toThrow("the body is not a list");
  });
  it("lets null stand for one that is not there inside a list only", () => {
    expect(itemsAt(parseJson('{"a":[null,{"b":[1]},{"b":[2,null]}]}'), "a[*].b[*]", "x")).toEqual([1, 2, null]);
  });
});

describe("what an answer means", () => {
  it("null instead of a list is not 'nobody is there'", async () => {
    const outcomes = await lookupRecords(answering("null"), catalog.get("crm.people"), ["1"], context);
    expect(outcomes.get("1")).toMatchObject({ code: "UPSTREAM_CONTRACT", details: { source: "crm", collection: "people" } });
  });

  it("another owner's record is never handed out", async () => {
    const entry = catalog.get("crm.tickets");
    const related = entry.collection.related;
    if (related?.mode !== "each") throw new Error("each");
    const walk = relatedPages(answering('{"rows":[{"id":"t1","owner":"somebody else","subject":"s"}]}'), entry, related, "1", {
      context,
      pageSize: 10,
    });
    await expect(walk.next()).rejects.toMatchObject({
      code: "UPSTREAM_CONTRACT",
      details: { collection: "tickets", attempts: 2, httpStatus: 200 },
    });
  });

  const batch = (body: string, owners: readonly string[]) => {
    const entry = catalog.get("crm.notes");
    const related = entry.collection.related;
    if (related?.mode !== "batch") throw new Error("batch");
    return relatedRecords(answering(body), entry, related, owners, { context, window: { from: "", to: "" } });
  };

  it("an owner that is named has no records; one that is not named is not known to have none", async () => {
    const outcomes = await batch('{"people":[{"id":"1","notes":[]}, null]}', ["1", "2"]);
    expect(outcomes.get("1")).toEqual([]);
    expect(outcomes.get("2")).toMatchObject({ code: "UPSTREAM_NOT_FOUND" });
  });

  it("a broken record fails its owner alone; one whose owner nobody asked for fails all", async () => {
    const note = (id: string, owner: string, subject: string) => `{"id":"${id}","owner":"${owner}","subject":${subject}}`;
    const one = await batch(
      `{"people":[{"id":"1","notes":[${note("a", "1", "7")}]},{"id":"2","notes":[${note("b", "2", '"fine"')}]}]}`,
      ["1", "2"],
    );
    expect(one.get("1")).toMatchObject({ code: "UPSTREAM_CONTRACT", details: { attempts: 2, httpStatus: 200 } });
    expect(one.get("2")).toMatchObject([{ entity: { key: "b" } }]);
    const all = await batch(`{"people":[{"id":"1","notes":[${note("a", "9", '"x"')}]}]}`, ["1"]);
    expect(all.get("1")).toMatchObject({ code: "UPSTREAM_CONTRACT" });
  });
});
