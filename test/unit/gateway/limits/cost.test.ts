import { describe, expect, it } from "@jest/globals";
import { GraphQLError, parse } from "graphql";
import { estimateCost } from "../../../../src/gateway/limits/cost.ts";
import { estimator, refusalOf, schemaOf } from "./graph.ts";

const codeOf = (call: () => unknown): string => refusalOf(call).code;

describe("weights", () => {
  const estimate = estimator(
    schemaOf(`
      type Query { user: User, shape: Shape, shapes: [Shape] @listSize(assumedSize: 3), level: Level, stamp(zone: String @cost(weight: "4"), form: Int): Stamp }
      type User { name: String, age: Int @cost(weight: "2.5"), friend: User @cost(weight: "7"), stamps: [Stamp] @listSize(assumedSize: 6) }
      enum Level @cost(weight: "5") { LOW }
      scalar Stamp @cost(weight: "0.5")
      interface Shape { id: ID }
      type Dot implements Shape { id: ID }
      type Ring implements Shape @cost(weight: "10") { id: ID, owner: User }
    `),
  );
  const costOf = (query: string, options = {}) => estimate(query, options).cost;

  it.each([
    ["an object counts 1, a scalar 0; so does the operation's own object", "{ user { name } }", 2],
    ["a field counts its weight each time it is resolved", "{ user { age friend { age } } }", 1 + 1 + 2.5 + 7 + 1 + 2.5],
    ["an enum counts its weight", "{ level }", 6],
    ["a scalar counts its weight for each item", "{ user { stamps } }", 2 + 6 * 0.5],
    ["an argument counts when it is given", `{ stamp(zone: "Z", form: 1) }`, 1 + 4 + 0.5],
    ["an argument does not count when it is not", "{ stamp(form: 1) }", 1.5],
    ["aliases count each", "{ a: user { name } b: user { name } }", 3],
    ["what execution merges counts once", "{ user { name } user { age } ...f ...f } fragment f on Query { user { age } }", 4.5],
    ["of an abstract type the dearest counts", "{ shape { id } }", 11],
    ["and with it only what it selects", "{ shape { ... on Ring { owner { name } } ... on Dot { id } } }", 12],
    ["for each item", "{ shapes { id ... on Ring { owner { age } } } }", 1 + 3 * (10 + 1 + 2.5)],
    ["a name costs nothing, introspection 1", "{ __typename __schema { types { name } } user { __typename } }", 3],
    ["skipped with a literal", "{ user @skip(if: true) { name } level @include(if: false) }", 1],
  ])("%s: %s", (_name, query, cost) => {
    expect(costOf(query)).toBe(cost);
  });

  it("respects @skip and @include with variables and their defaults", () => {
    const query =
      "query ($no: Boolean = true, $yes: Boolean!) { user @skip(if: $no) { name } ... @include(if: $yes) { level } ...f @skip(if: $yes) } fragment f on Query { a: level }";
    expect(costOf(query, { variables: { yes: true } })).toBe(6);
    expect(costOf(query, { variables: { yes: false } })).toBe(6);
    expect(costOf(query, { variables: { yes: true, no: false } })).toBe(7);
  });

  it("takes the named operation", () => {
    const query = "query a { user { name } } query b { level }";
    expect(costOf(query, { operationName: "a" })).toBe(2);
    expect(costOf(query, { operationName: "b" })).toBe(6);
    expect(codeOf(() => costOf(query))).toBe("REQUEST_INVALID");
    expect(codeOf(() => costOf(query, { operationName: "c" }))).toBe("REQUEST_INVALID");
    expect(codeOf(() => costOf("mutation { a }"))).toBe("REQUEST_INVALID");
  });

  it("refuses variables that do not fit, as execution would", () => {
    expect(() => costOf("query ($yes: Boolean!) { level @skip(if: $yes) }")).toThrow(GraphQLError);
  });
});

