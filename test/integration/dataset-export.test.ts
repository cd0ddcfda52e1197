import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { tableFromIPC } from "apache-arrow";
import { exportsOf } from "../../src/app/exports.ts";
import { build, type BuildResult } from "../../src/pipeline/build.ts";
import { pull } from "../../src/pipeline/pull.ts";
import { createServer } from "../../src/server/server.ts";
import { silent, startWorld, type TestWorld } from "../support/world.ts";

let world: TestWorld;
let home: string;
let result: BuildResult;
let open: FastifyInstance;
let guarded: FastifyInstance;
let url: string;

beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/tributary-export-`);
  world = await startWorld({ customers: 30, quotas: false, isFilled: false });
  const { catalog, upstreamOf: upstreams } = world.product;
  await pull({ catalog, upstreams, home });
  result = await build({ catalog, home });
  open = serverWith({ token: null, isLoopback: true });
  guarded = serverWith({ token: "export-token", isLoopback: true });
  url = await open.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await open.close();
  await guarded.close();
  await world.close();
  await rm(home, { recursive: true, force: true });
});

const readiness = async () => ({ isReady: true });
function serverWith(access: { readonly token: string | null; readonly isLoopback: boolean }): FastifyInstance {
  const { gateway, engine } = world.product;
  const environment = access.token === null ? {} : { EXPORT_TOKEN: access.token };
  const exports = exportsOf({ home, isLoopback: access.isLoopback }, environment, silent);
  return createServer({
    gateway,
    engine,
    logger: silent,
    allowedHosts: null,
    deadlineMs: 1_000,
    hasExplorer: false,
    readiness,
    exports,
  });
}

const get = (path: string, headers: Record<string, string> = {}) => fetch(`${url}${path}`, { headers });
const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

describe("GET /export/<table>", () => {
  it("sends the table's own Parquet file, named and tagged by its version", async () => {
    const response = await get("/export/invoices");
    expect(response.status).toBe(200);
    expect(await bytesOf(response)).toEqual(await readFile(`${result.path}/invoices.parquet`));
    const headers = Object.fromEntries(response.headers);
    expect(headers).toMatchObject({
      "content-type": "application/vnd.apache.parquet",
      "content-disposition": `attachment; filename="invoices-${result.version}.parquet"`,
      "x-tributary-dataset": result.version,
      "accept-ranges": "bytes",
    });
    expect(headers["etag"]).toContain(result.version);
  });

  it.each([
    ["csv", "text/csv; charset=utf-8; header=present"],
    ["ndjson", "application/x-ndjson"],
    ["arrow", "application/vnd.apache.arrow.file"],
  ])("sends %s with the columns that were asked for", async (format, type) => {
    const response = await get(`/export/customers?format=${format}&columns=id,name&version=${result.version}`);
    expect(response.headers.get("content-type")).toBe(type);
    const body = await bytesOf(response);
    const rows = result.tables.find(({ name }) => name === "customers")!.rows;
    if (format === "arrow") expect(tableFromIPC(body).numRows).toBe(rows);
    else expect(body.toString("utf8").trimEnd().split("\n")).toHaveLength(rows + (format === "csv" ? 1 : 0));
  });

  it("says that nothing has changed to who has this version", async () => {
    const etag = (await get("/export/customers?format=csv")).headers.get("etag")!;
    const again = await get("/export/customers?format=csv", { "if-none-match": `"other", W/${etag}` });
    expect([again.status, await again.text(), again.headers.get("etag")]).toEqual([304, "", etag]);
    expect((await get("/export/customers?format=ndjson", { "if-none-match": etag })).status).toBe(200);
  });

  it("resumes a broken transfer, and begins anew when the version is another", async () => {
    const whole = await readFile(`${result.path}/exchange_rates.parquet`);
    const first = await get("/export/exchange_rates", { range: "bytes=0-999" });
    expect([first.status, first.headers.get("content-range")]).toEqual([206, `bytes 0-999/${whole.length}`]);
    const etag = first.headers.get("etag")!;
    const rest = await get("/export/exchange_rates", { range: "bytes=1000-", "if-range": etag });
    expect(Buffer.concat([await bytesOf(first), await bytesOf(rest)])).toEqual(whole);
    expect((await get("/export/exchange_rates", { range: "bytes=1000-", "if-range": '"older"' })).status).toBe(200);
    const beyond = await get("/export/exchange_rates", { range: `bytes=${whole.length}-` });
    expect([beyond.status, beyond.headers.get("content-range")]).toEqual([416, `bytes */${whole.length}`]);
    const head = await fetch(`${url}/export/exchange_rates`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, String(whole.length), ""]);
  });

  it("refuses what is not there", async () => {
    const response = await get("/export/people");
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { errors: [{ extensions: { code: "REQUEST_INVALID" } }] },
    ]);
    for (const path of ["/export/customers?columns=secret", "/export/customers?format=x", "/export/customers?version=../../raw"])
      expect((await get(path)).status).toBe(400);
  });
});

describe("who may export", () => {
  const ask = (server: FastifyInstance, headers: Record<string, string> = {}, remoteAddress = "127.0.0.1") =>
    server.inject({ url: "/export/issues", headers, remoteAddress });

  it("is who has the token, wherever from", async () => {
    expect((await ask(guarded, { authorization: "Bearer export-token" }, "203.0.113.7")).statusCode).toBe(200);
    const [none, wrong] = [await ask(guarded), await ask(guarded, { authorization: "Bearer export-tokem" })];
    expect([none.statusCode, wrong.statusCode]).toEqual([401, 401]);
    expect(none.headers["www-authenticate"]).toBe('Bearer realm="tributary", scope="export"');
    expect(wrong.headers["www-authenticate"]).toMatch(/error="invalid_token"/);
    expect(none.json()).toMatchObject({ errors: [{ extensions: { code: "ACCESS_EXPORT" } }] });
    expect(wrong.body).not.toContain("export-token");
  });

  it("is nobody but this machine where there is no token, and nobody at all on another address or behind a proxy", async () => {
    expect((await ask(open)).statusCode).toBe(200);
    expect((await ask(open, {}, "203.0.113.7")).statusCode).toBe(403);
    expect((await ask(open, { "x-forwarded-for": "203.0.113.7" })).statusCode).toBe(403);
    const exposed = serverWith({ token: null, isLoopback: false });
    expect((await ask(exposed)).statusCode).toBe(403);
    await exposed.close();
  });

  it("is no page of another site", async () => {
    expect((await ask(open, { "sec-fetch-site": "cross-site" })).statusCode).toBe(403);
  });
});
