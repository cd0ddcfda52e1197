import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { createHmac } from "node:crypto";
import { Webhook as Standard } from "standardwebhooks";
import { Stripe } from "stripe";
import { Webhook as Svix } from "svix";
import hubspot from "../../../../datasources/hubspot/source.ts";
import stripe from "../../../../datasources/stripe/source.ts";
import zendesk from "../../../../datasources/zendesk/source.ts";
import { Secret } from "../../../../src/core/secret.ts";
import { type Delivery, verify } from "../../../../src/intake/webhooks/verify.ts";
import { bodySignature, type Signature, standardSignature } from "../../../../src/source/webhooks.ts";

const NOW_MS = Date.UTC(2026, 10, 23, 10);
const NOW_S = NOW_MS / 1_000;
const url = "https://app.example.com/webhooks/crm?a=%3A1&b=%26";
const text = '{"id":"evt_1","name":"Ünï","n":12345678901234567890}';
const base64Secret = `whsec_${Buffer.from("a key of some thirty-two bytes !").toString("base64")}`;

type Headers = Delivery["headers"];
interface Signer {
  readonly signature: Signature;
  readonly secret: string;
  readonly sign: (body: string, secret: string, atMs: number) => Headers;
}
const hmac = (secret: string, signed: string) => createHmac("sha256", secret).update(signed, "utf8");

/** Those with an SDK are signed by it; the others after the vendor's words. */
const signers: Readonly<Record<string, Signer>> = {
  "pairs, by Stripe's SDK": {
    signature: stripe.webhooks!.signature,
    secret: "whsec_test_secret",
    sign: (payload, secret, atMs) => ({
      "stripe-signature": new Stripe("sk_test_x").webhooks.generateTestHeaderString({
        payload,
        secret,
        timestamp: Math.floor(atMs / 1_000),
      }),
    }),
  },
  "method, address, body and time": {
    signature: hubspot.webhooks!.signature,
    secret: "client-secret",
    sign: (body, secret, atMs) => ({
      "x-hubspot-signature-v3": hmac(secret, `POSThttps://app.example.com/webhooks/crm?a=:1&b=%26${body}${atMs}`).digest(
        "base64",
      ),
      "x-hubspot-request-timestamp": String(atMs),
    }),
  },
  "time and body": {
    signature: zendesk.webhooks!.signature,
    secret: "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
    sign: (body, secret, atMs) => {
      const timestamp = new Date(atMs).toISOString().replace(".000", "");
      return {
        "x-zendesk-webhook-signature": hmac(secret, timestamp + body).digest("base64"),
        "x-zendesk-webhook-signature-timestamp": timestamp,
      };
    },
  },
  "Standard Webhooks, by its SDK": {
    signature: standardSignature(),
    secret: base64Secret,
    sign: (body, secret, atMs) => ({
      "webhook-id": "msg_1",
      "webhook-timestamp": String(Math.floor(atMs / 1_000)),
      "webhook-signature": new Standard(secret).sign("msg_1", new Date(atMs), body),
    }),
  },
  "Svix, by its SDK": {
    signature: standardSignature("svix"),
    secret: base64Secret,
    sign: (body, secret, atMs) => ({
      "svix-id": "msg_1",
      "svix-timestamp": String(Math.floor(atMs / 1_000)),
      "svix-signature": new Svix(secret).sign("msg_1", new Date(atMs), body),
    }),
  },
};
const untimed: Readonly<Record<string, Signer>> = {
  "the body in base64": {
    signature: bodySignature("X-Shopify-Hmac-SHA256", "base64"),
    secret: "shop-secret",
    sign: (body, secret) => ({ "x-shopify-hmac-sha256": hmac(secret, body).digest("base64") }),
  },
  "the body in hex behind a prefix": {
    signature: bodySignature("X-Hub-Signature-256", "hex", "sha256="),
    secret: "hub-secret",
    sign: (body, secret) => ({ "x-hub-signature-256": `sha256=${hmac(secret, body).digest("hex")}` }),
  },
};

const deliveryOf = (headers: Headers, body = text): Delivery => ({
  method: "POST",
  url,
  headers,
  body: Buffer.from(body, "utf8"),
});
const isGenuine = (signature: Signature, delivery: Delivery, secrets: readonly string[], nowMs = NOW_MS) =>
  verify(signature, delivery, { secrets: secrets.map(each => new Secret(each)), nowMs }).isGenuine;

