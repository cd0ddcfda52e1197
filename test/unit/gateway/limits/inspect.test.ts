import { describe, expect, it } from "@jest/globals";
import { getIntrospectionQuery, GraphQLError, print } from "graphql";
import { inspectText } from "../../../../src/gateway/limits/inspect.ts";
import { defaultLimits, type QueryLimits } from "../../../../src/gateway/limits/limits.ts";
import { only, refusalOf } from "./graph.ts";

const repeat = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => make(index)).join(" ");
const nested = (levels: number, name = "a"): string => `${`{ ${name} `.repeat(levels)}${"}".repeat(levels)}`;
const codeOf = (query: string, limits: QueryLimits = defaultLimits): string => refusalOf(() => inspectText(query, limits)).code;

describe("inspectText", () => {
  it("gives the document of a query within the limits", () => {
    const query = `query ($id: ID!) { customer(id: $id) { ...a } } fragment a on Customer { name }`;
    expect(print(inspectText(query, defaultLimits)).replaceAll(/\s+/g, " ")).toBe(query);
  });

  it("lets a syntax error pass as it is", () => {
    expect(() => inspectText("{ a( }", defaultLimits)).toThrow(GraphQLError);
    expect(() => inspectText("{ a ^ }", defaultLimits)).toThrow(GraphQLError);
    expect(() => inspectText("", defaultLimits)).toThrow(GraphQLError);
  });

  it("leaves a fragment that does not exist, and its own way to say so, to validation", () => {
    expect(() => inspectText("{ ...nowhere }", defaultLimits)).not.toThrow();
  });
});

type Bound = readonly [name: keyof QueryLimits, atTheLimit: string, above: string, limit: number, code: string];

const bounds: readonly Bound[] = [
  ["maxTokens", "{ a b c }", "{ a b c d }", 5, "LIMIT_TOKENS"],
  ["maxTokens", "{ ...f } fragment f on T { a b c }", "{ ...f ...f } fragment f on T { a b c d e f g h }", 16, "LIMIT_TOKENS"],
  ["maxAliases", "{ x: a y: a { z: b } }", "{ x: a y: a { z: b } ...f } fragment f on T { u: c }", 3, "LIMIT_ALIASES"],
  ["maxDirectives", "query @d { a @d }", "query ($v: Int @d) @d { a @d }", 2, "LIMIT_DIRECTIVES"],
  ["maxDirectives", "{ ... @d { a } ...f @d }", "{ ... @d { a } ...f @d } fragment f on T @d { a }", 2, "LIMIT_DIRECTIVES"],
  ["maxDepth", nested(4), nested(5), 4, "LIMIT_DEPTH"],
  [
    "maxDepth",
    "{ a { ... { b { ...f } } } } fragment f on T { c }",
    "{ a { b { ...f } } } fragment f on T { c { d } }",
    3,
    "LIMIT_DEPTH",
  ],
  ["maxBodyBytes", "{ aaaa }", "{ aaaaa }", 8, "LIMIT_BODY_SIZE"],
];

describe("each limit", () => {
  it.each(bounds)("%s lets pass %s and refuses %s", (name, atTheLimit, above, limit, code) => {
    expect(() => inspectText(atTheLimit, only({ [name]: limit }))).not.toThrow();
    const error = refusalOf(() => inspectText(above, only({ [name]: limit })));
    expect(error.code).toBe(code);
    expect(error.details["limit"]).toBe(limit);
    expect(error.details["value"]).toBeGreaterThan(limit);
    expect(error.message).toContain(`the limit is ${limit}`);
  });

  it("tells the true depth", () => {
    expect(refusalOf(() => inspectText(nested(19), defaultLimits)).message).toBe(
      "the query is 19 levels deep, the limit is 12. Nest fewer selections.",
    );
  });
});

describe("fragment cycles", () => {
  it.each([
    ["itself", "{ ...a } fragment a on T { ...a }", "a → a"],
    [
      "through others",
      "{ ...a } fragment a on T { x { ...b } } fragment b on T { ... { ...c } } fragment c on T { ...b }",
      "b → c → b",
    ],
    ["without being used", "{ x } fragment a on T { ...b } fragment b on T { ...a }", "a → b → a"],
  ])("are refused: %s", (_name, query, path) => {
    const error = refusalOf(() => inspectText(query, defaultLimits));
    expect(error.code).toBe("LIMIT_FRAGMENT_CYCLE");
    expect(error.message).toContain(`(${path})`);
  });

  it("are not seen where a fragment is used twice", () => {
    const query = "{ x { ...a ...b } y { ...a } } fragment a on T { ...c } fragment b on T { ...c } fragment c on T { z }";
    expect(() => inspectText(query, defaultLimits)).not.toThrow();
  });
});

describe("introspection", () => {
  it.each([
    ["as graphql-js asks", getIntrospectionQuery()],
    [
      "with everything",
      getIntrospectionQuery({
        schemaDescription: true,
        inputValueDeprecation: true,
        directiveIsRepeatable: true,
        specifiedByUrl: true,
        oneOf: true,
      }),
    ],
  ])("passes %s, whatever the depth of other queries", (_name, query) => {
    expect(() => inspectText(query, { ...defaultLimits, maxDepth: 2 })).not.toThrow();
  });

  it("does not hide the depth of what stands beside it", () => {
    expect(codeOf(`{ __schema { types { name } } ${nested(5).slice(1)}`, only({ maxDepth: 4 }))).toBe("LIMIT_DEPTH");
  });

  it("is bounded in depth", () => {
    expect(() => inspectText(`{ __type(name: "T") ${nested(14, "ofType")} }`, defaultLimits)).not.toThrow();
    expect(codeOf(`{ __type(name: "T") ${nested(15, "ofType")} }`)).toBe("LIMIT_DEPTH");
  });

  it("may not go round from types to their fields' types", () => {
    const round = (rounds: number) =>
      `{ __schema { types ${`{ fields { type `.repeat(rounds)}{ name }${"} }".repeat(rounds)} } }`;
    expect(() => inspectText(round(2), defaultLimits)).not.toThrow();
    expect(codeOf(round(3))).toBe("LIMIT_DEPTH");
    expect(
      codeOf(
        `{ __schema { types { ...t } } } fragment t on __Type { fields { type { possibleTypes { interfaces { name } } } } }`,
      ),
    ).toBe("LIMIT_DEPTH");
  });
});

describe("bombs", () => {
  const chain = (body: (next: string) => string) => repeat(30, n => `fragment f${n} on T { ${body(`...f${n + 1}`)} }`);

  it.each([
    ["a megabyte of names", `{ ${"a ".repeat(500_000)} }`, "LIMIT_BODY_SIZE"],
    ["a megabyte in one value", `{ a(b: "${"x".repeat(1_000_000)}") }`, "LIMIT_BODY_SIZE"],
    ["as many names as a body holds", `{ ${"a ".repeat(120_000)} }`, "LIMIT_TOKENS"],
    ["10,000 directives", `{ a ${"@d ".repeat(10_000)} }`, "LIMIT_TOKENS"],
    ["1,000 directives", `{ a ${"@d ".repeat(1_000)} }`, "LIMIT_DIRECTIVES"],
    ["500 aliases", `{ ${repeat(500, n => `a${n}: a`)} }`, "LIMIT_ALIASES"],
    ["fragments that double 30 times", `{ ...f0 } ${chain(next => `${next} ${next}`)} fragment f30 on T { a }`, "LIMIT_TOKENS"],
    [
      "fragments that nest 30 times",
      `{ ...f0 } ${chain(next => `a { ${next} ${next} }`)} fragment f30 on T { a }`,
      "LIMIT_TOKENS",
    ],
    ["fragments in a row, each a level", `{ ...f0 } ${chain(next => `a { ${next} }`)} fragment f30 on T { a }`, "LIMIT_DEPTH"],
    ["selections as deep as the tokens reach", nested(1_300), "LIMIT_DEPTH"],
    ["lists as deep as the tokens reach", `{ a(b: ${"[".repeat(1_900)}${"]".repeat(1_900)}) }`, "LIMIT_DEPTH"],
    ["objects as deep as the tokens reach", `{ a(b: ${"{ c: ".repeat(1_000)}1${"}".repeat(1_000)}) }`, "LIMIT_DEPTH"],
    ["brackets that never close", "{".repeat(3_900), "LIMIT_DEPTH"],
  ])("%s: refused", (_name, query, code) => {
    expect(codeOf(query)).toBe(code);
  });

  it("does not read on behind the token limit", () => {
    expect(codeOf(`{ ${"a ".repeat(4_000)} ^^^ not GraphQL`)).toBe("LIMIT_TOKENS");
  });
});
