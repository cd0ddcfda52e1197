import { createServer as createTcpServer } from "node:net";
import zlib from "node:zlib";
import { afterEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Client } from "../../../src/source/define-source.ts";
import { get } from "../../../src/source/request.ts";
import { Bench, send } from "../../support/upstream-server.ts";

const bench = new Bench();
afterEach(() => bench.close());

const json = JSON.stringify({ data: Array.from({ length: 200 }, (_, id) => ({ id, name: `Zoë ${id * 7919}` })) });
const encoders: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: bytes => zlib.gzipSync(bytes),
  br: bytes => zlib.brotliCompressSync(bytes),
  zstd: bytes => zlib.zstdCompressSync(bytes),
  deflate: bytes => zlib.deflateSync(bytes),
};

/** The answer to one request, of a server that sends these bytes under these headers. */
async function received(
  bytes: Buffer | string,
  headers: Record<string, string> = {},
  client: Partial<Client> = {},
  status = 200,
) {
  const transport = await bench.over((_request, response) => void response.writeHead(status, headers).end(bytes), client);
  return send(transport, get("a", "/"));
}

describe("compressed bodies", () => {
  it.each(Object.entries(encoders))("reads %s, and asks for it", async (name, encode) => {
    let asked = "";
    const transport = await bench.over((request, response) => {
      asked = String(request.headers["accept-encoding"]);
      response.writeHead(200, { "content-encoding": name }).end(encode(Buffer.from(json)));
    });
    expect((await send(transport, get("a", "/"))).text).toBe(json);
    expect(asked.split(", ")).toContain(name);
  });

  it.each(Object.entries(encoders))("reads a large body in %s, and refuses it when it is cut", async (name, encode) => {
    const large = JSON.stringify(Array.from({ length: 40_000 }, (_, id) => (id * 2_654_435_761) % 1_000_003));
    const bytes = encode(Buffer.from(large));
    expect(bytes.length).toBeGreaterThan(64 * 1024);
    expect((await received(bytes, { "content-encoding": name })).text).toBe(large);
    const cut = received(bytes.subarray(0, -1), { "content-encoding": name });
    await expect(cut).rejects.toMatchObject({ code: "UPSTREAM_MALFORMED" });
  });

  it("reads one encoding inside another, deflate without its header, and none at all", async () => {
    const twice = zlib.gzipSync(zlib.brotliCompressSync(json));
    expect((await received(twice, { "content-encoding": "br, gzip" })).text).toBe(json);
    expect((await received(zlib.deflateRawSync(json), { "content-encoding": "deflate" })).text).toBe(json);
    expect((await received(json, { "content-encoding": "identity" })).text).toBe(json);
    expect((await received("", { "content-encoding": "gzip" })).text).toBe("");
  });

  it.each([
    ["an encoding that is not what the body is", "gzip", json],
    ["an encoding that nobody knows", "lzma2", json],
    ["encodings without end", "gzip, gzip, gzip, gzip", zlib.gzipSync(json)],
  ])("refuses %s", async (_name, encoding, bytes) => {
    await expect(received(bytes, { "content-encoding": encoding })).rejects.toMatchObject({ code: "UPSTREAM_MALFORMED" });
  });

  it.each(Object.entries(encoders))("never takes a part of a body in %s for the whole", async (name, encode) => {
    const bytes = encode(Buffer.from(json));
    let cut = 0;
    const transport = await bench.over((_request, response) => {
      response.writeHead(200, { "content-encoding": name }).end(bytes.subarray(0, cut));
    });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: bytes.length - 1 }), async length => {
        cut = length;
        await expect(send(transport, get("a", "/"))).rejects.toMatchObject({ code: "UPSTREAM_MALFORMED", retryable: true });
      }),
      { numRuns: 40 },
    );
  });

  it.each(Object.entries(encoders))("refuses a bomb in %s by its ratio long before its size", async (name, encode) => {
    const bomb = encode(Buffer.alloc(64 * 1024 * 1024));
    const answer = received(bomb, { "content-encoding": name }, { maxResponseBytes: 1024 ** 3 });
    await expect(answer).rejects.toMatchObject({ code: "UPSTREAM_TOO_LARGE", details: { maxRatio: 200 } });
  });

  it("refuses what is too large only after decompression", async () => {
    const answer = received(zlib.gzipSync(json), { "content-encoding": "gzip" }, { maxResponseBytes: 5_000 });
    await expect(answer).rejects.toMatchObject({ code: "UPSTREAM_TOO_LARGE", details: { maxBytes: 5_000 } });
  });

  it("keeps the status of a failure whose body cannot be read", async () => {
    for (const [bytes, headers] of [
      [json, { "content-encoding": "gzip" }],
      ["x".repeat(300_000), {}],
      [Buffer.from([0xff, 0x00]), {}],
    ] as const)
      expect(await received(bytes, headers, {}, 503)).toMatchObject({ status: 503, text: "" });
  });
});

