import { describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/app/config.ts";

const joinOf = (text?: string) => readConfig(text === undefined ? {} : { DATASET_JOIN: text }).join;

describe("the join that is set", () => {
  it("is outer unless set, or inner over the sources named", () => {
    expect(joinOf()).toEqual({ kind: "outer" });
    expect(joinOf("outer")).toEqual({ kind: "outer" });
    expect(joinOf("inner:crm, billing")).toEqual({ kind: "inner", sources: ["crm", "billing"] });
  });

  it.each(["inner", "inner:", "outer:crm", "left:crm", "inner:crm:billing"])("is refused: %s", text => {
    expect(() => joinOf(text)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });
});
