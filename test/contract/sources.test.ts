import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { readdir } from "node:fs/promises";
import type { CatalogEntry } from "../../src/source/catalog.ts";
import { type Source, secretVariables } from "../../src/source/define-source.ts";
import { contractBreaks, decode } from "../../src/upstream/decode.ts";
import { lookupRecords } from "../../src/upstream/lookup.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { ManualClock } from "./manual-clock.ts";
import {
  byKey,
  catalog,
  collect,
  givenSecrets,
  keysOf,
  listed,
  loggedLines,
  openStage,
  orThrow,
  ownerOf,
  pages,
  patient,
  recordsOf,
  related,
  requiredName,
  type Stage,
} from "./stage.ts";

let stage: Stage;
/** So few people that every record can be a page of its own. */
let hamlet: Stage;

beforeAll(async () => {
  stage = await openStage(40);
  hamlet = await openStage(5);
});
afterEach(() => stage.reset());
afterAll(async () => {
  await stage.close();
  await hamlet.close();
});

const collections = catalog.entries.map(entry => [entry.id, entry] as const);
const withLookup = collections.filter(([, entry]) => entry.collection.lookup !== undefined);
const inPages = collections.filter(([, entry]) => entry.collection.list.pages.style !== "one");
const withOwner = collections.filter(([, entry]) => entry.collection.related !== undefined);
const sources = catalog.sources.map(source => [source.name, source] as const);
const withSecrets = sources.filter(([, source]) => secretVariables(source).length > 0);
const entryOf = (source: Source): CatalogEntry => catalog.entries.find(entry => entry.source === source)!;

/** Lets an upstream get whatever credentials it needs, so that a fault meets the next read of a record and nothing else. */
async function warm(upstream: Upstream, entry: CatalogEntry): Promise<void> {
  const { request } = entry.collection.list;
  await upstream.send(request(stage.days(entry)), patient());
}

describe("the suite", () => {
  it("covers every folder of datasources", async () => {
    const folders = await readdir(new URL("../../datasources", import.meta.url));
    expect(sources.map(([name]) => name)).toEqual(folders.toSorted());
    expect(sources.every(([, source]) => Object.keys(source.collections).length > 0)).toBe(true);
  });
});

describe.each(collections)("%s", (_id, entry) => {
  it("lists records that satisfy the contract", async () => {
    const records = await recordsOf(stage, entry);
    expect(records.length).toBeGreaterThan(20);
    expect(records.flatMap(record => contractBreaks(entry, record))).toEqual([]);
  });

  it("maps every record without a value that cannot be read", async () => {
    const decoded = await listed(stage, entry);
    const unreadable = decoded.flatMap(({ entity, issues }) =>
      issues.filter(({ code }) => code === "INVALID_VALUE").map(({ field }) => `${entity.key} ${field}`),
    );
    expect(unreadable).toEqual([]);
  });

  it("fills every field that the mapping does not state to be absent", async () => {
    const decoded = await listed(stage, entry);
    const stated = Object.entries(entry.collection.map).filter(([, rule]) => rule.rule !== "literal");
    const empty = stated.filter(([field]) =>
      decoded.every(({ entity }) => entity[field] === null || entity[field] === "UNKNOWN"),
    );
    expect(empty.map(([field]) => field)).toEqual([]);
  });

  it("visits each key exactly once at any page size", async () => {
    const [one, two, most] = await Promise.all([1, 2, undefined].map(size => listed(hamlet, entry, size)));
    expect(most!.length).toBeGreaterThan(2);
    expect(new Set(keysOf(most!)).size).toBe(most!.length);
    expect(one).toEqual(most);
    expect(two).toEqual(most);
  });
});

describe.each(inPages)("%s page by page", (_id, entry) => {
  it("reads one page after another where there are several", async () => {
    const read = await collect(pages(hamlet, hamlet.upstream(entry.source), entry, 2));
    expect(read.length).toBeGreaterThan(1);
    expect(read.every(({ records }) => records.length <= 2)).toBe(true);
  });

  it("does not read in circles when the source serves one page for ever", async () => {
    const upstream = stage.upstream(entry.source);
    const { value: first } = await pages(stage, upstream, entry, 1).next();
    const { text, headers } = first!.response;
    const body: unknown = JSON.parse(text);
    const counted = await stage.counting(entry.source);
    const always = { contentType: "application/json", body, ...(headers["link"] && { headers: { link: headers["link"] } }) };
    await stage.fault({ source: entry.source.name, kind: "malformed", ...always });
    await expect(collect(pages(stage, upstream, entry, 1))).rejects.toMatchObject({ code: "UPSTREAM_LISTING" });
    expect(await counted()).toEqual({ 200: 2 });
  });
});