describe("character sets", () => {
  const text = '{"name":"Zoë"}';
  const utf16be = Buffer.from(`\uFEFF${text}`, "utf16le").swap16();
  it.each([
    ["UTF-8 with a byte order mark", Buffer.from(`\uFEFF${text}`), "application/json"],
    ["UTF-8 as stated", Buffer.from(text), "application/json; charset=UTF-8"],
    ["UTF-16 by its byte order mark", Buffer.from(`\uFEFF${text}`, "utf16le"), "application/json"],
    ["UTF-16 the other way round", utf16be, "application/json; charset=utf-16"],
    ["UTF-16 without a mark", Buffer.from(text, "utf16le").swap16(), "application/json; charset=utf-16"],
    ["ISO 8859-1 as stated", Buffer.from(text, "latin1"), "application/json;charset=iso-8859-1"],
    ["Windows-1252 as stated", Buffer.from(text, "latin1"), 'application/json; charset="windows-1252"'],
  ])("reads %s", async (_name, bytes, type) => {
    expect((await received(bytes, { "content-type": type })).text).toBe(text);
  });

  it("refuses bytes that are not of their character set, rather than putting signs in their place", async () => {
    await expect(received(Buffer.from(text, "latin1"))).rejects.toMatchObject({ code: "UPSTREAM_MALFORMED" });
    await expect(received(Buffer.from([0xff, 0xfe, 0x00, 0xd8]))).rejects.toMatchObject({ code: "UPSTREAM_MALFORMED" });
  });

  it("names a character set that it does not read", async () => {
    const answer = received(text, { "content-type": "application/json; charset=shift_jis" });
    await expect(answer).rejects.toMatchObject({ code: "UPSTREAM_MALFORMED", message: expect.stringContaining("shift_jis") });
  });
});

describe("bodies that break off", () => {
  const raw = async (head: string, body: string, client: Partial<Client> = {}) => {
    const server = createTcpServer(socket => {
      socket.on("error", () => socket.destroy());
      socket.once("data", () => socket.write(head + body, () => socket.end()));
    });
    const transport = bench.transport(`http://127.0.0.1:${await bench.listen(server)}`, client);
    return send(transport, get("a", "/"));
  };
  it.each([
    ["short of its length", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", '{"data":[]}'],
    ["between two chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", 'b\r\n{"data":[]}\r\n'],
    ["within a chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", '40\r\n{"data":[]}'],
    ["within the headers", "HTTP/1.1 200 OK\r\ncontent-le", ""],
    ["at once", "", ""],
    ["without being HTTP", "", "* OK IMAP4rev1 ready\r\n"],
  ])("fails for an answer that ends %s, and is worth a retry", async (_name, head, body) => {
    await expect(raw(head, body)).rejects.toMatchObject({
      code: "UPSTREAM_CONNECTION",
      retryable: true,
      details: { reason: expect.stringMatching(/^(reset|protocol)$/) },
    });
  });

  it.each([
    ["a body", (write: (text: string) => void) => write(" ")],
    ["headers", () => undefined],
  ])("ends %s that drips for ever, though it never rests", async (name, drip) => {
    const timers: NodeJS.Timeout[] = [];
    bench.onClose(() => timers.forEach(clearInterval));
    const server = createTcpServer(socket => {
      socket.on("error", () => socket.destroy());
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\n");
        if (name === "a body") socket.write("content-length: 100000\r\n\r\n");
        let count = 0;
        timers.push(
          setInterval(
            () => (name === "a body" ? drip(text => void socket.write(text)) : socket.write(`x-${count++}: 1\r\n`)),
            20,
          ),
        );
      });
      bench.onClose(() => socket.destroy());
    });
    const timeouts = { headersMs: 5_000, bodyMs: 5_000, totalMs: 300 };
    const transport = bench.transport(`http://127.0.0.1:${await bench.listen(server)}`, { timeouts });
    await expect(send(transport, get("a", "/"))).rejects.toMatchObject({
      code: "UPSTREAM_TIMEOUT",
      details: { phase: "total", timeoutMs: 300 },
    });
  });
});
