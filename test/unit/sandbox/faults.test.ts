import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { request, type IncomingMessage } from "node:http";
import { gunzipSync } from "node:zlib";
import { faultKinds } from "../../../src/sandbox/faults.ts";
import type { Imitation } from "../../../src/sandbox/imitation.ts";
import { startSandbox, type Sandbox } from "../../../src/sandbox/server.ts";
import { ask, breakSource, control } from "./ask.ts";

const record = { id: "7", name: "Ünïcode Дім", parts: [{ n: 1 }] };
const tiny: Imitation = {
  name: "tiny",
  environment: () => ({}),
  mount: app => void app.get("/things/:id", () => record),
  records: () => [],
};
const NOW = Date.UTC(2026, 10, 23, 10);

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0, seed: 1, customers: 1, imitations: [tiny], clock: () => NOW });
});
afterEach(() => control(sandbox, "reset", { method: "POST" }));
afterAll(() => sandbox.close());

const breakTiny = (fault: object) => breakSource(sandbox, { source: "tiny", ...fault });
const thing = () => ask(`${sandbox.origin}/tiny/things/7`);

interface Received {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly bytes: Buffer;
  /** How it ended: `end`, or the code of the connection's error. */
  readonly end: string;
  readonly pieces: number;
}

/** Reads an answer as it comes, at most so many bytes. */
function receive(maxBytes = Number.POSITIVE_INFINITY): Promise<Received> {
  return new Promise((resolve, reject) => {
    const sent = request(`${sandbox.origin}/tiny/things/7`, { agent: false }, answer => {
      const chunks: Buffer[] = [];
      const done = (end: string) => {
        const { statusCode: status, headers } = answer;
        resolve({ status, headers, bytes: Buffer.concat(chunks), end, pieces: chunks.length });
      };
      answer.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        if (Buffer.concat(chunks).length >= maxBytes) {
          done("enough");
          answer.destroy();
        }
      });
      answer.on("end", () => done("end"));
      // Of what breaks after the headers, request and answer both tell.
      sent.off("error", reject).on("error", () => undefined);
      answer.on("error", error => done((error as NodeJS.ErrnoException).code ?? error.message));
    });
    sent.on("error", reject).end();
  });
}

describe("a fault of the body", () => {
  it("drip: the true body comes a few bytes at a time", async () => {
    await breakTiny({ kind: "drip", bytes: 20, everyMs: 5 });
    const { headers, bytes, end, pieces } = await receive();
    expect(JSON.parse(String(bytes))).toEqual(record);
    expect([end, headers["content-length"], pieces]).toEqual(["end", String(bytes.length), Math.ceil(bytes.length / 20)]);
  });

  it("drip: leaves nothing behind when the client hangs up", async () => {
    await breakTiny({ kind: "drip", everyMs: 5 });
    expect((await receive(3)).end).toBe("enough");
    await new Promise(resolve => setTimeout(resolve, 30));
    const calls = await control(sandbox, "calls");
    expect(calls.json()).toEqual({ tiny: { "GET /things/:id": { aborted: 1 } } });
  });

  it("cut-headers: the connection is reset once the headers have come", async () => {
    await breakTiny({ kind: "cut-headers" });
    expect(await receive()).toMatchObject({ status: 200, bytes: Buffer.alloc(0), end: "ECONNRESET" });
  });

  it("cut-chunk: half of an announced chunk comes, then nothing", async () => {
    await breakTiny({ kind: "cut-chunk" });
    const { headers, bytes, end } = await receive();
    const whole = Buffer.byteLength(JSON.stringify(record));
    expect([headers["transfer-encoding"], bytes.length, end]).toEqual(["chunked", Math.ceil(whole / 2), "ECONNRESET"]);
  });

  it("huge: 10 GiB are declared and sent for as long as somebody reads", async () => {
    await breakTiny({ kind: "huge" });
    const before = process.memoryUsage().rss;
    const { headers, end } = await receive(4 * 1024 ** 2);
    expect([headers["content-length"], end]).toEqual([String(10 * 1024 ** 3), "enough"]);
    expect(process.memoryUsage().rss - before).toBeLessThan(512 * 1024 ** 2);
    await control(sandbox, "reset", { method: "POST" });
    await breakTiny({ kind: "huge", sizeBytes: 100_000 });
    expect(await receive()).toMatchObject({ end: "end", bytes: { length: 100_000 } });
  });

  it("bomb: gzip that unfolds to a thousand times its size", async () => {
    await breakTiny({ kind: "bomb", sizeBytes: 32 * 1024 ** 2 });
    const { headers, bytes } = await receive();
    expect(headers["content-encoding"]).toBe("gzip");
    const unfolded = gunzipSync(bytes);
    expect(unfolded.length).toBe(32 * 1024 ** 2);
    expect(unfolded.length / bytes.length).toBeGreaterThan(500);
  });

  it("content-type: the true body under another type", async () => {
    await breakTiny({ kind: "content-type" });
    const { headers, json } = await thing();
    expect([headers.get("content-type"), json()]).toEqual(["text/plain", record]);
  });

  it.each([
    ["utf-16le", "utf-16le"],
    ["utf-16be", undefined],
    ["latin1", "iso-8859-1"],
    ["latin1", undefined],
  ] as const)("charset: the true body in %s, declared as %s", async (encoding, declares) => {
    await breakTiny({ kind: "charset", encoding, ...(declares && { declares }) });
    const { headers, bytes } = await receive();
    expect(headers["content-type"]).toBe(`application/json${declares === undefined ? "" : `; charset=${declares}`}`);
    expect(JSON.parse(new TextDecoder(encoding).decode(bytes))).toEqual(record);
  });

  it("bom: a byte order mark before the true body", async () => {
    await breakTiny({ kind: "bom" });
    const { bytes, headers } = await receive();
    expect(bytes.subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]));
    expect(headers["content-length"]).toBe(String(bytes.length));
    expect(JSON.parse(bytes.toString("utf8", 3))).toEqual(record);
  });

  it("hostile-json: members that stand twice, the true one last, or that are called __proto__", async () => {
    await breakTiny({ kind: "hostile-json", form: "duplicate-members", times: 1 });
    const twice = await thing();
    expect(twice.text).toContain('"id":"hostile","id":"7"');
    expect(twice.json()).toEqual(record);
    await breakTiny({ kind: "hostile-json", form: "proto-members" });
    const proto = await thing();
    expect(proto.text).toContain('{"__proto__":{"isHostile":true');
    expect(proto.json()).toMatchObject({ id: "7", parts: [{ n: 1 }] });
  });

  it("multi-status: the true body under 207", async () => {
    await breakTiny({ kind: "multi-status" });
    const { status, json } = await thing();
    expect([status, json()]).toEqual([207, record]);
  });
});

