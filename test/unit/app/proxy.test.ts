import { describe, expect, it } from "@jest/globals";
import { proxyOf } from "../../../src/app/config.ts";

describe("proxyOf", () => {
  it("reads proxies in upper and lower case, and never puts one before loopback", () => {
    const proxy = proxyOf({
      HTTPS_PROXY: "http://proxy.example:3128",
      http_proxy: "http://other.example",
      NO_PROXY: "internal.example",
    });
    expect(proxy).toMatchObject({ httpsProxy: "http://proxy.example:3128", httpProxy: "http://other.example" });
    expect(proxy.noProxy?.split(",")).toEqual(expect.arrayContaining(["127.0.0.1", "localhost", "::1", "internal.example"]));
    expect(proxyOf({})).toMatchObject({ httpProxy: "", httpsProxy: "" });
  });

  it("refuses what is no address, without showing it", () => {
    const wrong = () => proxyOf({ HTTPS_PROXY: "user:password@proxy.example" });
    expect(wrong).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(wrong).not.toThrow(/password/);
  });
});
