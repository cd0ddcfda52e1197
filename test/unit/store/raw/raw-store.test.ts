import { createHash } from "node:crypto";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { zstdDecompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Envelope } from "../../../../src/store/raw/envelope.ts";
import { RawKey } from "../../../../src/store/raw/raw-key.ts";
import { RawStore } from "../../../../src/store/raw/raw-store.ts";
import { readyToRead } from "../../../../src/store/raw/segment-reader.ts";
import { facts, keptBodies, people, request, responseOf, start, STARTED_AT_MS } from "./stage.ts";

const body = `{"text": "a\\ud800b \\u0000 ü\u{1f600}", "n": 12345678901234567890.10}`;
const headers = {
  "content-type": "application/json",
  "x-ratelimit-remaining": "9",
  "RateLimit-Reset": "3",
  "x-request-id": "r1",
  etag: "e",
  link: '<https://x.test/things?api_key=hidden&page=2>; rel="next"',
  "set-cookie": "session=hidden",
  authorization: "Bearer hidden",
  "www-authenticate": "hidden",
  "x-customer-email": "hidden",
};
const response = responseOf(body, headers);

let home: string;
let store: RawStore;
beforeEach(async () => {
  home = await mkdtemp(`${tmpdir()}/tributary-raw-`);
  store = new RawStore(home);
});
afterEach(() => rm(home, { recursive: true, force: true }));

const begin = (atMs = STARTED_AT_MS) => store.begin(people, start, atMs);
const foldersOf = () => readdir(`${home}/raw/crm/people`);
const linesOf = async (paths: readonly string[]): Promise<Envelope[]> => {
  const texts = await Promise.all(paths.map(async path => zstdDecompressSync(await readFile(path)).toString("utf8")));
  return texts.flatMap(text =>
    text
      .trim()
      .split("\n")
      .map(line => JSON.parse(line) as Envelope),
  );
};

