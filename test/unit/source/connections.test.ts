import { describe, expect, it } from "@jest/globals";
import { bearer } from "../../../src/source/auth.ts";
import { type Client, defineSource } from "../../../src/source/define-source.ts";

const declare = (client: Partial<Client>) => () =>
  defineSource({
    name: "things",
    title: "Things",
    version: "1",
    client: { baseUrl: "https://source.example", auth: bearer({ secret: "X" }), limits: [], ...client },
    collections: {},
  });

describe("how a source is connected to", () => {
  it.each<Partial<Client>>([
    { timeouts: { totalMs: 0 } },
    { timeouts: { headersMs: Number.NaN } },
    { maxResponseBytes: -1 },
    { redirects: { max: 0 } },
    { otherHosts: ["https://files.example"] },
    { otherHosts: ["files.example/path"] },
    { otherHosts: ["*.example"] },
    { otherHosts: ["user@files.example"] },
    { otherHosts: ["Files.Example"] },
    { otherHosts: [""] },
    { cache: { maxBytes: -1 } },
  ])("is refused as %j", client => {
    expect(declare(client)).toThrow(expect.objectContaining({ code: "SOURCE_INVALID" }));
  });

  it("is taken as it should be", () => {
    const client = {
      timeouts: { totalMs: 1_000 },
      redirects: { max: 3 },
      otherHosts: ["files.example", "127.0.0.1:8080"],
      cache: false,
    } as const;
    expect(declare(client)).not.toThrow();
    expect(declare({ cache: { maxBytes: 1_000 } })).not.toThrow();
  });
});
