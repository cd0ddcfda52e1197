import { createHash } from "node:crypto";
import { appendFile, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { zstdDecompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { get } from "../../../src/source/request.ts";
import { type Envelope, type PullFacts, RawStore, verifySegment } from "../../../src/store/raw-store.ts";

const facts: PullFacts = {
  verdict: "complete",
  reason: null,
  startedAt: "2026-01-31T09:00:00.000Z",
  finishedAt: "2026-01-31T09:00:01.000Z",
  window: { from: "2026-01-02", to: "2026-01-31" },
  pages: 2,
  records: 3,
  duplicateKeys: 0,
  missingKeys: 0,
  advertisedTotal: null,
  brokenRecords: 0,
  broken: [],
};
const startedAtMs = Date.UTC(2026, 0, 31, 9);
const body = `{"text": "a\\ud800b \\u0000 ü\u{1f600}", "n": 12345678901234567890.10}`;
const headers = {
  "content-type": "application/json",
  "x-ratelimit-remaining": "9",
  "RateLimit-Reset": "3",
  "x-request-id": "r1",
  etag: "e",
  "set-cookie": "session=hidden",
  authorization: "Bearer hidden",
  "www-authenticate": "hidden",
};
const response = { status: 200, headers, text: body, receivedAtMs: startedAtMs + 5 };
const request = get("things.list", "/things", { limit: 2, after: "x" });

let home: string;
let store: RawStore;
beforeEach(async () => {
  home = await mkdtemp(`${tmpdir()}/tributary-raw-`);
  store = new RawStore(home);
});
afterEach(() => rm(home, { recursive: true, force: true }));

const linesOf = async (path: string): Promise<Envelope[]> =>
  zstdDecompressSync(await readFile(path))
    .toString("utf8")
    .trim()
    .split("\n")
    .map(line => JSON.parse(line) as Envelope);

describe("the raw store", () => {
  it("keeps a response's own text, its hash, and what it answered", async () => {
    const raw = await store.begin("crm", "people", startedAtMs);
    expect(await raw.append(request, response)).toBe(0);
    expect(await raw.append({ ...request, query: { limit: 2, after: "y" } }, response)).toBe(1);
    const { path, manifest } = await raw.finish(facts);
    const [first, second] = await linesOf(path);
    expect(first).toMatchObject({ line: 0, status: 200, body, receivedAt: "2026-01-31T09:00:00.005Z" });
    expect(first!.sha256).toBe(createHash("sha256").update(body).digest("hex"));
    expect(first!.request).toMatchObject({ operation: "things.list", method: "GET", path: "/things" });
    expect(second!.request.fingerprint).not.toBe(first!.request.fingerprint);
    expect(manifest).toMatchObject({ ...facts, format: 1, source: "crm", collection: "people", segment: { lines: 2 } });
  });

  it("keeps allowed headers only", async () => {
    const raw = await store.begin("crm", "people", startedAtMs);
    await raw.append(request, response);
    const { path } = await raw.finish(facts);
    const [line] = await linesOf(path);
    expect(Object.keys(line!.headers).toSorted()).toEqual([
      "RateLimit-Reset",
      "content-type",
      "etag",
      "x-ratelimit-remaining",
      "x-request-id",
    ]);
    expect(JSON.stringify(line)).not.toContain("hidden");
  });

  it("lists pulls newest first, those of one moment in the order of their beginning", async () => {
    for (const atMs of [startedAtMs, startedAtMs, startedAtMs - 1]) {
      const raw = await store.begin("crm", "people", atMs);
      await raw.finish(facts);
    }
    const names = (await store.pulls("crm", "people")).map(({ manifest }) => manifest.pull);
    expect(names).toEqual(["20260131T090000000Z-001", "20260131T090000000Z", "20260131T085959999Z"]);
    expect(await store.pulls("crm", "nothing")).toEqual([]);
  });

  it("shows nothing of a pull that is not finished, and removes one that is given up", async () => {
    const one = await store.begin("crm", "people", startedAtMs);
    const other = await store.begin("crm", "people", startedAtMs);
    await one.append(request, response);
    expect(await store.pulls("crm", "people")).toEqual([]);
    await one.abandon();
    await other.finish(facts);
    expect(await store.pulls("crm", "people")).toHaveLength(1);
    expect(await readdir(`${home}/raw/crm/people`)).toEqual([other.pull]);
  });

  it("notices a file that is not the one its manifest was written for", async () => {
    const raw = await store.begin("crm", "people", startedAtMs);
    await raw.append(request, response);
    const stored = await raw.finish(facts);
    await verifySegment(stored);
    await appendFile(stored.path, "x");
    await expect(verifySegment(stored)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  it("says when there is no place to write", async () => {
    await expect(new RawStore("/dev/null").begin("crm", "people", startedAtMs)).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
    });
    const raw = await store.begin("crm", "people", startedAtMs);
    await rm(home, { recursive: true });
    await raw.append(request, response);
    await expect(raw.finish(facts)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });
});
