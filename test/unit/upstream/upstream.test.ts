import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Secret } from "../../../src/core/secret.ts";
import { ConfigError, ContractError } from "../../../src/core/errors.ts";
import { type Logger, systemClock } from "../../../src/core/ports.ts";
import * as t from "../../../src/source/index.ts";
import type { Client } from "../../../src/source/define-source.ts";
import type { CallContext, Priority } from "../../../src/upstream/context.ts";
import { Upstream } from "../../../src/upstream/upstream.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const quick = { baseMs: 1, capMs: 4, maxAttempts: 3, maxBulkAttempts: 6 };
const answering =
  (status: number, headers: Record<string, string> = {}, body = "{}"): Answer =>
  (_request, response) =>
    void response.writeHead(status, headers).end(body);
/** Answers by the first, the second and so on; the last one stays. */
const inTurn = (...answers: readonly Answer[]): Answer => {
  let turn = 0;
  return (request, response) => answers[Math.min(turn++, answers.length - 1)]!(request, response);
};

let server: Server;
let upstream: Upstream;
let asked: string[] = [];
afterEach(async () => {
  await upstream.close();
  server.closeAllConnections();
  server.close();
});

async function over(answer: Answer, client: Partial<Client> = {}): Promise<Upstream> {
  asked = [];
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    request.resume().on("end", () => answer(request, response));
  });
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const source = t.defineSource({
    name: "crm",
    title: "CRM",
    version: "1",
    client: { baseUrl, auth: t.bearer({ secret: "KEY" }), limits: [], ...client },
    collections: {},
  });
  const read = (name: string) => {
    if (name === "KEY") return new Secret("key");
    throw new ConfigError("CONFIG_SECRET_MISSING", name);
  };
  upstream = new Upstream(source, {
    baseUrl,
    secrets: { read },
    clock: systemClock,
    random: Math.random,
    logger: silent,
    backoff: quick,
  });
  return upstream;
}

const context = (priority: Priority = "live", withinMs = 5_000): CallContext => ({
  priority,
  signal: AbortSignal.timeout(withinMs),
  deadlineAtMs: Date.now() + withinMs,
  requestId: "r1",
});
const things = t.get("things.get", "/things");

describe("retries", () => {
  it.each([408, 425, 429, 500, 502, 503, 504])("%i is tried again", async status => {
    const crm = await over(inTurn(answering(status), answering(200)));
    expect(await crm.send(things, context())).toMatchObject({ status: 200, attempts: 2 });
  });

  it.each([
    [400, "UPSTREAM_REJECTED"],
    [403, "UPSTREAM_FORBIDDEN"],
    [404, "UPSTREAM_REJECTED"],
    [409, "UPSTREAM_REJECTED"],
    [410, "UPSTREAM_REJECTED"],
    [422, "UPSTREAM_REJECTED"],
  ])("%i is final, and so said", async (status, code) => {
    const crm = await over(answering(status));
    await expect(crm.send(things, context())).rejects.toMatchObject({ code, retryable: false, details: { attempts: 1 } });
    expect(asked).toHaveLength(1);
  });

  it("a connection that is cut is tried again", async () => {
    const crm = await over(inTurn((_request, response) => void response.destroy(), answering(200)));
    expect(await crm.send(things, context())).toMatchObject({ status: 200, attempts: 2 });
  });

  it("what must not be sent twice is not", async () => {
    const crm = await over(answering(503));
    const unsafe = { ...t.readByPost("things.create", "/things", {}), isSafe: false };
    await expect(crm.send(unsafe, context())).rejects.toMatchObject({ code: "UPSTREAM_UNAVAILABLE", details: { attempts: 1 } });
    expect(asked).toHaveLength(1);
  });

  it("what must not be sent twice is sent again under a key by which the source knows it", async () => {
    const crm = await over(inTurn(answering(503), answering(200)), { idempotency: { header: "Idempotency-Key" } });
    const keyed = { ...t.readByPost("things.create", "/things", {}), isSafe: false, idempotencyKey: "k1" };
    expect(await crm.send(keyed, context())).toMatchObject({ status: 200, attempts: 2 });
  });

  it("a wait that the source asks for goes before ours, and is not begun when the deadline is nearer", async () => {
    const crm = await over(answering(503, { "retry-after": "30" }));
    const startedAt = Date.now();
    await expect(crm.send(things, context())).rejects.toMatchObject({ details: { attempts: 1, retryAfterMs: 30_000 } });
    expect(Date.now() - startedAt).toBeLessThan(2_000);
  });

  it("work in bulk outlasts more failures than a live read does", async () => {
    const crm = await over(inTurn(...Array.from({ length: 4 }, () => answering(503)), answering(200)));
    expect(await crm.send(things, context("bulk"))).toMatchObject({ attempts: 5 });
  });

  it("a brownout is not multiplied: retries stay a tenth of the requests", async () => {
    let number = 0;
    const crm = await over((request, response) => answering(number++ % 4 === 0 ? 503 : 200)(request, response));
    const requests = 600;
    const outcomes = await Promise.allSettled(Array.from({ length: requests }, () => crm.send(things, context())));
    expect(outcomes.some(({ status }) => status === "rejected")).toBe(true);
    expect(asked.length).toBeGreaterThan(requests);
    expect(asked.length).toBeLessThanOrEqual(requests * 1.1);
    expect((await crm.status()).retries).toBe(asked.length - requests);
  });
});

