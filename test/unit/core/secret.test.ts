import { inspect } from "node:util";
import { describe, expect, it } from "@jest/globals";
import { pino } from "pino";
import { Secret } from "../../../src/core/secret.ts";

const secret = new Secret("hunter2");

describe("Secret", () => {
  it.each([
    ["a text", () => String(secret)],
    ["a template", () => `it is ${secret as unknown as string}`],
    ["a sum", () => "it is " + (secret as unknown as string)],
    ["JSON", () => JSON.stringify({ deep: [secret] })],
    ["inspection", () => inspect({ deep: [secret] }, { showHidden: true, depth: 9 })],
    ["an error", () => new Error(`refused ${String(secret)}`).stack ?? ""],
    ["its properties", () => Object.entries(secret).join() + JSON.stringify(Object.getOwnPropertyNames(secret))],
  ])("does not show itself in %s", (_name, show) => {
    expect(show()).not.toContain("hunter2");
  });

  it("does not show itself in a log line", () => {
    const lines: string[] = [];
    pino({}, { write: line => void lines.push(line) }).info({ secret, deep: { secret } }, "hello");
    expect(lines.join()).toContain("[redacted]");
    expect(lines.join()).not.toContain("hunter2");
  });

  it("gives itself away where it is asked to, and can be told from another", () => {
    expect(secret.reveal()).toBe("hunter2");
    expect(secret.fingerprint()).toBe(new Secret("hunter2").fingerprint());
    expect(secret.fingerprint()).not.toBe(new Secret("hunter3").fingerprint());
    expect(secret.fingerprint()).not.toContain("hunter");
  });
});