/** A key that looks like a source's own and is none of them. */
function strangerTo(keys: readonly string[]): string {
  const known = new Set(keys);
  const [model] = keys;
  for (let number = 0; number < 100; number++) {
    const key = model!.slice(0, -2) + String(number).padStart(2, "0");
    if (!known.has(key)) return key;
  }
  throw new Error("every key like these is taken");
}

describe.each(withLookup)("%s by key", (_id, entry) => {
  it("equals its listing key by key, field by field", async () => {
    const records = await listed(stage, entry);
    const outcomes = await lookupRecords(stage.upstream(entry.source), entry, keysOf(records), patient());
    expect([...outcomes.keys()].toSorted()).toEqual(keysOf(records).toSorted());
    const found = [...outcomes.values()].map(outcome => orThrow(outcome)).filter(outcome => outcome !== null);
    expect(byKey(found)).toEqual(byKey(records));
  });

  it("finds nothing, without an error, for a key that is not there", async () => {
    const keys = keysOf(await listed(stage, entry));
    const strangers = [strangerTo(keys), "no-such-key"];
    for (const asked of [strangers, strangers.slice(0, 1)]) {
      const outcomes = await lookupRecords(stage.upstream(entry.source), entry, asked, patient());
      expect([...outcomes]).toEqual(asked.map(key => [key, null]));
    }
  });

  it("is not put off by keys that are unknown, repeated and out of order", async () => {
    const records = (await listed(stage, entry)).slice(0, 3);
    const [first, second, third] = keysOf(records);
    const stranger = strangerTo(keysOf(await listed(stage, entry)));
    const asked = [third!, stranger, first!, first!, second!, third!, stranger];
    const outcomes = await lookupRecords(stage.upstream(entry.source), entry, asked, patient());
    expect(new Set(outcomes.keys())).toEqual(new Set(asked));
    expect(outcomes.get(stranger)).toBeNull();
    for (const { entity } of records) expect(orThrow(outcomes.get(entity.key)!)?.entity).toEqual(entity);
  });

  it("is not read as another record when the answer holds a record that was not asked for", async () => {
    const [asked, other] = keysOf(await listed(stage, entry));
    const { lookup } = entry.collection;
    const upstream = stage.upstream(entry.source);
    const answer = await upstream.send(lookup!.mode === "batch" ? lookup!.request([other!]) : lookup!.request(other!), patient());
    const body: unknown = JSON.parse(answer.text);
    await stage.fault({ source: entry.source.name, kind: "malformed", contentType: "application/json", body });
    const outcome = (await lookupRecords(upstream, entry, [asked!], patient())).get(asked!);
    // A source that names what it does not have has not said that this is one of them.
    if (lookup!.mode === "batch" && typeof lookup!.missing === "object")
      expect(outcome).toMatchObject({ code: "UPSTREAM_MALFORMED" });
    else if (lookup!.mode === "batch") expect(outcome).toBeNull();
    else expect(outcome).toMatchObject({ code: "UPSTREAM_CONTRACT" });
  });
});

describe.each(withOwner)("%s by owner", (_id, entry) => {
  it("equals its listing, over all owners together", async () => {
    const owners = keysOf(await listed(stage, ownerOf(entry)));
    const records = await related(stage, stage.upstream(entry.source), entry, owners);
    expect(byKey(records)).toEqual(byKey(await listed(stage, entry)));
  });

  it("gives an owner its own records only, and nothing for an owner that has none", async () => {
    const owners = keysOf(await listed(stage, ownerOf(entry)));
    const upstream = stage.upstream(entry.source);
    const [first] = owners;
    const records = await related(stage, upstream, entry, [first!]);
    expect(new Set(records.map(({ entity }) => entity["customer"]))).toEqual(new Set([first]));
  });
});

