import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { z } from "zod";
import type { Json } from "../../../../src/core/json.ts";
import { LearnedFields } from "../../../../src/upstream/drift/learned-fields.ts";
import { declaredShape, Shape } from "../../../../src/upstream/drift/shape.ts";
import { shop } from "./stage.ts";

const unknownIn = (shape: Shape, record: Json) => shape.unknownIn(record).map(({ path }) => path);

describe("the fields of a collection", () => {
  it("are learned from records, elements of lists together", () => {
    const shape = new Shape();
    shape.learn({ id: 1, who: { name: "Ann" }, parts: [{ a: 1 }, { b: [[{ c: 1 }]] }] });
    expect(shape.paths()).toEqual(["id", "parts", "parts[*].a", "parts[*].b", "parts[*].b[*][*].c", "who", "who.name"]);
    expect(unknownIn(shape, { id: null, who: { name: 1, mail: "x" }, parts: [{ a: 1, d: {} }], more: { deep: 1 } })).toEqual([
      "who.mail",
      "parts[*].d",
      "more",
      "more.deep",
    ]);
  });

  it("are known again once they are learned, whatever their names, also by way of their paths", () => {
    const names = fc.oneof(fc.string(), fc.constantFrom("a.b", "x[*]", "~", "~0", "__proto__", "constructor", "."));
    const value = fc.letrec(tie => ({
      any: fc.oneof(
        { depthSize: "small" },
        fc.integer(),
        fc.array(tie("any"), { maxLength: 3 }),
        fc.dictionary(names, tie("any")),
      ),
    })).any as fc.Arbitrary<Json>;
    fc.assert(
      fc.property(value, record => {
        const shape = new Shape();
        shape.learn(record);
        expect(unknownIn(shape, record)).toEqual([]);
        expect(unknownIn(Shape.of(shape.paths()), record)).toEqual([]);
      }),
    );
  });

  it("include what the contract and the mapping say, though no record has shown it", () => {
    const shape = declaredShape(shop().bills.collection);
    expect(shape.paths()).toEqual(expect.arrayContaining(["number", "times.due", "lines[*].text", "state"]));
    const collection = {
      ...shop().bills.collection,
      contract: z.object({ labels: z.record(z.string(), z.object({ at: z.int() })) }),
    };
    expect(unknownIn(declaredShape(collection), { labels: { anything: { at: 1 } } })).toEqual([]);
  });

  it("stop being learned, and none is new, when there are so many that their names must be data", () => {
    const shape = new Shape();
    for (let index = 0; index < 3_000; index++) shape.learn({ [`id${index}`]: 1 });
    expect(shape.isFull).toBe(true);
    expect(unknownIn(shape, { another: 1 })).toEqual([]);
    expect(shape.paths().length).toBeLessThan(2_100);
  });

  it("end at a depth, however deep a record is", () => {
    const shape = new Shape();
    let deep: Json = 1;
    for (let level = 0; level < 200; level++) deep = { down: deep };
    shape.learn(deep);
    expect(shape.paths().length).toBeLessThan(10);
  });
});

describe("what a reading learns", () => {
  it("is everything the first time, and nothing counts as unknown then", () => {
    const first = new LearnedFields(shop().bills.collection, null);
    first.add({ id: "1", tax: 1 });
    expect(first.known).toBeNull();
    expect(first.after()).toContain("tax");
  });

  it("is held against what the reading before has left, and grows only where new fields are let through", () => {
    const afterOf = (drift: "evolve" | "discard_value") => {
      const next = new LearnedFields(shop({ drift }).bills.collection, ["tax"]);
      next.add({ id: "1", tax: 1, tip: 2 });
      expect(unknownIn(next.known!, { tax: 1, tip: 2 })).toEqual(["tip"]);
      return next.after();
    };
    expect(afterOf("evolve")).toEqual(expect.arrayContaining(["tax", "tip"]));
    expect(afterOf("discard_value")).toContain("tax");
    expect(afterOf("discard_value")).not.toContain("tip");
  });
});
