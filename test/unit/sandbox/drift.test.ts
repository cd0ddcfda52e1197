import { describe, expect, it } from "@jest/globals";
import { driftJson } from "../../../src/sandbox/drift.ts";

const body = '{"data":[{"id":"a","total":9007199254740993,"paid":true,"at":{"total":1.50}},{"id":null,"total":null}]}';

describe("driftJson", () => {
  it("renames a field wherever it occurs and keeps every digit", () => {
    expect(driftJson(body, { rename: { from: "total", to: "amount" } })).toBe(body.replaceAll('"total"', '"amount"'));
  });

  it("removes a field", () => {
    expect(driftJson(body, { remove: "total" })).toBe('{"data":[{"id":"a","paid":true,"at":{}},{"id":null}]}');
  });

  it("retypes a field: numbers to text with their digits, text to an object, null stays", () => {
    expect(driftJson(body, { retype: "total" })).toContain('"total":"9007199254740993","paid":true,"at":{"total":"1.50"}');
    expect(driftJson(body, { retype: "id" })).toContain('{"id":{"value":"a"},');
    expect(driftJson(body, { retype: "id" })).toContain('{"id":null,');
  });

  it("leaves text that is not JSON alone", () => {
    expect(driftJson("<html>", { remove: "total" })).toBe("<html>");
  });
});