describe("a fault of the head", () => {
  it.each([
    ["other-host", "https://elsewhere.example/tiny/things/7"],
    ["itself", "/tiny/things/7"],
    ["downgrade", "http://127.0.0.1/tiny/things/7"],
  ])("redirect: to %s", async (to, location) => {
    await breakTiny({ kind: "redirect", to, status: 307 });
    const { status, headers } = await receive();
    expect([status, headers["location"]]).toEqual([307, location]);
  });

  it.each([
    [0, "0"],
    ["soon", "soon"],
    [{ dateInSeconds: -60 }, "Mon, 23 Nov 2026 09:59:00 GMT"],
    [{ dateInSeconds: 2 }, "Mon, 23 Nov 2026 10:00:02 GMT"],
  ])("status: Retry-After as %j", async (retryAfter, said) => {
    await breakTiny({ kind: "status", status: 503, retryAfter });
    expect((await thing()).headers.get("retry-after")).toBe(said);
  });
});

describe("a fault with a percentage", () => {
  const pattern = async (fault: object) => {
    await control(sandbox, "reset", { method: "POST" });
    await breakTiny({ kind: "status", status: 500, ...fault });
    const statuses: number[] = [];
    for (let request = 0; request < 200; request++) statuses.push((await thing()).status);
    return statuses;
  };

  it("breaks about so many requests, and the same ones each time by the same seed", async () => {
    const first = await pattern({ percent: 20 });
    const broken = first.filter(status => status === 500).length;
    expect(broken).toBeGreaterThan(20);
    expect(broken).toBeLessThan(60);
    expect(await pattern({ percent: 20 })).toEqual(first);
    expect(await pattern({ percent: 20, seed: 2 })).not.toEqual(first);
  });

  it("breaks no more than so many times", async () => {
    expect((await pattern({ percent: 50, times: 3 })).filter(status => status === 500)).toHaveLength(3);
  });
});

describe("a new fault that cannot be", () => {
  it.each([
    [{ kind: "stall", percent: 0 }, "percent", "at most 100"],
    [{ kind: "stall", percent: 50, seed: -1 }, "seed", "leave it out for 1"],
    [{ kind: "redirect", to: "moon" }, "to", "other-host, itself, downgrade"],
    [{ kind: "redirect", to: "itself", status: 200 }, "status", "307"],
    [{ kind: "hostile-json" }, "form", "duplicate-members"],
    [{ kind: "charset", encoding: "ebcdic" }, "encoding", "utf-16le"],
    [{ kind: "drip", everyMs: 0 }, "everyMs", "1000"],
    [{ kind: "drip", bytes: 0 }, "bytes", "from 1"],
    [{ kind: "huge", sizeBytes: 1.5 }, "sizeBytes", "bytes"],
    [{ kind: "status", status: 503, retryAfter: { dateInSeconds: "x" } }, "retryAfter", "dateInSeconds"],
    [{ kind: "nothing" }, "kind", faultKinds.join(", ")],
  ])("%j is refused by naming %s and the remedy", async (fault, field, remedy) => {
    const { status, json } = await control(sandbox, "faults", { body: { source: "tiny", ...fault } });
    const { error } = json<{ error: { field: string; remedy: string } }>();
    expect([status, error.field]).toEqual([400, field]);
    expect(error.remedy).toContain(remedy);
  });
});