describe.each(Object.entries({ ...signers, ...untimed }))("a call that is signed by %s", (_name, { signature, secret, sign }) => {
  it("is genuine, also while the secret is replaced, and under no other secret", () => {
    const delivery = deliveryOf(sign(text, secret, NOW_MS));
    const other = secret.startsWith("whsec_") ? `whsec_${Buffer.from("another").toString("base64")}` : "another";
    expect(isGenuine(signature, delivery, [secret])).toBe(true);
    expect(isGenuine(signature, delivery, [other, secret])).toBe(true);
    expect(isGenuine(signature, delivery, [secret, other])).toBe(true);
    expect(isGenuine(signature, delivery, [other])).toBe(false);
    expect(isGenuine(signature, delivery, [])).toBe(false);
  });

  it("is refused with any bit of its body turned", () => {
    const headers = sign(text, secret, NOW_MS);
    const body = Buffer.from(text, "utf8");
    for (let bit = 0; bit < body.length * 8; bit++) {
      const turned = Buffer.from(body);
      turned[bit >> 3]! ^= 1 << (bit & 7);
      expect(isGenuine(signature, { ...deliveryOf(headers), body: turned }, [secret])).toBe(false);
    }
  });

  it("is refused with any character of a signed header changed", () => {
    const headers = sign(text, secret, NOW_MS);
    for (const [name, value] of Object.entries(headers)) {
      const before = String(value);
      for (let place = 0; place < before.length; place++) {
        const changed = before.slice(0, place) + (before[place] === "0" ? "1" : "0") + before.slice(place + 1);
        // In pairs, a name that nobody reads may be another.
        expect(isGenuine(signature, deliveryOf({ ...headers, [name]: changed }), [secret])).toBe(false);
      }
      for (const broken of [undefined, "", [before, before], "💥", "t=,v1=", ",,,===", "v1,", "x".repeat(100_000)])
        expect(isGenuine(signature, deliveryOf({ ...headers, [name]: broken }), [secret])).toBe(false);
    }
  });

  it("never throws, whatever a stranger sends", () => {
    const names = Object.keys(sign(text, secret, NOW_MS));
    const property = fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 3, maxLength: 3 }), values => {
      const headers = Object.fromEntries(names.map((name, place) => [name, values[place]]));
      return !isGenuine(signature, deliveryOf(headers, values[0]), [secret]);
    });
    fc.assert(property, { numRuns: 2_000 });
  });
});

describe.each(Object.entries(signers))("the time of a call that is signed by %s", (_name, { signature, secret, sign }) => {
  it.each([
    [-300, true],
    [-301, false],
    [300, true],
    [301, false],
  ])("%d s from now: %s", (seconds, expected) => {
    const delivery = deliveryOf(sign(text, secret, NOW_MS + seconds * 1_000));
    expect(isGenuine(signature, delivery, [secret])).toBe(expected);
  });
});

describe("pairs", () => {
  const { signature } = signers["pairs, by Stripe's SDK"]!;
  const good = hmac("s", `${NOW_S}.${text}`).digest("hex");

  it("may hold several signatures, of which one is enough, and other pairs", () => {
    const header = `t=${NOW_S}, v1=${"00".repeat(32)}, v1=${good}, v0=old`;
    expect(isGenuine(signature, deliveryOf({ "stripe-signature": header }), ["s"])).toBe(true);
  });

  it("with two times, or the signature under another version, are refused", () => {
    for (const header of [`t=${NOW_S},t=${NOW_S},v1=${good}`, `t=${NOW_S},v0=${good}`])
      expect(isGenuine(signature, deliveryOf({ "stripe-signature": header }), ["s"])).toBe(false);
  });
});

describe("a refusal", () => {
  it("says why, and nothing of what came", () => {
    const { signature } = signers["pairs, by Stripe's SDK"]!;
    const reasonOf = (headers: Headers) => verify(signature, deliveryOf(headers), { secrets: [new Secret("s")], nowMs: NOW_MS });
    expect(reasonOf({})).toEqual({ isGenuine: false, reason: "it is not signed" });
    expect(reasonOf({ "stripe-signature": `t=1,v1=${"00".repeat(32)}` })).toEqual({
      isGenuine: false,
      reason: "it was signed too long ago",
    });
  });
});
