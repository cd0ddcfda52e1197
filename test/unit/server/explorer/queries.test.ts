import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "@jest/globals";
import { buildSchema, Kind, parse, validate, type OperationDefinitionNode } from "graphql";
import { explorerQueries } from "../../../../src/server/explorer/queries.ts";

const textbook =
  'query { customer(id: "4821") { name invoices(last: 5) { amount status } tickets(open: true) { subject createdAt } } }';

function operationsIn(query: string): OperationDefinitionNode[] {
  return parse(query).definitions.filter(definition => definition.kind === Kind.OPERATION_DEFINITION);
}

describe("the explorer's queries", () => {
  it("begin with the textbook's own, word for word", () => {
    const words = explorerQueries[0]?.query.replaceAll(/#.*$/gm, "").trim().replaceAll(/\s+/g, " ");
    expect(words).toBe(textbook);
  });

  it("are four, each with a title of its own", () => {
    expect(new Set(explorerQueries.map(({ title }) => title)).size).toBe(4);
  });

  it.each(explorerQueries)("run as they stand: $title is one operation without variables", ({ query }) => {
    const operations = operationsIn(query);
    expect(operations).toHaveLength(1);
    expect(operations[0]?.variableDefinitions ?? []).toEqual([]);
  });

  it.each(explorerQueries)("fit the schema: $title", async ({ query }) => {
    const names = (await readdir("schema")).filter(name => name.endsWith(".graphql"));
    const texts = await Promise.all(names.map(name => readFile(`schema/${name}`, "utf8")));
    expect(validate(buildSchema(texts.join("\n")), parse(query))).toEqual([]);
  });
});
