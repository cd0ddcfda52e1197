import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import {
  buildSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
} from "graphql";
import { canonical, fieldsOf } from "../../src/core/canonical.ts";

const files = readdirSync("schema")
  .filter(name => name.endsWith(".graphql"))
  .sort();
const schema = buildSchema(files.map(name => readFileSync(`schema/${name}`, "utf8")).join("\n"));
const types = Object.values(schema.getTypeMap()).filter(type => !isIntrospectionType(type) && !isSpecifiedScalarType(type));

describe("the schema", () => {
  it("describes every type, field, argument and value", () => {
    const bare: string[] = [];
    const note = (place: string, description: string | null | undefined) => void (description || bare.push(place));
    for (const type of types) {
      if (type.name !== "Query") note(type.name, type.description);
      if (isEnumType(type)) for (const value of type.getValues()) note(`${type.name}.${value.name}`, value.description);
      if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) continue;
      for (const field of Object.values(type.getFields())) {
        note(`${type.name}.${field.name}`, field.description);
        for (const argument of "args" in field ? field.args : [])
          note(`${type.name}.${field.name}(${argument.name})`, argument.description);
      }
    }
    expect(types.length).toBeGreaterThan(20);
    expect(bare).toEqual([]);
  });

  it("has the canonical entities' fields and enum values, and no others of theirs", () => {
    for (const [entity, fields] of Object.entries(canonical)) {
      const type = schema.getType(entity);
      if (!isObjectType(type)) throw new Error(`${entity} is not in the schema`);
      for (const [name, field] of fieldsOf(entity as keyof typeof canonical)) {
        if (name === "key" || name === "customer") continue;
        const [shown] = [type.getFields()[name]];
        expect([entity, name, shown?.type.toString()]).toEqual([entity, name, expect.not.stringMatching(/!$/)]);
        if (field.kind === "enum" && isEnumType(shown?.type))
          expect(shown.type.getValues().map(({ name: value }) => value)).toEqual(field.values);
      }
      expect(Object.keys(fields).length).toBeGreaterThan(4);
    }
  });
});
