import { describe, expect, it } from "@jest/globals";
import { Latency } from "../../../src/upstream/latency.ts";

describe("Latency", () => {
  it("knows nothing before it has seen enough", () => {
    const latency = new Latency();
    for (let ms = 1; ms < 20; ms++) latency.record(ms);
    expect(latency.p95Ms()).toBeUndefined();
    latency.record(20);
    expect(latency.p95Ms()).toBe(19);
  });

  it("follows the last answers and forgets the first", () => {
    const latency = new Latency();
    for (let answer = 0; answer < 256; answer++) latency.record(1_000);
    expect(latency.p95Ms()).toBe(1_000);
    for (let answer = 0; answer < 256; answer++) latency.record(5);
    expect(latency.p95Ms()).toBe(5);
  });
});
