import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { lineageEndpoint } from "../../../src/app/lineage-endpoint.ts";
import { Secret } from "../../../src/core/secret.ts";
import { startEvent } from "../../../src/pipeline/openlineage.ts";

const event = startEvent(
  { runId: "0d4b1f60-3f3f-4b52-9f7c-0d0a6c1b2a10", namespace: "n", inputs: [] },
  "2026-01-31T09:00:00.000Z",
);
const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach(close => close()));

interface Request {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function server(status: number | null) {
  const requests: Request[] = [];
  const listening = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    requests.push({ url: request.url, headers: request.headers, body });
    if (status !== null) response.writeHead(status).end();
  });
  await new Promise<void>(resolve => listening.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    listening.closeAllConnections();
    listening.close();
  });
  return { requests, url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}` };
}

async function emitted(url: string, timeoutMs = 5_000) {
  const said: string[] = [];
  const logged: string[] = [];
  const log = (fields: object, message: string) => void logged.push(JSON.stringify({ ...fields, message }));
  const logger = { debug: log, info: log, warn: log, error: log };
  const parts = { namespace: "n", timeoutMs, logger, warn: (text: string) => void said.push(text) };
  await lineageEndpoint({ ...parts, url, apiKey: new Secret("hidden-key") }).emit(event);
  return { said, logged };
}

describe("an OpenLineage server", () => {
  it("is sent the event at the usual path with the key as a bearer token, or at a path of its own", async () => {
    const { requests, url } = await server(201);
    expect(await emitted(url)).toEqual({ said: [], logged: [] });
    await emitted(`${url}/own/path?team=a`);
    expect(requests.map(request => request.url)).toEqual(["/api/v1/lineage", "/own/path?team=a"]);
    expect(requests[0]!.headers).toMatchObject({ authorization: "Bearer hidden-key", "content-type": "application/json" });
    expect(JSON.parse(requests[0]!.body)).toEqual(event);
  });

  it.each([
    ["refuses", 503, /it answered 503/],
    ["is silent", null, /timeout/],
  ])("that %s is said and logged, and fails nothing", async (_how, status, problem) => {
    const { url } = await server(status);
    const { said, logged } = await emitted(`${url}?key=hidden-query`, 200);
    expect(said).toEqual([expect.stringMatching(problem)]);
    expect(logged).toEqual([expect.stringMatching(problem)]);
    expect(said.join() + logged.join()).not.toContain("hidden");
  });

  it("that is not there is said, too", async () => {
    const { url } = await server(200);
    closers.splice(0).forEach(close => close());
    expect((await emitted(url)).said).toEqual([expect.stringContaining("fetch failed")]);
  });

  it("must be at an address", async () => {
    await expect(emitted("ftp://x")).rejects.toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });
});
