import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { ConfigError } from "../../../../src/core/errors.ts";
import { systemClock } from "../../../../src/core/ports.ts";
import { Secret } from "../../../../src/core/secret.ts";
import * as t from "../../../../src/source/index.ts";
import { Upstream } from "../../../../src/upstream/upstream.ts";
import { makeCertificate } from "../../../support/certificates.ts";
import { silent } from "../../../support/world.ts";

const [own, first, second, stranger] = [
  makeCertificate(),
  makeCertificate("first"),
  makeCertificate("second"),
  makeCertificate("x"),
];
let server: Server;
let baseUrl: string;
beforeAll(async () => {
  const options = { key: own.key, cert: own.cert, ca: [first.cert, second.cert], requestCert: true, rejectUnauthorized: true };
  server = createServer(options, (request, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate();
    response.end(JSON.stringify({ name: subject.CN }));
  });
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
  baseUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function upstreamWith(secrets: Record<string, string>): Upstream {
  const tls = { certificate: "CERT", privateKey: "KEY", authorities: "CA" };
  const client = { baseUrl, auth: t.noAuth(), tls, limits: [] };
  const source = t.defineSource({ name: "mtls", title: "mTLS", version: "1", client, collections: {} });
  const read = (name: string) => {
    const value = secrets[name];
    if (value === undefined) throw new ConfigError("CONFIG_SECRET_MISSING", `${name} is not set`);
    return new Secret(value);
  };
  return new Upstream(source, { baseUrl, secrets: { read }, clock: systemClock, random: () => 0, logger: silent });
}
const ask = (upstream: Upstream) =>
  upstream.send(t.get("who", "/"), {
    priority: "live",
    signal: AbortSignal.timeout(5_000),
    deadlineAtMs: Date.now() + 5_000,
    requestId: "r",
  });

describe("a client certificate", () => {
  it("is shown in the handshake, and taken anew when it was replaced", async () => {
    const secrets = { CERT: first.cert, KEY: first.key, CA: own.cert };
    const upstream = upstreamWith(secrets);
    expect((await ask(upstream)).body).toEqual({ name: "first" });
    Object.assign(secrets, { CERT: second.cert, KEY: second.key });
    expect((await ask(upstream)).body).toEqual({ name: "second" });
    await upstream.close();
  });

  it("that the source does not know is refused by it", async () => {
    const upstream = upstreamWith({ CERT: stranger.cert, KEY: stranger.key, CA: own.cert });
    await expect(ask(upstream)).rejects.toMatchObject({ code: "UPSTREAM_CONNECTION" });
    await upstream.close();
  });

  it("that is missing is named", async () => {
    const upstream = upstreamWith({ CERT: first.cert, CA: own.cert });
    await expect(ask(upstream)).rejects.toMatchObject({ code: "CONFIG_SECRET_MISSING", message: expect.stringContaining("KEY") });
    await upstream.close();
  });
});
