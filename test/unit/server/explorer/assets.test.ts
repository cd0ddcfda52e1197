import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { encodedBody, readExplorerAssets, type ExplorerAsset } from "../../../../src/server/explorer/assets.ts";

const script = "console.log('tributary')";

describe("the explorer's files", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "explorer-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function build(): Promise<ReadonlyMap<string, ExplorerAsset>> {
    await writeFile(join(folder, "index.html"), "<p>page</p>");
    await writeFile(join(folder, "explorer.js"), script);
    await writeFile(join(folder, "explorer.js.gz"), gzipSync(script));
    await writeFile(join(folder, "explorer.js.br"), "brotli");
    await writeFile(join(folder, "chunk-6OUXTGHO.js"), script);
    await writeFile(join(folder, ".stamp"), "not for the web");
    return readExplorerAssets(folder);
  }

  it("are found by URL path, without prepared forms and the build's own notes", async () => {
    expect([...(await build()).keys()].sort()).toEqual(["/", "/explorer/chunk-6OUXTGHO.js", "/explorer/explorer.js"]);
  });

  it("carry type, tag and how long they keep", async () => {
    const assets = await build();
    expect(assets.get("/")?.contentType).toBe("text/html; charset=utf-8");
    expect(assets.get("/explorer/explorer.js")).toMatchObject({
      cacheControl: "no-cache",
      etag: expect.stringMatching(/^W\/"[\w-]{22}"$/),
    });
    expect(assets.get("/explorer/chunk-6OUXTGHO.js")?.cacheControl).toMatch(/immutable/);
    expect(assets.get("/")?.etag).not.toBe(assets.get("/explorer/explorer.js")?.etag);
  });

  it("are read once", async () => {
    expect(await build()).toBe(readExplorerAssets(folder));
  });

  it("say what to run when they are missing, and are found after it ran", async () => {
    expect(() => readExplorerAssets(folder)).toThrow("Run: npm run prepare");
    expect((await build()).size).toBe(3);
  });

  it.each([
    ["gzip, deflate, br, zstd", "br"],
    ["GZIP", "gzip"],
    ["br;q=0, gzip;q=0.5", "gzip"],
    ["br; q=0.000, gzip; q=0", undefined],
    ["identity", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("go out in the best form that a client takes: %s → %s", async (acceptEncoding, contentEncoding) => {
    const asset = (await build()).get("/explorer/explorer.js");
    if (asset === undefined) throw new Error("explorer.js was not read");
    expect(encodedBody(asset, acceptEncoding).contentEncoding).toBe(contentEncoding);
  });

  it("are the same in every form", async () => {
    const asset = (await build()).get("/explorer/explorer.js");
    if (asset === undefined) throw new Error("explorer.js was not read");
    expect(String(gunzipSync(encodedBody(asset, "gzip").body))).toBe(String(encodedBody(asset, undefined).body));
  });
});
