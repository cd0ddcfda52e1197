import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { UpstreamError } from "../../../src/core/errors.ts";
import { parseJson } from "../../../src/core/json.ts";
import { createCatalog } from "../../../src/source/catalog.ts";
import type { Missing } from "../../../src/source/collection.ts";
import * as t from "../../../src/source/index.ts";
import type { UpstreamRequest } from "../../../src/source/request.ts";
import { lookupRecords } from "../../../src/upstream/lookup.ts";

const nothing = t.literal(null);
const context = { priority: "live" as const, signal: new AbortController().signal, deadlineAtMs: 1, requestId: "r" };

const entryWith = (missing?: Missing) => {
  const people = t.collection({
    canonical: "Customer",
    contract: z.object({ id: z.string() }),
    list: { request: () => t.get("people.list", "/people"), items: "people[*]", pages: t.onePage(), order: "unordered" },
    lookup: t.batchLookup({
      max: 100,
      request: keys => t.get("people.many", "/many", { ids: keys.join(",") }),
      items: "people[*]",
      ...(missing !== undefined && { missing }),
    }),
    freshness: { cacheMs: 1 },
    identity: { onePerCustomer: true },
    survivorship: { rank: 1 },
    tombstone: { path: "deleted", equals: true },
    map: {
      key: t.key("id"),
      name: nothing,
      email: nothing,
      phone: nothing,
      company: nothing,
      country: nothing,
      status: nothing,
      createdAt: nothing,
    },
  });
  const client = { baseUrl: "https://desk.test", auth: t.bearer({ secret: "TOKEN" }), limits: [] };
  return createCatalog([t.defineSource({ name: "desk", title: "Desk", version: "1", client, collections: { people } })])
    .entries[0]!;
};

type Answering = (ids: readonly string[], request: number) => object | Error;

/** Looks keys up; says for each `record`, `absent` or the code of its failure, and what was asked for. */
async function look(keys: readonly string[], answering: Answering, missing?: Missing) {
  const asked: string[] = [];
  const send = (request: UpstreamRequest) => {
    const ids = String(request.query?.["ids"]);
    asked.push(ids);
    const body = answering(ids.split(","), asked.length);
    if (body instanceof Error) return Promise.reject(body);
    const text = JSON.stringify(body);
    return Promise.resolve({ status: 200, headers: {}, text, body: parseJson(text), problems: [], receivedAtMs: 0, attempts: 1 });
  };
  const found = await lookupRecords({ send }, entryWith(missing), keys, context);
  const outcomes = [...found].map(([key, outcome]) => {
    if (outcome instanceof UpstreamError) return [key, outcome.code];
    return [key, outcome === null ? "absent" : "record"];
  });
  return { asked, of: Object.fromEntries(outcomes) as Record<string, string> };
}

const there = (...ids: readonly string[]) => ({ people: ids.map(id => ({ id })) });

describe("a batch that says nothing of some keys", () => {
  it("is asked for them once more, and they are absent when nothing of them comes", async () => {
    const { asked, of } = await look(["a", "b", "c"], ids => there(...ids.filter(id => id === "b")));
    expect(of).toEqual({ a: "absent", b: "record", c: "absent" });
    expect(asked).toEqual(["a,b,c", "a,c"]);
  });

  it("loses no record of a source that answers for a part at a time", async () => {
    const { of, asked } = await look(["a", "b", "c", "d"], ids => there(...ids.filter(id => id !== "d").slice(0, 2)));
    expect(of).toEqual({ a: "record", b: "record", c: "record", d: "absent" });
    expect(asked).toEqual(["a,b,c,d", "c,d", "d"]);
  });

  it("has not said that the rest is absent when it goes on like that", async () => {
    const keys = ["a", "b", "c", "d", "e", "f"];
    const { of, asked } = await look(keys, ids => there(ids[0]!));
    expect(of).toMatchObject({ a: "record", d: "record", e: "UPSTREAM_MALFORMED", f: "UPSTREAM_MALFORMED" });
    expect(asked).toHaveLength(4);
  });

  it("has not said so when the second request fails", async () => {
    const down = new UpstreamError("UPSTREAM_UNAVAILABLE", "down");
    const { of } = await look(["a", "b"], (_ids, request) => (request === 1 ? there("a") : down));
    expect(of).toEqual({ a: "record", b: "UPSTREAM_UNAVAILABLE" });
  });

  it("is not asked again for one key alone, for what came deleted, nor when nothing is missing", async () => {
    expect(await look(["a"], () => there())).toEqual({ asked: ["a"], of: { a: "absent" } });
    expect((await look(["a", "b"], ids => there(...ids.toReversed()))).asked).toEqual(["a,b"]);
    const deleted = { people: [{ id: "a", deleted: true }, { id: "b" }] };
    expect(await look(["a", "b"], () => deleted)).toEqual({ asked: ["a,b"], of: { a: "absent", b: "record" } });
  });

  it("is believed where its source always answers for all keys", async () => {
    expect(await look(["a", "b"], () => there("b"), "absent")).toEqual({ asked: ["a,b"], of: { a: "absent", b: "record" } });
  });

  it("is believed for the keys that it names, where its source names what it does not have", async () => {
    const answer = { ...there("b"), errors: [{ ids: ["a"] }] };
    const { asked, of } = await look(["a", "b", "c"], () => answer, { listed: "errors[*].ids[*]" });
    expect(of).toEqual({ a: "absent", b: "record", c: "UPSTREAM_MALFORMED" });
    expect(asked).toHaveLength(1);
  });
});