describe("credentials", () => {
  it("that are refused, and cannot be renewed, end it", async () => {
    const crm = await over(answering(401));
    await expect(crm.send(things, context())).rejects.toMatchObject({ code: "UPSTREAM_AUTH", details: { attempts: 1 } });
  });

  it("are renewed once after a 401; a second 401 is the end of it", async () => {
    let tokens = 0;
    const crm = await over(
      (request, response) =>
        request.url === "/token"
          ? answering(200, {}, `{"access_token":"t${++tokens}","token_type":"bearer","expires_in":60}`)(request, response)
          : answering(401)(request, response),
      { auth: t.clientCredentials({ tokenPath: "/token", clientId: "KEY", clientSecret: "KEY" }) },
    );
    await expect(crm.send(things, context())).rejects.toMatchObject({ code: "UPSTREAM_AUTH" });
    expect(asked.filter(line => line.endsWith("/things"))).toHaveLength(2);
    expect(tokens).toBe(2);
  });
});

describe("breakers", () => {
  it("shut out the kind of request that fails, and no other", async () => {
    const crm = await over((request, response) => answering(request.url === "/search" ? 500 : 200)(request, response));
    const search = t.get("things.search", "/search");
    for (let time = 0; time < 3; time++) await expect(crm.send(search, context())).rejects.toMatchObject({});
    await expect(crm.send(search, context())).rejects.toMatchObject({
      code: "UPSTREAM_BREAKER_OPEN",
      details: { httpStatus: 500 },
    });
    expect(await crm.send(things, context())).toMatchObject({ status: 200 });
    const { breaker, breakers } = await crm.status();
    expect(breaker).toBe("OPEN");
    expect(breakers.map(({ operation, state }) => [operation, state])).toEqual([
      ["things.get", "CLOSED"],
      ["things.search", "OPEN"],
    ]);
  });

  it.each([404, 422, 429])("%i never opens one", async status => {
    const crm = await over(answering(status));
    for (let time = 0; time < 12; time++) await expect(crm.send(things, context("live", 300))).rejects.toMatchObject({});
    expect((await crm.status()).breaker).toBe("CLOSED");
  });

  it("an answer of another shape counts as a failure, and is not asked for again", async () => {
    const crm = await over(answering(200));
    const check = () => {
      throw new ContractError("UPSTREAM_CONTRACT", "rows is not there");
    };
    for (let time = 0; time < 6; time++)
      await expect(crm.send(things, context(), check)).rejects.toMatchObject({ code: "UPSTREAM_CONTRACT" });
    expect(asked).toHaveLength(6);
    await expect(crm.send(things, context(), check)).rejects.toMatchObject({ code: "UPSTREAM_BREAKER_OPEN" });
  });
});

describe("answers that may be kept", () => {
  it("are given again without a request while they are fresh", async () => {
    const crm = await over(answering(200, { "cache-control": "max-age=60" }, '{"a":1}'));
    await crm.send(things, context());
    expect(await crm.send(things, context())).toMatchObject({ body: { a: 1 }, attempts: 0 });
    expect(asked).toHaveLength(1);
    expect((await crm.status()).cacheHits).toBe(1);
  });

  it("are asked about by their tag, and not parsed again when they still hold", async () => {
    const tags: unknown[] = [];
    const crm = await over((request, response) => {
      tags.push(request.headers["if-none-match"]);
      answering(tags.length === 1 ? 200 : 304, { etag: '"v1"' }, tags.length === 1 ? '{"a":1}' : "")(request, response);
    });
    const first = await crm.send(things, context());
    const second = await crm.send(things, context());
    expect(tags).toEqual([undefined, '"v1"']);
    expect(second.body).toBe(first.body);
  });

  it("are forgotten when they are of no use", async () => {
    const crm = await over(answering(200, { "cache-control": "max-age=60" }));
    let checks = 0;
    const check = () => {
      if (++checks === 2) throw new ContractError("UPSTREAM_CONTRACT", "rows is not there");
    };
    await crm.send(things, context(), check);
    await crm.send(things, context(), check);
    expect([asked.length, checks]).toEqual([2, 3]);
  });
});

describe("an asker that leaves", () => {
  it("ends the request and is not held against the source", async () => {
    const crm = await over(() => undefined);
    const gone = new AbortController();
    const answer = crm.send(things, { ...context(), signal: gone.signal });
    setTimeout(() => gone.abort(new Error("left")), 50);
    await expect(answer).rejects.toThrow();
    expect((await crm.status()).breakers.every(({ state }) => state === "CLOSED")).toBe(true);
  });
});