describe.each(sources)("%s", (name, source) => {
  const entry = entryOf(source);

  it("is sent nothing before the time it asked for is over, and then answers", async () => {
    const clock = new ManualClock();
    const upstream = stage.upstream(source, { clock });
    await warm(upstream, entry);
    const counted = await stage.counting(source);
    await stage.fault({ source: name, kind: "status", status: 429, retryAfter: 1, times: 1 });
    const request = entry.collection.list.request(stage.days(entry));
    const refused = upstream.send(request, patient(clock));
    await clock.whenAsleep(1);
    const second = upstream.send(request, patient(clock));
    await clock.whenAsleep(2);
    clock.advance(999);
    expect(clock.sleeping).toBe(2);
    expect(await counted()).toEqual({ 429: 1 });
    clock.advance(1);
    expect(await refused).toMatchObject({ status: 200, attempts: 2 });
    expect(await second).toMatchObject({ status: 200, attempts: 1 });
    expect(await counted()).toEqual({ 200: 2, 429: 1 });
    expect((await upstream.status()).throttled).toBe(1);
  });
});

describe.each(withSecrets)("%s with its credentials", (name, source) => {
  const entry = entryOf(source);

  it("is not asked again with credentials that it refuses", async () => {
    const wrong = Object.fromEntries(secretVariables(source).map(variable => [variable, `wrong-${variable.toLowerCase()}`]));
    const upstream = stage.upstream(source, { environment: wrong });
    const counted = await stage.counting(source);
    const read = upstream.send(entry.collection.list.request(stage.days(entry)), patient());
    await expect(read).rejects.toMatchObject({ code: "UPSTREAM_AUTH", retryable: false, details: { source: name } });
    const statuses = await counted();
    expect(statuses["200"]).toBeUndefined();
    expect(Object.values(statuses).reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(2);
  });

  it("is asked for new credentials once, not for ever, when it refuses every one it gives", async () => {
    const upstream = stage.upstream(source);
    await warm(upstream, entry);
    const counted = await stage.counting(source);
    await stage.fault({ source: name, kind: "expire-token", times: 20 });
    const read = upstream.send(entry.collection.list.request(stage.days(entry)), patient());
    await expect(read).rejects.toMatchObject({ code: "UPSTREAM_AUTH", details: { source: name } });
    const { 401: unauthorized = 0, 403: forbidden = 0 } = await counted();
    expect([1, 2]).toContain(unauthorized + forbidden);
  });
});

/** A way to read records, by the key of one of them or by its owner. Rejects with what went wrong. */
type Way = readonly [string, string, CatalogEntry, (key: string, owner: string) => Promise<unknown>];

function waysOf(entry: CatalogEntry): Way[] {
  const { lookup, related: relation } = entry.collection;
  const upstream = () => stage.upstream(entry.source);
  const byLookup = async (key: string) => orThrow((await lookupRecords(upstream(), entry, [key], patient())).get(key)!);
  const byOwner = async (_key: string, owner: string) => related(stage, upstream(), entry, [owner]);
  return [
    [entry.id, "listed", entry, async () => listed(stage, entry)],
    ...(lookup ? [[entry.id, "read by key", entry, byLookup] as const] : []),
    ...(relation ? [[entry.id, "read by owner", entry, byOwner] as const] : []),
  ];
}

describe.each(catalog.entries.flatMap(waysOf))("%s %s, when the source has renamed a field", (_id, way, entry, read) => {
  const fields: readonly [string, boolean][] = [
    ["any field", false],
    ["the key", true],
  ];
  // A listing may go on from the last record's key, and then cannot be read to its end: another error, tested where listings are.
  it.each(way === "listed" ? fields.slice(0, 1) : fields)(
    "%s: is a breach of contract that names collection and field",
    async (_which, isKey) => {
      const [record] = await recordsOf(stage, entry);
      const { entity } = decode(entry, record);
      const from = requiredName(entry, record!, isKey);
      await stage.fault({ source: entry.source.name, kind: "drift", change: { rename: { from, to: `${from}_renamed` } } });
      await expect(read(entity.key, String(entity["customer"]))).rejects.toMatchObject({
        code: "UPSTREAM_CONTRACT",
        message: expect.stringContaining(from),
        details: { source: entry.source.name, collection: entry.name },
      });
    },
  );
});

describe("everything that the suite has logged", () => {
  it("holds no secret", () => {
    const text = loggedLines.join("\n");
    const secrets = [...givenSecrets].filter(secret => secret !== "");
    expect(loggedLines.length).toBeGreaterThan(200);
    expect(secrets.length).toBeGreaterThan(2 * withSecrets.length);
    for (const secret of secrets) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(Buffer.from(secret).toString("base64").replace(/=+$/, ""));
    }
    expect(text).not.toMatch(/(Bearer|Basic) /i);
  });
});
