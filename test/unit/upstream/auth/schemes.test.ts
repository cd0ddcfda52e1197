import { createHash, createHmac, generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { importSPKI, jwtVerify } from "jose";
import { ConfigError } from "../../../../src/core/errors.ts";
import { type Clock, systemClock } from "../../../../src/core/ports.ts";
import { Secret } from "../../../../src/core/secret.ts";
import * as t from "../../../../src/source/index.ts";
import type { Auth } from "../../../../src/source/auth.ts";
import type { UpstreamRequest } from "../../../../src/source/request.ts";
import type { SendForToken } from "../../../../src/upstream/auth/authorizer.ts";
import { createAuthorizer } from "../../../../src/upstream/auth/create-authorizer.ts";
import { MemoryTokenStore } from "../../../../src/upstream/auth/token-store.ts";
import { silent } from "../../../support/world.ts";

const baseUrl = "https://api.example.com/v1";
const bare = { method: "GET", url: new URL(`${baseUrl}/things?b=2&a=1`), headers: { accept: "application/json" } };
const post = { method: "POST", url: new URL(`${baseUrl}/things`), headers: {}, body: '{"a":1}' };
const signal = new AbortController().signal;
const at = (nowMs: number): Clock => ({ ...systemClock, nowMs: () => nowMs });
const nobody: SendForToken = async () => Promise.reject(new Error("sent"));

function authorizerFor(auth: Auth, secrets: Record<string, string>, options: { clock?: Clock; send?: SendForToken } = {}) {
  const read = (name: string) => {
    const value = secrets[name];
    if (value === undefined) throw new ConfigError("CONFIG_SECRET_MISSING", `${name} is not set`);
    return new Secret(value);
  };
  const parts = { source: "x", baseUrl, secrets: { read }, logger: silent, tokens: new MemoryTokenStore() };
  return createAuthorizer(auth, { ...parts, clock: options.clock ?? systemClock, send: options.send ?? nobody });
}
const answer = (body: object, headers = {}) => ({ status: 200, headers, text: JSON.stringify(body) });

describe("credentials at their places", () => {
  it.each([
    ["a header", t.apiKey({ secret: "K", in: "header", name: "X-Api-Key", prefix: "Key " }), { "x-api-key": "Key s/c" }, ""],
    ["a cookie", t.apiKey({ secret: "K", in: "cookie", name: "sid" }), { cookie: "sid=s%2Fc" }, ""],
    ["the query", t.apiKey({ secret: "K", in: "query", name: "key" }), {}, "&key=s%2Fc"],
    ["bearer", t.bearer({ secret: "K" }), { authorization: "Bearer s/c" }, ""],
    ["basic", t.basic({ user: "U", userSuffix: "/token", secret: "K" }), { authorization: "Basic dS90b2tlbjpzL2M=" }, ""],
    ["nothing", t.noAuth(), {}, ""],
  ])("%s", async (_name, auth, headers, query) => {
    const { request } = await authorizerFor(auth, { K: "s/c", U: "u" }).authorize(bare, signal);
    expect(request.headers).toEqual({ accept: "application/json", ...headers });
    expect(request.url.search).toBe(`?b=2&a=1${query}`);
  });

  it("are read anew for each request, and worth another attempt once they were replaced", async () => {
    const secrets: Record<string, string> = { K: "old" };
    const authorizer = authorizerFor(t.bearer({ secret: "K" }), secrets);
    const scope = authorizer.scope();
    const { credential } = await authorizer.authorize(bare, signal);
    expect(authorizer.renew(credential)).toBe(false);
    secrets["K"] = "new";
    expect(authorizer.renew(credential)).toBe(true);
    expect((await authorizer.authorize(bare, signal)).request.headers).toMatchObject({ authorization: "Bearer new" });
    expect(authorizer.scope()).not.toBe(scope);
    expect(scope).not.toContain("old");
  });
});

describe("AWS Signature Version 4", () => {
  const keys = { ID: "AKIDEXAMPLE", KEY: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", TOKEN: "session" };
  const clock = at(Date.UTC(2015, 7, 30, 12, 36));
  const auth = t.awsSigV4({ service: "service", region: "us-east-1", accessKeyId: "ID", secretAccessKey: "KEY" });

  /** The signature as the documentation describes it, written out once more. */
  function signatureOf(canonical: string): string {
    const hash = createHash("sha256").update(canonical).digest("hex");
    const text = `AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n${hash}`;
    const mac = (key: string | Buffer, data: string) => createHmac("sha256", key).update(data).digest();
    const key = mac(mac(mac(mac(`AWS4${keys.KEY}`, "20150830"), "us-east-1"), "service"), "aws4_request");
    return mac(key, text).toString("hex");
  }
  const empty = createHash("sha256").update("").digest("hex");

  it("signs host, time and payload", async () => {
    const { request } = await authorizerFor(auth, keys, { clock }).authorize({ ...bare, headers: {} }, signal);
    const signed = "host;x-amz-content-sha256;x-amz-date";
    const headers = `host:api.example.com\nx-amz-content-sha256:${empty}\nx-amz-date:20150830T123600Z\n`;
    const expected = signatureOf(`GET\n/v1/things\na=1&b=2\n${headers}\n${signed}\n${empty}`);
    expect(request.headers["authorization"]).toBe(
      `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=${signed}, Signature=${expected}`,
    );
  });

  it("escapes the path once more unless it is told not to", async () => {
    const spaced = { ...bare, url: new URL(`${baseUrl}/a%20b`), headers: {} };
    const signature = async (normalizesPath: boolean) =>
      (await authorizerFor({ ...auth, normalizesPath }, keys, { clock }).authorize(spaced, signal)).request.headers[
        "authorization"
      ];
    const headers = `host:api.example.com\nx-amz-content-sha256:${empty}\nx-amz-date:20150830T123600Z\n`;
    const canonical = (path: string) => `GET\n${path}\n\n${headers}\nhost;x-amz-content-sha256;x-amz-date\n${empty}`;
    expect(await signature(true)).toContain(signatureOf(canonical("/v1/a%2520b")));
    expect(await signature(false)).toContain(signatureOf(canonical("/v1/a%20b")));
  });

  it("carries a session token, also presigned, and never the secret key", async () => {
    const temporary = { ...auth, sessionToken: "TOKEN" };
    const header = await authorizerFor(temporary, keys, { clock }).authorize(post, signal);
    expect(header.request.headers["x-amz-security-token"]).toBe("session");
    const presigned = await authorizerFor({ ...temporary, mode: "presigned" }, keys, { clock }).authorize(bare, signal);
    const { searchParams } = presigned.request.url;
    expect(searchParams.get("X-Amz-Security-Token")).toBe("session");
    expect(searchParams.get("X-Amz-Signature")).toMatch(/^[0-9a-f]{64}$/);
    expect(searchParams.get("a")).toBe("1");
    expect(JSON.stringify([header, presigned.request.url.href])).not.toContain(keys.KEY);
  });
});

describe("HMAC", () => {
  it("signs the declared parts in their order, and says when, once and with which key", async () => {
    const auth = t.hmac({
      secret: "S",
      algorithm: "sha512",
      encoding: "base64",
      canonical: ["method", "path-and-query", "timestamp", "body-sha256", { header: "X-Tenant" }, { text: "v1" }],
      separator: "\n",
      signature: { in: "header", name: "X-Signature", prefix: "v1=" },
      timestamp: { in: "header", name: "X-Time", unit: "milliseconds" },
      nonce: { in: "query", name: "nonce" },
      keyId: { in: "header", name: "X-Key", secret: "ID" },
    });
    const tenant = { ...post, headers: { "x-tenant": "acme" } };
    const { request } = await authorizerFor(auth, { S: "secret", ID: "k1" }, { clock: at(1_000) }).authorize(tenant, signal);
    const nonce = request.url.searchParams.get("nonce");
    const hash = createHash("sha256").update(post.body).digest("hex");
    const text = ["POST", `/v1/things?nonce=${nonce}`, "1000", hash, "acme", "v1"].join("\n");
    const expected = createHmac("sha512", "secret").update(text).digest("base64");
    expect(request.headers).toMatchObject({ "x-signature": `v1=${expected}`, "x-time": "1000", "x-key": "k1" });
  });

  it("takes a key that is written in base64", async () => {
    const auth = t.hmac({
      secret: "S",
      secretEncoding: "base64",
      algorithm: "sha256",
      encoding: "hex",
      canonical: ["body"],
      signature: { in: "header", name: "sig" },
    });
    const { request } = await authorizerFor(auth, { S: "c2VjcmV0" }).authorize(post, signal);
    expect(request.headers["sig"]).toBe(createHmac("sha256", "secret").update(post.body).digest("hex"));
  });
});

describe("tokens", () => {
  it("are had for a signed assertion", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const sent: UpstreamRequest[] = [];
    const send: SendForToken = async request => {
      sent.push(request);
      return answer({ access_token: "t1", token_type: "bearer", expires_in: 60 });
    };
    const auth = t.jwtBearer({
      tokenPath: "/token",
      privateKey: "PEM",
      algorithm: "ES256",
      issuer: "ISS",
      subject: "SUB",
      keyId: "k1",
      scope: "read",
    });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const authorizer = authorizerFor(auth, { PEM: pem, ISS: "app", SUB: "ann" }, { send });
    expect((await authorizer.authorize(bare, signal)).request.headers["authorization"]).toBe("Bearer t1");
    const form = (sent[0]?.body?.type === "form" ? sent[0].body.value : {}) as Record<string, string>;
    expect(form).toMatchObject({ grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", scope: "read" });
    const key = await importSPKI(publicKey.export({ type: "spki", format: "pem" }).toString(), "ES256");
    const { payload, protectedHeader } = await jwtVerify(form["assertion"] ?? "", key, { audience: `${baseUrl}/token` });
    expect([payload.iss, payload.sub, protectedHeader.kid]).toEqual(["app", "ann", "k1"]);
  });

  it("name the secret that is no key, and do not quote it", async () => {
    const auth = t.jwtBearer({ tokenPath: "/token", privateKey: "PEM", issuer: "ISS" });
    const refused = authorizerFor(auth, { PEM: "-----BEGIN hunter2", ISS: "app" }).authorize(bare, signal);
    await expect(refused).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(/^PEM(?!.*hunter2)/) });
  });

  it.each([
    ["its body", { path: "session.id" }, answer({ session: { id: "s1" } })],
    ["a header", { header: "X-Session" }, { status: 204, headers: { "x-session": "s1" }, text: "" }],
  ])("are had by a login that gives them in %s, and sent where they are wanted", async (_name, token, given) => {
    const sent: UpstreamRequest[] = [];
    const auth = t.session({
      loginPath: "/login",
      fields: { user: "U", password: "P" },
      token,
      send: { in: "cookie", name: "sid" },
    });
    const send: SendForToken = async request => {
      sent.push(request);
      return given;
    };
    const authorizer = authorizerFor(auth, { U: "u", P: "p" }, { send });
    const { request, credential } = await authorizer.authorize(bare, signal);
    expect(request.headers["cookie"]).toBe("sid=s1");
    expect(sent[0]).toMatchObject({ path: "/login", body: { type: "json", value: { user: "u", password: "p" } } });
    authorizer.renew(credential);
    await authorizer.authorize(bare, signal);
    expect(sent).toHaveLength(2);
  });

  it("are renewed by a margin before they end, and at half their life when that is short", async () => {
    let nowMs = 0;
    let tokens = 0;
    const send: SendForToken = async () => answer({ access_token: `t${++tokens}`, token_type: "bearer", expires_in: 600 });
    const auth = t.clientCredentials({ tokenPath: "/token", clientId: "I", clientSecret: "S" });
    const authorizer = authorizerFor(auth, { I: "i", S: "s" }, { send, clock: { ...systemClock, nowMs: () => nowMs } });
    for (const moment of [0, 539_000, 541_000]) {
      nowMs = moment;
      await authorizer.authorize(bare, signal);
    }
    expect(tokens).toBe(2);
  });
});

describe("several at once", () => {
  it("a signature sees what stands before it", async () => {
    const auth = t.all(
      t.apiKey({ secret: "K", in: "header", name: "X-Key" }),
      t.hmac({
        secret: "S",
        algorithm: "sha256",
        encoding: "hex",
        canonical: [{ header: "X-Key" }],
        signature: { in: "header", name: "X-Sig" },
      }),
    );
    const authorizer = authorizerFor(auth, { K: "key", S: "secret" });
    const { request, credential } = await authorizer.authorize(bare, signal);
    expect(request.headers["x-sig"]).toBe(createHmac("sha256", "secret").update("key").digest("hex"));
    expect(authorizer.renew(credential)).toBe(false);
  });
});
