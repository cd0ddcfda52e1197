import type { RequestListener } from "node:http";
import zlib from "node:zlib";
import { afterEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Client } from "../../../src/source/define-source.ts";
import { get } from "../../../src/source/request.ts";
import type { StreamBounds } from "../../../src/upstream/transport.ts";
import { Bench, never } from "../../support/upstream-server.ts";

const bench = new Bench();
afterEach(() => bench.close());

async function open(listener: RequestListener, bounds: StreamBounds = {}, client: Partial<Client> = {}, signal = never()) {
  const transport = await bench.over(listener, client);
  return transport.stream(transport.prepare(get("a", "/")), signal, bounds);
}
async function all(lines: AsyncIterable<string>): Promise<string[]> {
  const seen: string[] = [];
  for await (const line of lines) seen.push(line);
  return seen;
}
const many = Array.from({ length: 20_000 }, (_, id) => JSON.stringify({ id, name: `Zoë ${id}` }));

describe("streamed lines", () => {
  it.each([
    ["gzip", zlib.gzipSync],
    ["br", zlib.brotliCompressSync],
    ["zstd", zlib.zstdCompressSync],
    ["identity", (text: string) => Buffer.from(text)],
  ])("come one by one out of %s", async (name, encode) => {
    const bytes = encode(many.join("\n"));
    const answer = await open((_request, response) => void response.writeHead(200, { "content-encoding": name }).end(bytes));
    expect(await all(answer.lines())).toEqual(many);
  });

  it("are the same wherever the pieces of the body end", async () => {
    let pieces: readonly Buffer[] = [];
    const transport = await bench.over((_request, response) => {
      for (const piece of pieces) response.write(piece);
      response.end();
    });
    const line = fc.string({ unit: fc.constantFrom("a", "ë", "😀", "\\", "\u2028") });
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 8 }),
        fc.array(fc.nat(60)),
        fc.constantFrom("\n", "\r\n"),
        async (lines, cuts, end) => {
          const bytes = Buffer.from(lines.join(end));
          const ends = [0, ...cuts.map(cut => Math.min(cut, bytes.length)).toSorted((a, b) => a - b), bytes.length];
          pieces = ends.slice(1).map((to, index) => bytes.subarray(ends[index], to));
          const answer = await transport.stream(transport.prepare(get("a", "/")), never());
          expect(await all(answer.lines())).toEqual(lines.filter(text => text.trim() !== ""));
        },
      ),
      { numRuns: 50 },
    );
  });

  it("end with an error where the body is cut between two lines", async () => {
    const gzip = zlib.gzipSync(many.join("\n"));
    const cutShort: RequestListener[] = [
      (_request, response) => response.writeHead(200, { "content-length": "100" }).write('{"id":1}\n', () => response.destroy()),
      (_request, response) => response.writeHead(200).write('{"id":1}\n', () => response.destroy()),
      (_request, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzip.subarray(0, -20)),
    ];
    for (const listener of cutShort) {
      const answer = await open(listener);
      await expect(all(answer.lines())).rejects.toMatchObject({
        code: expect.stringMatching(/CONNECTION|MALFORMED/),
        retryable: true,
      });
    }
  });

  it.each([
    ["a body", { maxBytes: 10_000 }, many.join("\n"), "identity"],
    ["a line", { maxLineBytes: 10_000 }, "x".repeat(20_000), "identity"],
    ["a line that never ends", { maxLineBytes: 10_000 }, `{}\n${"x".repeat(2_000_000)}`, "gzip"],
  ])("end with an error at %s that is too large", async (_name, bounds, text, encoding) => {
    const bytes = encoding === "gzip" ? zlib.gzipSync(text) : Buffer.from(text);
    const answer = await open(
      (_request, response) => void response.writeHead(200, { "content-encoding": encoding }).end(bytes),
      bounds,
    );
    await expect(all(answer.lines())).rejects.toMatchObject({ code: "UPSTREAM_TOO_LARGE" });
  });

  it("end with an error for a bomb, an encoding or a character set that cannot be read", async () => {
    const bomb = zlib.gzipSync(Buffer.alloc(50 * 1024 * 1024, "\n"));
    const lines = async (bytes: Buffer, headers: Record<string, string>) =>
      all((await open((_request, response) => void response.writeHead(200, headers).end(bytes))).lines());
    await expect(lines(bomb, { "content-encoding": "gzip" })).rejects.toMatchObject({ details: { maxRatio: 200 } });
    await expect(lines(bomb, { "content-encoding": "lzma" })).rejects.toMatchObject({ code: "UPSTREAM_MALFORMED" });
    await expect(lines(Buffer.from([0x61, 0xff]), {})).rejects.toMatchObject({ code: "UPSTREAM_MALFORMED" });
    await expect(lines(Buffer.from("a"), { "content-type": "text/plain; charset=koi8-r" })).rejects.toMatchObject({
      message: expect.stringContaining("koi8-r"),
    });
  });

  it("end when the time is over or the asker leaves, and close the connection when they are left early", async () => {
    let closed = 0;
    const endless: RequestListener = (_request, response) => {
      const timer = setInterval(() => response.write("{}\n"), 5);
      response.on("close", () => (clearInterval(timer), closed++));
    };
    const slow = await open(endless, { totalMs: 100 });
    await expect(all(slow.lines())).rejects.toMatchObject({ code: "UPSTREAM_TIMEOUT", details: { phase: "total" } });
    const gone = new AbortController();
    const left = await open(endless, {}, {}, gone.signal);
    setTimeout(() => gone.abort(new Error("left")), 30);
    await expect(all(left.lines())).rejects.toThrow("left");
    const early = await open(endless);
    for await (const line of early.lines()) if (line === "{}") break;
    await new Promise(resolve => setTimeout(resolve, 50));
    expect(closed).toBe(3);
  });

  it("give way to the text of a failure", async () => {
    const answer = await open((_request, response) => void response.writeHead(404).end('{"error":"no such file"}'));
    expect(answer.status).toBe(404);
    expect(await answer.text()).toBe('{"error":"no such file"}');
  });
});

describe("downloads", () => {
  const client = { otherHosts: ["files.example", "127.0.0.1:1"], headers: { "X-Key": "k" } };

  it("are prepared for a declared host without anything that speaks for us", () => {
    const transport = bench.transport("https://source.example", client);
    const { url, headers } = transport.prepareDownload("https://files.example/export?signature=s");
    expect(url.href).toBe("https://files.example/export?signature=s");
    expect(Object.keys(headers)).toEqual(["accept", "accept-encoding"]);
  });

  it.each([
    "https://files.example.evil.example/export?signature=s",
    "https://u:p@files.example/export",
    "http://files.example/export",
    "https://source.example/export",
    "ftp://files.example/export",
    "/export",
  ])("are refused at %s, without its query in the error", href => {
    const transport = bench.transport("https://source.example", client);
    expect(() => transport.prepareDownload(href)).toThrow(expect.objectContaining({ code: "UPSTREAM_REJECTED" }));
    expect(() => transport.prepareDownload(href)).not.toThrow(/signature/);
  });

  it("never carry a credential that somebody added", async () => {
    const transport = bench.transport("http://127.0.0.1:2", client);
    const wire = transport.prepareDownload("http://127.0.0.1:1/export");
    const sent = transport.send({ ...wire, headers: { ...wire.headers, authorization: "key" } }, never());
    await expect(sent).rejects.toMatchObject({ code: "UPSTREAM_REJECTED" });
  });
});
