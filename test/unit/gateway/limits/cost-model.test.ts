import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { buildSchema, getNamedType, isObjectType } from "graphql";
import { ConfigError } from "../../../../src/core/errors.ts";
import { costModelOf } from "../../../../src/gateway/limits/cost-model.ts";
import { schemaOf } from "./graph.ts";

describe("the cost model", () => {
  it.each(["", " ", "much", "-1", "Infinity", "NaN"])("refuses the weight %p and says where it stands", weight => {
    const schema = schemaOf(`type Query { a: Int @cost(weight: "${weight}") }`);
    expect(() => costModelOf(schema)).toThrow(ConfigError);
    expect(() => costModelOf(schema)).toThrow(/Query\.a/);
  });

  it("is made once for a schema", () => {
    const schema = schemaOf("type Query { a: Int }");
    expect(costModelOf(schema)).toBe(costModelOf(schema));
  });

  it("does without the directives", () => {
    const schema = buildSchema("type Query { a: [Query] }");
    expect(costModelOf(schema).field(schema.getQueryType()!, "a")).toMatchObject({
      listSize: null,
      entity: null,
      weight: 0,
      listDepth: 1,
    });
  });
});

describe("this graph's schema", () => {
  const folder = new URL("../../../../schema/", import.meta.url);
  const files = readdirSync(folder).filter(name => name.endsWith(".graphql"));
  const schema = buildSchema(files.map(name => readFileSync(new URL(name, folder), "utf8")).join("\n"));
  const types = Object.values(schema.getTypeMap()).filter(type => isObjectType(type) && !type.name.startsWith("__"));
  const fields = types.flatMap(type =>
    isObjectType(type) ? Object.keys(type.getFields()).flatMap(name => costModelOf(schema).field(type, name) ?? []) : [],
  );

  it("states the size of every list", () => {
    const sized = new Set(
      fields.flatMap(({ listSize, definition }) =>
        [...(listSize?.sizedFields ?? [])].map(name => `${getNamedType(definition.type).name}.${name}`),
      ),
    );
    const unstated = fields.filter(({ listDepth, listSize, place }) => listDepth > 0 && !listSize && !sized.has(place));
    expect(unstated.map(({ place }) => place)).toEqual([]);
    expect(fields.length).toBeGreaterThan(50);
  });

  it("names arguments and fields that exist", () => {
    for (const { definition, listSize } of fields) {
      const type = getNamedType(definition.type);
      const names = isObjectType(type) ? Object.keys(type.getFields()) : [];
      expect(definition.args.map(({ name }) => name)).toEqual(expect.arrayContaining([...(listSize?.slicingArguments ?? [])]));
      expect(names).toEqual(expect.arrayContaining([...(listSize?.sizedFields ?? [])]));
    }
  });
});
