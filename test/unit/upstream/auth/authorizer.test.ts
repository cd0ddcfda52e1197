import { describe, expect, it } from "@jest/globals";
import { Secret } from "../../../../src/core/secret.ts";
import { ConfigError } from "../../../../src/core/errors.ts";
import { systemClock } from "../../../../src/core/ports.ts";
import { clientCredentials } from "../../../../src/source/auth.ts";
import { MemoryTokenStore } from "../../../../src/upstream/auth/token-store.ts";
import { silent } from "../../../support/world.ts";
import type { SendForToken } from "../../../../src/upstream/auth/authorizer.ts";
import { createAuthorizer } from "../../../../src/upstream/auth/create-authorizer.ts";

const auth = clientCredentials({ tokenPath: "/token", clientId: "ID", clientSecret: "SECRET" });
const granted = { status: 200, headers: {}, text: '{"access_token":"t1","token_type":"bearer","expires_in":1800}' };
const signal = new AbortController().signal;
const bare = { method: "GET", url: new URL("http://x.example/base/things"), headers: {} };

function authorizerOver(send: SendForToken, names: Readonly<Record<string, string>> = { ID: "id", SECRET: "secret" }) {
  const read = (name: string) => {
    const value = names[name];
    if (value === undefined) throw new ConfigError("CONFIG_SECRET_MISSING", `${name} is not set`);
    return new Secret(value);
  };
  const authorizer = createAuthorizer(auth, {
    source: "x",
    baseUrl: "http://x.example/base",
    secrets: { read },
    clock: systemClock,
    send,
    logger: silent,
    tokens: new MemoryTokenStore(),
  });
  return {
    renew: (header = "") => authorizer.renew(header.replace("Bearer ", "")),
    header: async () => (await authorizer.authorize(bare, signal)).request.headers["authorization"],
  };
}

describe("client credentials", () => {
  it("asks once for a token that many wait for, by a form with the declared secrets, and keeps it", async () => {
    const sent: unknown[] = [];
    const authorizer = authorizerOver(async request => {
      sent.push([request.path, request.body]);
      return granted;
    });
    const headers = await Promise.all([authorizer.header(), authorizer.header()]);
    expect(headers).toEqual(["Bearer t1", "Bearer t1"]);
    await authorizer.header();
    const value = { grant_type: "client_credentials", client_id: "id", client_secret: "secret" };
    expect(sent).toEqual([["/token", { type: "form", value }]]);
  });

  it("renews what was refused, but not what somebody else has renewed already", async () => {
    let number = 0;
    const authorizer = authorizerOver(async () => ({ ...granted, text: granted.text.replace("t1", `t${++number}`) }));
    const first = await authorizer.header();
    expect(authorizer.renew(first)).toBe(true);
    const second = await authorizer.header();
    authorizer.renew(first);
    expect(await authorizer.header()).toEqual(second);
    expect(number).toBe(2);
  });

  it("says so when a secret is missing, and sends nothing", async () => {
    const authorizer = authorizerOver(async () => Promise.reject(new Error("sent")), { ID: "id" });
    await expect(authorizer.header()).rejects.toMatchObject({ code: "CONFIG_SECRET_MISSING" });
  });

  it.each([
    [400, '{"error":"invalid_client"}', {}, { code: "UPSTREAM_AUTH", retryable: false, details: { httpStatus: 400 } }],
    [401, "", {}, { code: "UPSTREAM_AUTH", retryable: false }],
    [403, "{}", {}, { code: "UPSTREAM_FORBIDDEN" }],
    [404, "<html>", {}, { code: "UPSTREAM_REJECTED" }],
    [429, "{}", { "retry-after": "7" }, { code: "UPSTREAM_THROTTLED", retryable: true, details: { retryAfterMs: 7_000 } }],
    [503, "", {}, { code: "UPSTREAM_UNAVAILABLE", retryable: true }],
    [204, "", {}, { code: "UPSTREAM_EMPTY" }],
    [200, "<html>", {}, { code: "UPSTREAM_MALFORMED" }],
    [200, "[]", {}, { code: "UPSTREAM_MALFORMED" }],
    [200, "{}", {}, { code: "UPSTREAM_MALFORMED" }],
  ])("takes %i %j for what it is", async (status, text, headers, expected) => {
    const authorizer = authorizerOver(async () => ({ status, text, headers }));
    await expect(authorizer.header()).rejects.toMatchObject(expected);
  });
});
