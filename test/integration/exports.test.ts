import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Secret } from "../../src/core/secret.ts";
import { systemClock } from "../../src/core/ports.ts";
import type { Listing } from "../../src/source/collection.ts";
import * as t from "../../src/source/index.ts";
import type { ExportPages } from "../../src/source/pagination.ts";
import { Evidence } from "../../src/upstream/listing/evidence.ts";
import { readListing } from "../../src/upstream/listing/read-listing.ts";
import { Upstream } from "../../src/upstream/upstream.ts";

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function listen(listener: RequestListener): Promise<{ readonly host: string; readonly server: Server }> {
  const server = createServer(listener);
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
  closers.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

interface Scene {
  readonly polls?: readonly Answer[];
  readonly file: Answer;
  readonly isUnderBase?: boolean;
  readonly pages?: Partial<ExportPages>;
  readonly signal?: AbortSignal;
  readonly onPage?: (page: number) => boolean;
}

const json = (status: number, body: unknown, headers = {}): Answer => {
  return (_request, response) =>
    void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
};

/** Reads an export of a provider whose files are on another host, or under its base URL. */
async function exported({ polls = [], file, isUnderBase = false, pages, signal, onPage }: Scene) {
  const asked: string[] = [];
  const note = (request: IncomingMessage) =>
    asked.push(
      `${request.method} ${request.url?.split("?")[0]}${request.headers.authorization === undefined ? "" : " with key"}`,
    );
  const files = await listen((request, response) => {
    note(request);
    file(request, response);
  });
  let poll = 0;
  const provider = await listen((request, response) => {
    note(request);
    if (request.method === "POST") return json(200, { id: "e1" })(request, response);
    if (request.url?.startsWith("/files/")) return file(request, response);
    const host = isUnderBase ? provider.host : files.host;
    const done = json(200, { status: "DONE", url: `http://${host}/files/x?signature=abc` });
    return (polls[poll++] ?? done)(request, response);
  });
  const list: Listing = {
    request: () => t.readByPost("rows.export", "/exports", {}),
    items: "[*]",
    order: "unordered",
    pages: t.exportPages({
      id: "id",
      poll: id => t.get("rows.poll", `/exports/${id}`),
      cancel: id => t.readByPost("rows.cancel", `/exports/${id}/cancel`, {}),
      status: "status",
      done: ["DONE"],
      failed: ["FAILED"],
      url: "url",
      maxPageSize: 2,
      pollMs: { first: 5, longest: 10 },
      deadlineMs: 5_000,
      ...pages,
    }),
  };
  const baseUrl = `http://${provider.host}`;
  const client = { baseUrl, auth: t.bearer({ secret: "KEY" }), limits: [], otherHosts: [files.host] };
  const source = t.defineSource({ name: "crm", title: "CRM", version: "1", client, collections: {} });
  const backoff = { baseMs: 1, capMs: 4, maxAttempts: 3, maxBulkAttempts: 3 };
  const secrets = { read: () => new Secret("key") };
  const upstream = new Upstream(source, { baseUrl, secrets, clock: systemClock, random: Math.random, logger: silent, backoff });
  closers.push(() => upstream.close());
  const context = {
    priority: "bulk" as const,
    signal: signal ?? new AbortController().signal,
    deadlineAtMs: Date.now() + 5_000,
    requestId: "test",
  };
  const evidence = new Evidence(list);
  const keys: unknown[] = [];
  let page = 0;
  try {
    const options = { context, window: { from: "", to: "" }, evidence, nowMs: Date.now() };
    for await (const each of readListing(upstream, list, options)) {
      const ids = each.records.map(record => (record as { id: unknown }).id);
      keys.push(...ids);
      evidence.add(
        each,
        ids.map(id => ({ key: String(id), isBroken: false })),
      );
      if (onPage?.(++page)) break;
    }
    return { asked, keys, files, ...evidence.verdict() };
  } catch (error) {
    return { asked, keys, files, ...evidence.verdict({ error: error as Error }) };
  }
}

const connections = (server: Server) =>
  new Promise<number>((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));
const lines = '{"id":1}\n{"id":2}\n{"id":3}\n';
const whole: Answer = (_request, response) => void response.end(lines);

describe("an export over the wire", () => {
  it("is read from another host without the key, from under the base URL with it", async () => {
    const foreign = await exported({ file: whole });
    expect(foreign).toMatchObject({ keys: [1, 2, 3], verdict: "complete" });
    expect(foreign.asked).toEqual(["POST /exports with key", "GET /exports/e1 with key", "GET /files/x"]);
    const own = await exported({ file: whole, isUnderBase: true });
    expect(own).toMatchObject({ keys: [1, 2, 3], verdict: "complete" });
    expect(own.asked.at(-1)).toBe("GET /files/x with key");
  });

  it("waits out a source that is throttling or failing while it is polled", async () => {
    const polls = [json(429, {}, { "retry-after": "0" }), json(503, {}), json(200, { status: "RUNNING" })];
    const { keys, verdict, asked } = await exported({ file: whole, polls });
    expect({ keys, verdict }).toEqual({ keys: [1, 2, 3], verdict: "complete" });
    expect(asked.filter(each => each.startsWith("POST"))).toHaveLength(1);
  });

  it("whose file is cut is never complete, however it was sent", async () => {
    const broken: readonly Answer[] = [
      (_request, response) => void response.writeHead(200, { "content-length": "99" }).write(lines, () => response.destroy()),
      (_request, response) => void response.write(lines, () => response.destroy()),
      (_request, response) => {
        const { socket } = response;
        socket?.end(`HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${lines}`);
      },
      (_request, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(lines).subarray(0, -9)),
      (_request, response) => void response.end(lines.slice(0, -4)),
    ];
    for (const file of broken) expect((await exported({ file })).verdict).not.toBe("complete");
  });

  it("that nobody reads on leaves no connection to its file", async () => {
    const endless: Answer = (_request, response) => {
      const timer = setInterval(() => response.write(lines.repeat(100)), 1);
      response.on("close", () => clearInterval(timer));
    };
    const { files, keys } = await exported({ file: endless, onPage: page => page === 2 });
    expect(keys).toHaveLength(4);
    await new Promise(resolve => setTimeout(resolve, 100));
    expect(await connections(files.server)).toBe(0);
  });

  it("that is stopped in the middle of its file says so and leaves no connection", async () => {
    const stop = new AbortController();
    const stalling: Answer = (_request, response) => void response.write(lines);
    const onPage = () => {
      setTimeout(() => stop.abort(new Error("stopped")), 20);
      return false;
    };
    const { files, verdict, reasons } = await exported({ file: stalling, signal: stop.signal, onPage });
    expect({ verdict, reasons }).toMatchObject({ verdict: "partial", reasons: [{ message: "stopped" }] });
    await new Promise(resolve => setTimeout(resolve, 100));
    expect(await connections(files.server)).toBe(0);
  });

  it("leaves out lines that belong to records, where they are declared", async () => {
    const nested = '{"id":1}\n{"id":"a","__parentId":1}\n{"id":"b","__parentId":1}\n{"id":2}\n';
    const file: Answer = (_request, response) => void response.end(nested);
    expect(await exported({ file, pages: { childMark: "__parentId" } })).toMatchObject({ keys: [1, 2], verdict: "complete" });
    expect((await exported({ file })).keys).toEqual([1, "a", "b", 2]);
  });
});