describe("list sizes", () => {
  const schema = schemaOf(`
    input Filter { max: Int = 4 }
    type Query {
      users(max: Int): [User] @listSize(slicingArguments: ["max"])
      paged(first: Int, last: Int): [User] @listSize(slicingArguments: ["first", "last"])
      page(first: Int = 5): [User] @listSize(slicingArguments: ["first"])
      either(first: Int, last: Int, after: String): [User] @listSize(assumedSize: 8, slicingArguments: ["first", "last"], requireOneSlicingArgument: false)
      open(first: Int): [User] @listSize(slicingArguments: ["first"], requireOneSlicingArgument: false)
      filtered(filter: Filter): [User] @listSize(slicingArguments: ["filter.max"], requireOneSlicingArgument: false)
      assumed: [User] @listSize(assumedSize: 50)
      unstated: [User]
      grid: [[User]] @listSize(assumedSize: 3)
      connection(first: Int): Connection @listSize(slicingArguments: ["first"], sizedFields: ["edges", "nodes"])
      fixed: Connection @listSize(assumedSize: 6, sizedFields: ["edges"])
    }
    type Connection { edges: [Edge], nodes: [User], total: Int, tags: [User] @listSize(assumedSize: 2) }
    type Edge { node: User, cursor: String }
    type User { name: String, friends(first: Int!): [User] @listSize(slicingArguments: ["first"]) }
  `);
  const estimate = estimator(schema);
  const costOf = (query: string, variables = {}) => estimate(query, { variables }).cost;

  it.each([
    ["a slicing argument", "{ users(max: 5) { name } }", 6],
    ["zero", "{ users(max: 0) { name friends(first: 3) { name } } }", 1],
    ["lists multiply", "{ users(max: 5) { friends(first: 4) { friends(first: 3) { name } } } }", 1 + 5 + 20 + 60],
    ["an argument's default", "{ page { name } }", 6],
    ["the assumed size without an argument", "{ either { name } }", 9],
    ["the assumed size for null", "{ either(first: null) { name } }", 9],
    ["the larger of two arguments", "{ either(first: 3, last: 6) { name } }", 7],
    ["the other argument when one is null", "{ either(first: 3, last: null) { name } }", 4],
    ["an argument inside an input object", "{ filtered(filter: {max: 7}) { name } }", 8],
    ["a default inside an input object", "{ filtered(filter: {}) { name } }", 5],
    ["nothing given at all", "{ filtered { name } }", 11],
    ["an assumed size", "{ assumed { name } }", 51],
    ["a list whose size nobody states", "{ unstated { name } }", 11],
    ["a list of lists", "{ grid { name } }", 10],
    ["a connection's edges", "{ connection(first: 10) { edges { node { name } } total } }", 1 + 1 + 10 + 10],
    ["a connection's edges and nodes", "{ connection(first: 10) { edges { cursor } nodes { name } } }", 1 + 1 + 10 + 10],
    ["a list beside the sized ones keeps its own size", "{ connection(first: 10) { tags { name } } }", 1 + 1 + 2],
    ["a connection of assumed size", "{ fixed { edges { node { name } } } }", 1 + 1 + 6 + 6],
    ["a connection through a fragment", "{ connection(first: 3) { ...c } } fragment c on Connection { nodes { name } }", 5],
  ])("%s: %s", (_name, query, cost) => {
    expect(costOf(query)).toBe(cost);
  });

  it("takes variables, their defaults and the argument's default behind them", () => {
    expect(costOf("query ($n: Int) { users(max: $n) { name } }", { n: 9 })).toBe(10);
    expect(costOf("query ($n: Int = 3) { users(max: $n) { name } }")).toBe(4);
    expect(costOf("query ($n: Int = 3) { users(max: $n) { name } }", { n: 1 })).toBe(2);
    expect(costOf("query ($n: Int) { page(first: $n) { name } }")).toBe(6);
    expect(costOf("query ($f: Filter) { filtered(filter: $f) { name } }", { f: { max: 2 } })).toBe(3);
  });

  it("does not mix up the variables of one document's requests", () => {
    const document = parse("query ($n: Int) { users(max: $n) { name } }");
    const options = { schema, document, calls: () => 0, maxListSize: 100 };
    const sizes = [1, 2, 1, 3, 4, 5, 6, 7, 8, 9, 10, 1];
    expect(sizes.map(n => estimateCost({ ...options, variables: { n } }).cost)).toEqual(sizes.map(n => n + 1));
  });

  it("keeps apart the sizes that object types state for the same field of an interface", () => {
    const own = (size: number) => `pair: Pair @listSize(assumedSize: ${size}, sizedFields: ["nodes"])`;
    const types = `interface Both { pair: Pair } type A implements Both { ${own(2)} } type B implements Both { ${own(9)} } type Pair { nodes: [A] }`;
    const query = "{ both { pair { nodes { __typename } } } }";
    expect(estimator(schemaOf(`${types} type Query { both: Both }`))(query).cost).toBe(1 + 1 + 1 + 9);
  });

  it("tells the largest list", () => {
    expect(estimate("{ users(max: 5) { friends(first: 40) { friends(first: 3) { name } } } }").largestList).toBe(40);
    expect(estimate("{ connection(first: 7) { nodes { name } } }").largestList).toBe(7);
    expect(estimate("{ connection(first: 7) { total } }").largestList).toBe(0);
  });

  it.each([
    ["no slicing argument where one is wanted", "{ users { name } }"],
    ["two where one is wanted", "{ paged(first: 1, last: 2) { name } }"],
    ["null where one is wanted", "{ paged(first: null) { name } }"],
    ["null where no size is assumed", "{ open(first: null) { name } }"],
    ["a negative size", "{ users(max: -1) { name } }"],
    ["a size above the limit", "{ users(max: 201) { name } }"],
    ["the smaller of two below zero", "{ either(first: 5, last: -1) { name } }"],
    ["the size of a connection", "{ connection(first: 201) { total } }"],
    ["inside a list that is asked to be empty", "{ users(max: 0) { friends(first: 201) { name } } }"],
  ])("refuses %s: %s", (_name, query) => {
    const error = refusalOf(() => estimate(query, { maxListSize: 200 }));
    expect(error.code).toBe("LIMIT_LIST_SIZE");
    expect(error.message).toMatch(/^(Query|User)\.\w+/);
  });

  it("lets pass the limit itself, and one of two arguments", () => {
    expect(estimate("{ users(max: 200) { name } }", { maxListSize: 200 }).cost).toBe(201);
    expect(costOf("{ paged(last: 2) { name } }")).toBe(3);
    expect(
      refusalOf(() => estimate("query ($n: Int) { users(max: $n) { name } }", { maxListSize: 200, variables: { n: 201 } }))
        .message,
    ).toBe("Query.users(max:) is 201, the limit is 200. Ask for fewer items and follow the page cursor.");
  });

  it("saturates where lists multiply beyond all numbers", () => {
    const query = `{ users(max: 1000000) ${"{ friends(first: 1000000) ".repeat(60)}{ name }${"}".repeat(60)} }`;
    expect(estimate(query).cost).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe("abstract types inside one another", () => {
  it("do not multiply the work", () => {
    const names = Array.from({ length: 12 }, (_, n) => `T${n}`);
    const types = names.map(name => `type ${name} implements Node { next: Node }`).join(" ");
    const estimate = estimator(schemaOf(`interface Node { next: Node } ${types} type Query { next: Node }`));
    expect(estimate(`${"{ next ".repeat(30)}{ __typename }${"}".repeat(30)}`).cost).toBe(31);
  });
});

describe("upstream calls", () => {
  const estimate = estimator(
    schemaOf(`
      type Query { customer(id: ID): Customer, customers(first: Int): Page @listSize(slicingArguments: ["first"], sizedFields: ["nodes"]), node: Node, nodes: [Node] @listSize(assumedSize: 2) }
      type Page { nodes: [Customer] }
      interface Node { id: ID }
      type Customer implements Node {
        id: ID, name: String @upstream(entity: "Customer"), email: String @upstream(entity: "Customer")
        invoices(last: Int = 5, status: String): [Invoice] @listSize(slicingArguments: ["last"]) @upstream(entity: "Invoice")
        usage: [Int] @listSize(assumedSize: 30) @upstream(entity: "Usage")
        weeks: [Int] @listSize(assumedSize: 5) @upstream(entity: "Usage")
        parent: Customer
      }
      type Invoice implements Node { id: ID, number: String @upstream(entity: "Invoice") }
    `),
  );
  const callsOf = (query: string, variables = {}) => estimate(query, { variables }).upstreamCalls;

  it.each([
    ["none for what is at hand", "{ customers(first: 10) { nodes { id } } }", 0],
    ["one for all fields of a customer", "{ customer { name email } }", 1],
    [
      "one however they are selected",
      "{ customer { name ...f ... { n: name } } customer { email } } fragment f on Customer { email }",
      1,
    ],
    ["one for each parent", "{ customers(first: 10) { nodes { name } } }", 10],
    ["one for each entity", "{ customer { name usage invoices { id } } }", 3],
    ["one for the same arguments", "{ customer { a: invoices { id } b: invoices(last: 5) { id } } }", 1],
    [
      "one for each set of arguments",
      '{ customer { a: invoices { id } b: invoices(last: 6) { id } c: invoices(status: "PAID") { id } } }',
      3,
    ],
    ["one for each place", "{ a: customer { name } b: customer { name } }", 2],
    ["lists multiply parents", "{ customers(first: 10) { nodes { invoices(last: 3) { number } } } }", 10 + 30],
    ["objects on the way do not", "{ customers(first: 10) { nodes { parent { parent { name } } } } }", 10],
    ["no parent, no call", "{ customers(first: 0) { nodes { name } } }", 0],
    ["skipped", "{ customer { name @skip(if: true) } }", 0],
    ["one object of an abstract type is of one type", "{ node { ... on Customer { name usage } ... on Invoice { number } } }", 2],
    ["several can be of several", "{ nodes { ... on Customer { name } ... on Invoice { number } } }", 4],
  ])("%s: %s", (_name, query, calls) => {
    expect(callsOf(query)).toBe(calls);
  });

  it("takes variables", () => {
    const query =
      "query ($n: Int, $m: Int) { customers(first: $n) { nodes { a: invoices(last: $m) { id } b: invoices(last: 2) { id } } } }";
    expect(callsOf(query, { n: 4, m: 2 })).toBe(4);
    expect(callsOf(query, { n: 4, m: 3 })).toBe(8);
  });

  it("asks nothing about no parents", () => {
    const calls = () => 1;
    expect(estimate("{ customers(first: 0) { nodes { name } } }", { calls }).upstreamCalls).toBe(0);
  });

  it("asks for the most items of those that share a read", () => {
    const calls = (_entity: string, _parents: number, items: number) => items;
    expect(estimate("{ customer { weeks usage } }", { calls }).upstreamCalls).toBe(30);
    expect(estimate("{ customer { usage weeks } }", { calls }).upstreamCalls).toBe(30);
  });

  it("asks what an entity takes, with parents and items", () => {
    const asked: unknown[] = [];
    const calls = (...question: [string, number, number]) => asked.push(question) && Math.ceil(question[1] / 100);
    const query = "{ customers(first: 150) { nodes { name invoices(last: 7) { id } usage } } }";
    expect(estimate(query, { calls }).upstreamCalls).toBe(6);
    expect(asked).toEqual([
      ["Customer", 150, 1],
      ["Invoice", 150, 7],
      ["Usage", 150, 30],
    ]);
  });
});
