import { describe, expect, it } from "@jest/globals";
import { bearer } from "../../../src/source/auth.ts";
import type { Client } from "../../../src/source/define-source.ts";
import { get, isRepeatable, type UpstreamRequest } from "../../../src/source/request.ts";
import { prepareRequest } from "../../../src/upstream/prepare.ts";

const baseUrl = "https://source.example";
const client: Client = { baseUrl, auth: bearer({ secret: "X" }), limits: [], idempotency: { header: "Idempotency-Key" } };
const write: UpstreamRequest = { operation: "things.create", method: "POST", path: "/things", isSafe: false };

describe("prepareRequest", () => {
  it("sends an idempotency key in the declared header, the same for every attempt", () => {
    const request = { ...write, idempotencyKey: "intent-1" };
    for (let attempt = 0; attempt < 2; attempt++)
      expect(prepareRequest(baseUrl, client, request).headers["idempotency-key"]).toBe("intent-1");
  });

  it("refuses a key that its source would not look at, or that cannot be a header", () => {
    const { idempotency: _none, ...without } = client;
    const rejected = expect.objectContaining({ code: "UPSTREAM_REJECTED" });
    expect(() => prepareRequest(baseUrl, without, { ...write, idempotencyKey: "intent-1" })).toThrow(rejected);
    for (const idempotencyKey of ["", "a\r\nx: 1", "ë", "x".repeat(256)])
      expect(() => prepareRequest(baseUrl, client, { ...write, idempotencyKey })).toThrow(rejected);
  });

  it("repeats what is safe, and a write only with a key", () => {
    expect(isRepeatable(get("a", "/"))).toBe(true);
    expect(isRepeatable(write)).toBe(false);
    expect(isRepeatable({ ...write, idempotencyKey: "intent-1" })).toBe(true);
  });
});
