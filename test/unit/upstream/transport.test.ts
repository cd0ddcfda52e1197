import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { bearer } from "../../../src/source/auth.ts";
import type { Client } from "../../../src/source/define-source.ts";
import { get, readByPost, type UpstreamRequest } from "../../../src/source/request.ts";
import { createTransport, type Transport } from "../../../src/upstream/transport.ts";

let server: Server | undefined;
let transport: Transport | undefined;
afterEach(async () => {
  await transport?.close();
  server?.closeAllConnections();
  server?.close();
});

async function over(listener: RequestListener, client: Partial<Client> = {}): Promise<Transport> {
  server = createServer(listener);
  await new Promise<void>(resolve => server?.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  transport = createTransport(`http://127.0.0.1:${port}/base`, {
    baseUrl: "",
    auth: bearer({ secret: "X" }),
    limits: [],
    ...client,
  });
  return transport;
}
const signal = () => new AbortController().signal;
const sendBy = async (transport: Transport, request: UpstreamRequest, until: AbortSignal) =>
  transport.send(transport.prepare(request), until);

describe("createTransport", () => {
  it("puts path, query, body and headers where they belong", async () => {
    const seen: string[] = [];
    const sender = await over(
      (request, response) => {
        seen.push(
          `${request.method} ${request.url} ${String(request.headers["content-type"])} ${String(request.headers["x-key"])}`,
        );
        request.resume().on("end", () => response.end('{"ok":true}'));
      },
      { headers: { "X-Key": "k" } },
    );
    await sendBy(sender, get("a", "/things", { "page[size]": 5, after: undefined, q: "a&b" }), signal());
    await sendBy(sender, readByPost("b", "/read", { ids: [1] }), signal());
    expect(seen).toEqual(["GET /base/things?page%5Bsize%5D=5&q=a%26b undefined k", "POST /base/read application/json k"]);
  });

  it("refuses an answer that is too large, however it is sent", async () => {
    const sender = await over((_request, response) => void response.end("x".repeat(5_000)), { maxResponseBytes: 1_000 });
    await expect(sendBy(sender, get("a", "/"), signal())).rejects.toMatchObject({ code: "UPSTREAM_TOO_LARGE" });
  });

  it("does not follow a redirect, and never leaves its origin", async () => {
    const sender = await over((_request, response) => void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end());
    expect((await sendBy(sender, get("a", "/"), signal())).status).toBe(302);
    for (const path of ["@127.0.0.2/", ".evil.example/", "//127.0.0.2:1/x"]) {
      const sent = sendBy(sender, get("a", path), signal());
      if (path.startsWith("/")) expect((await sent).status).toBe(302);
      else await expect(sent).rejects.toMatchObject({ code: "UPSTREAM_REJECTED" });
    }
  });

  it.each([
    ["headers", { headersMs: 150 }, () => undefined],
    ["the body", { bodyMs: 150 }, (write: (text: string) => void) => write('{"half":')],
  ])("gives up on %s that do not come", async (_name, timeouts, begin) => {
    const sender = await over((_request, response) => begin(text => void response.write(text)), { timeouts });
    await expect(sendBy(sender, get("a", "/"), signal())).rejects.toMatchObject({
      code: "UPSTREAM_TIMEOUT",
      details: { reason: "timeout" },
      cause: { code: expect.stringMatching(/UND_ERR_(HEADERS|BODY)_TIMEOUT/) },
    });
  });

  it("stops at once when the asker leaves", async () => {
    const sender = await over(() => undefined);
    const gone = new AbortController();
    const answer = sendBy(sender, get("a", "/"), gone.signal);
    gone.abort(new Error("left"));
    await expect(answer).rejects.toThrow("left");
  });
});