describe("the raw store", () => {
  it("keeps a response's own text, its hash, and what it answered", async () => {
    const raw = await begin();
    expect(await raw.append(request, response)).toBe(0);
    expect(await raw.append({ ...request, query: { limit: 2, after: "y" } }, response)).toBe(1);
    const { paths, manifest } = await raw.finish(facts);
    const [first, second] = await linesOf(paths);
    expect(first).toMatchObject({ line: 0, status: 200, body, receivedAt: "2026-01-31T09:00:00.005Z" });
    expect(first!.sha256).toBe(createHash("sha256").update(body).digest("hex"));
    expect(first!.request).toMatchObject({ operation: "things.list", method: "GET", path: "/things" });
    expect(second!.request.fingerprint).not.toBe(first!.request.fingerprint);
    expect(manifest).toMatchObject({ ...facts, ...start, format: 2, source: "crm", collection: "people", lines: 2 });
  });

  it("names a segment after its content", async () => {
    const raw = await begin();
    await raw.append(request, response);
    const { paths, manifest } = await raw.finish(facts);
    const hash = createHash("sha256")
      .update(await readFile(paths[0]!))
      .digest("hex");
    expect(manifest.segments).toEqual([expect.objectContaining({ file: `${hash}.ndjson.zst`, sha256: hash, lines: 1 })]);
    expect((await readdir(`${home}/raw/crm/people/${raw.pull}`)).toSorted()).toEqual(
      [`${hash}.ndjson.zst`, "manifest.json"].toSorted(),
    );
  });

  it("keeps allowed headers only, and of addresses no credential", async () => {
    const raw = await begin();
    await raw.append({ ...request, path: "/things?api_key=hidden" }, response);
    const [line] = await linesOf((await raw.finish(facts)).paths);
    expect(Object.keys(line!.headers).toSorted()).toEqual([
      "RateLimit-Reset",
      "content-type",
      "etag",
      "link",
      "x-ratelimit-remaining",
      "x-request-id",
    ]);
    expect(line!.headers["link"]).toContain("page=2");
    expect(JSON.stringify(line)).not.toContain("hidden");
  });

  it("lists pulls newest first, those of one moment in the order of their beginning", async () => {
    for (const atMs of [STARTED_AT_MS, STARTED_AT_MS, STARTED_AT_MS - 1]) {
      const raw = await begin(atMs);
      await raw.finish(facts);
    }
    const names = (await store.pulls("crm", "people")).map(({ manifest }) => manifest.pull);
    expect(names).toEqual(["20260131T090000000Z-001", "20260131T090000000Z", "20260131T085959999Z"]);
    expect(await store.pulls("crm", "nothing")).toEqual([]);
  });

  it("shows nothing of a pull that is not finished, and removes one that is given up", async () => {
    const [one, other] = [await begin(), await begin()];
    await one.append(request, response);
    expect(await store.pulls("crm", "people")).toEqual([]);
    await one.abandon();
    await other.finish(facts);
    expect(await store.pulls("crm", "people")).toHaveLength(1);
    expect(await foldersOf()).toEqual([other.pull]);
  });

  it("notices a file that is not the one its manifest was written for", async () => {
    const raw = await begin();
    await raw.append(request, response);
    const stored = await raw.finish(facts);
    const options = { key: undefined, folder: home };
    expect(await readyToRead(stored, options)).toEqual(stored.paths);
    await appendFile(stored.paths[0]!, "x");
    await expect(readyToRead(stored, options)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  it("says when there is no place to write", async () => {
    await expect(new RawStore("/dev/null").begin(people, start, STARTED_AT_MS)).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
    });
    const raw = await begin();
    await rm(home, { recursive: true });
    await raw.append(request, response);
    await expect(raw.finish(facts)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  it("says what to do with a pull of an earlier form", async () => {
    await mkdir(`${home}/raw/crm/people/old`, { recursive: true });
    await writeFile(`${home}/raw/crm/people/old/manifest.json`, `{"format": 1}`);
    await expect(store.pulls("crm", "people")).rejects.toThrow(/remove it, and pull again/);
  });
});

describe("a pull that broke off", () => {
  /** Appends texts, each made durable by itself as it fills a frame. */
  const big = (mark: string) => JSON.stringify({ mark, filler: mark.repeat(5 * 1024 ** 2) });
  const marks = (bodies: readonly string[]) => bodies.map(text => (JSON.parse(text) as { mark: string }).mark);

  async function brokenOff(...texts: string[]) {
    const raw = await begin();
    for (const text of texts) await raw.append(request, responseOf(big(text)));
    await raw.leave();
    return raw;
  }

  it("goes on from what was durable, in its own folder, and ends as if nothing had been", async () => {
    const first = await brokenOff("a", "b");
    const unfinished = await store.unfinished(people);
    expect(unfinished).toMatchObject({ pull: first.pull, lines: 2, start });
    const raw = await store.resume(people, unfinished!, STARTED_AT_MS + 1_000);
    expect(marks(await keptBodies(raw))).toEqual(["a", "b"]);
    expect(await raw.append(request, responseOf(big("c")))).toBe(2);
    const { paths, manifest } = await raw.finish(facts);
    const lines = await linesOf(paths);
    expect(lines.map(({ line }) => line)).toEqual([0, 1, 2]);
    expect(marks(lines.map(each => each.body))).toEqual(["a", "b", "c"]);
    expect(manifest.lines).toBe(3);
    expect(await foldersOf()).toEqual([first.pull]);
  });

  it("cuts off what was written after the last checkpoint, and files that nothing knows", async () => {
    const first = await brokenOff("a");
    const folder = `${home}/raw/crm/people/.${first.pull}.partial`;
    await appendFile(`${folder}/segment-0.open`, "half a frame");
    await writeFile(`${folder}/${"0".repeat(64)}.ndjson.zst`, "sealed, but no checkpoint says so");
    const raw = await store.resume(people, (await store.unfinished(people))!, STARTED_AT_MS);
    expect(marks(await keptBodies(raw))).toEqual(["a"]);
    await raw.append(request, responseOf(big("b")));
    const { paths } = await raw.finish(facts);
    expect(marks((await linesOf(paths)).map(each => each.body))).toEqual(["a", "b"]);
    expect((await readdir(`${home}/raw/crm/people/${raw.pull}`)).length).toBe(2);
  });

  it("is not gone on with when the disk has less than its checkpoint says, or before anything was durable", async () => {
    const first = await brokenOff("a");
    const folder = `${home}/raw/crm/people/.${first.pull}.partial`;
    await truncate(`${folder}/segment-0.open`, 10);
    expect(await store.unfinished(people)).toBeNull();
    await writeFile(`${folder}/checkpoint.json`, "{");
    expect(await store.unfinished(people)).toBeNull();
    await store.discardPartials(people);
    expect(await foldersOf()).toEqual([]);
  });

  it("goes on in a new folder after it was finished as partial; the old one stays as it was", async () => {
    const first = await begin();
    await first.append(request, responseOf(`{"mark": "a"}`));
    const stored = await first.finish({ ...facts, verdict: "partial", mayGoOn: true });
    const bytes = await readFile(stored.paths[0]!);
    const raw = await store.resume(people, (await store.unfinished(people))!, Date.parse(facts.finishedAt) + 60_000);
    expect(raw.pausedMs).toBe(60_000);
    await raw.append(request, responseOf(`{"mark": "b"}`));
    const { paths, manifest } = await raw.finish(facts);
    expect(marks((await linesOf(paths)).map(each => each.body))).toEqual(["a", "b"]);
    expect(manifest).toMatchObject({ continues: first.pull, startedAt: start.startedAt, lines: 2, pausedMs: 60_000 });
    expect(await readFile(stored.paths[0]!)).toEqual(bytes);
    expect(await store.pulls("crm", "people")).toHaveLength(2);
    expect(await store.unfinished(people)).toBeNull();
  });

  it("takes at most a second of pages with it: what waits becomes durable by itself", async () => {
    const raw = await begin();
    await raw.append(request, responseOf(`{"mark": "a"}`));
    for (let tries = 0; tries < 100 && (await store.unfinished(people)) === null; tries++)
      await new Promise(resolve => setTimeout(resolve, 50));
    expect(await store.unfinished(people)).toMatchObject({ lines: 1 });
    await raw.abandon();
  });

  it("survives a full disk: the error says so, and what was durable is gone on with", async () => {
    const first = await brokenOff("a");
    const open = `${home}/raw/crm/people/.${first.pull}.partial/segment-0.open`;
    await rename(open, `${home}/aside`);
    const unfinished = { ...(await store.killed(people))[0]! };
    await symlink("/dev/full", open);
    const full = await store.resume(people, unfinished, STARTED_AT_MS);
    await full.append(request, responseOf(big("b")));
    await expect(full.finish(facts)).rejects.toThrow(/no space left.*the next pull goes on/i);
    await expect(full.append(request, responseOf("{}"))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await full.leave();
    await rename(`${home}/aside`, open);
    const raw = await store.resume(people, (await store.unfinished(people))!, STARTED_AT_MS);
    expect(marks(await keptBodies(raw))).toEqual(["a"]);
    await raw.append(request, responseOf(big("b")));
    expect(marks((await linesOf((await raw.finish(facts)).paths)).map(each => each.body))).toEqual(["a", "b"]);
  });

  it("spreads much over several segments, in order", async () => {
    const texts = Array.from({ length: 15 }, (_, n) => String.fromCharCode(97 + n));
    await brokenOff(...texts.slice(0, 14));
    const raw = await store.resume(people, (await store.unfinished(people))!, STARTED_AT_MS);
    await raw.append(request, responseOf(big("o")));
    const { paths, manifest } = await raw.finish(facts);
    expect(paths).toHaveLength(3);
    expect(manifest.segments.reduce((total, { lines }) => total + lines, 0)).toBe(15);
    expect(marks((await linesOf(paths)).map(each => each.body))).toEqual(texts);
  });
});

describe("segments that are encrypted", () => {
  const key = new RawKey("11".repeat(32));
  const other = new RawKey(Buffer.alloc(32, 2).toString("base64"));

  it("show nothing on disk, and are the same when read; also those that were gone on with", async () => {
    const sealed = new RawStore(home, key);
    const first = await sealed.begin(people, start, STARTED_AT_MS);
    await first.append(request, responseOf(`{"name": "Ann Example"}`));
    await first.finish({ ...facts, mayGoOn: true });
    const raw = await sealed.resume(people, (await sealed.unfinished(people))!, STARTED_AT_MS + 1);
    expect(await keptBodies(raw)).toEqual([`{"name": "Ann Example"}`]);
    await raw.append(request, responseOf(`{"name": "Bob"}`));
    const stored = await raw.finish(facts);
    for (const path of stored.paths) expect((await readFile(path)).includes("Ann Example")).toBe(false);
    const plain = await readyToRead(stored, { key, folder: `${home}/plain` });
    expect((await linesOf(plain)).map(each => each.body)).toEqual([`{"name": "Ann Example"}`, `{"name": "Bob"}`]);
  });

  it("are refused without the key, and with another one, by a message that names both", async () => {
    const raw = await new RawStore(home, key).begin(people, start, STARTED_AT_MS);
    await raw.append(request, response);
    const stored = await raw.finish(facts);
    await expect(readyToRead(stored, { key: undefined, folder: home })).rejects.toThrow(/TRIBUTARY_RAW_KEY/);
    const wrong = readyToRead(stored, { key: other, folder: home });
    await expect(wrong).rejects.toThrow(new RegExp(`${key.id}.*${other.id}`));
    await expect(wrong).rejects.not.toThrow(/1111/);
  });

  it("notice a changed byte and frames in another order", () => {
    const frames = [key.seal(Buffer.from("a"), 0), key.seal(Buffer.from("b"), 1)];
    expect(frames.map((frame, place) => key.unseal(frame, place).toString())).toEqual(["a", "b"]);
    expect(() => key.unseal(frames[1]!, 0)).toThrow(/not what was encrypted/);
    frames[0]![20]! ^= 1;
    expect(() => key.unseal(frames[0]!, 0)).toThrow(/not what was encrypted/);
    expect(() => key.unseal(Buffer.from("short"), 0)).toThrow(/not what was encrypted/);
  });

  it.each(["", "11", "11".repeat(31), "zz".repeat(32)])("need a key of 32 bytes; %j is none", text => {
    expect(() => new RawKey(text)).toThrow(/32 bytes/);
  });
});
