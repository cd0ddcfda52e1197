import { describe, it } from "@jest/globals";
import * as fc from "fast-check";
import { indexText } from "../../../src/sandbox/text-index.ts";

describe("indexText", () => {
  it("finds every position that carries a text, in order", () => {
    const texts = fc.array(fc.option(fc.constantFrom("a", "b", "c", "long text", "ü"), { nil: null }), { maxLength: 40 });
    fc.assert(
      fc.property(texts, list => {
        const index = indexText(list.length, position => list[position] ?? null);
        return ["a", "b", "ü", "absent"].every(text => {
          const wanted = list.flatMap((one, position) => (one === text ? [position] : []));
          return JSON.stringify(index.find(text).filter(position => list[position] === text)) === JSON.stringify(wanted);
        });
      }),
    );
  });
});
