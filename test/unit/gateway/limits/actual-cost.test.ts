import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { execute, parse, validate } from "graphql";
import { actualCost } from "../../../../src/gateway/limits/actual-cost.ts";
import { estimator, schemaOf } from "./graph.ts";

const schema = schemaOf(`
  interface Node { id: ID }
  type Query {
    user: User
    users(first: Int = 3): [User] @listSize(slicingArguments: ["first"])
    nodes(first: Int!): [Node] @listSize(slicingArguments: ["first"])
    page(first: Int!): Page @listSize(slicingArguments: ["first"], sizedFields: ["edges"])
  }
  type Page { edges: [Edge] }
  type Edge { node: User }
  type User implements Node {
    id: ID
    rank: Int @cost(weight: "3")
    tags: [Tag] @listSize(assumedSize: 4)
    friends(first: Int @cost(weight: "2")): [User] @listSize(assumedSize: 2, slicingArguments: ["first"], requireOneSlicingArgument: false)
    group: Group
  }
  type Group implements Node @cost(weight: "5") { id: ID, owner: User }
  scalar Tag @cost(weight: "0.5")
`);
const estimate = estimator(schema);
const actual = (query: string, data: unknown, variables = {}) => actualCost({ schema, document: parse(query), variables, data });

describe("actualCost", () => {
  it.each([
    ["nothing for no data", "{ user { id } }", null, 0],
    ["nothing for null", "{ user { id } }", { user: null }, 1],
    ["objects that are there", "{ users { id } }", { users: [{ id: 1 }, null, { id: 2 }] }, 3],
    [
      "fields as resolved, arguments as given",
      "{ user { rank friends(first: 1) { id } } }",
      { user: { rank: null, friends: [] } },
      1 + 1 + 3 + 2,
    ],
    ["values of weighty scalars", "{ user { tags } }", { user: { tags: ["a", "b", null] } }, 1 + 1 + 1],
    ["by response key", "{ me: user { g: group { id } } }", { me: { g: { id: 1 } } }, 1 + 1 + 5],
    [
      "an abstract type by its name",
      "{ nodes(first: 2) { __typename } }",
      { nodes: [{ __typename: "User" }, { __typename: "Group" }] },
      1 + 1 + 5,
    ],
    [
      "an abstract type by what is there",
      "{ nodes(first: 2) { id ... on User { rank } } }",
      { nodes: [{ id: 1, rank: 1 }, { id: 2 }] },
      1 + (1 + 3) + 5,
    ],
    ["an abstract type that cannot be told: the dearest", "{ nodes(first: 1) { id } }", { nodes: [{ id: 1 }] }, 6],
    [
      "introspection",
      "{ __schema { types { name } } __typename }",
      { __schema: { types: [{ name: "User" }] }, __typename: "Query" },
      2,
    ],
  ])("counts %s", (_name, query, data, cost) => {
    expect(actual(query, data)).toBe(cost);
  });

  it("leaves out what variables skip", () => {
    const query = "query ($no: Boolean!) { user { rank @skip(if: $no) } }";
    expect(actual(query, { user: {} }, { no: true })).toBe(2);
    expect(actual(query, { user: { rank: 1 } }, { no: false })).toBe(5);
  });
});

const size = fc.integer({ min: 0, max: 4 });
const alias = fc.constantFrom("", "", "x: ", "y: ");
const fragments = "fragment f on User { id rank friends(first: 2) { tags } } fragment g on Group { owner { ...f } }";

const { user } = fc.letrec<{ user: string }>(tie => ({
  user: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    fc.constantFrom("{ id }", "{ rank tags }", "{ ...f }"),
    fc.tuple(alias, size, tie("user")).map(([name, first, inner]) => `{ rank ${name}friends(first: ${first}) ${inner} }`),
    tie("user").map(inner => `{ tags friends ${inner} ...f @include(if: $flag) }`),
    tie("user").map(inner => `{ group { id owner ${inner} } ... @skip(if: $flag) { rank } }`),
  ),
}));
const root = fc.oneof(
  user.map(inner => `user ${inner}`),
  user.map(inner => `u: users ${inner}`),
  fc.tuple(size, user).map(([first, inner]) => `us: users(first: ${first}) ${inner}`),
  fc.tuple(size, user).map(([first, inner]) => `page(first: ${first}) { edges { node ${inner} } }`),
  fc.tuple(size, user).map(([first, inner]) => `nodes(first: ${first}) { __typename id ... on User ${inner} ...g }`),
);
const query = fc
  .uniqueArray(root, { minLength: 1, maxLength: 4, selector: text => text.split(/[ (:]/)[0] })
  .map(
    roots =>
      `query ($flag: Boolean!) { ${roots.join(" ")} ...all @skip(if: true) } fragment all on Query { user { ...f } n: nodes(first: 1) { ...g } } ${fragments}`,
  );

/** Answers at random, with lists no longer than asked for or assumed, and says what it gave out. */
function world(seed: number) {
  let state = seed;
  let given = 0;
  const random = (below: number) => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  const list = <T>(most: number, make: () => T) => Array.from({ length: random(most + 1) }, make);
  const count = <T>(weight: number, value: T): T => {
    given += weight;
    return value;
  };
  const maybe = <T>(make: () => T): T | null => (random(5) === 0 ? null : make());
  const user = (): object =>
    count(1, {
      __typename: "User",
      id: 1,
      rank: () => count(3, random(9)),
      tags: () => list(4, () => count(0.5, "t")),
      friends: ({ first }: { first?: number }) => list(count(first === undefined ? 0 : 2, first ?? 2), () => maybe(user)),
      group: () => maybe(group),
    });
  const group = (): object => count(5, { __typename: "Group", id: 2, owner: () => maybe(user) });
  const edge = () => count(1, { node: () => maybe(user) });
  const root = {
    user: () => maybe(user),
    users: ({ first }: { first: number }) => list(first, user),
    nodes: ({ first }: { first: number }) => list(first, () => (random(2) === 0 ? user() : group())),
    page: ({ first }: { first: number }) => count(1, { edges: () => list(first, edge) }),
  };
  return { root: count(1, root), given: () => given };
}

describe("estimate and actual", () => {
  it("the estimate is never below the actual cost, which is what execution gave out", () => {
    const property = fc.property(query, fc.integer({ min: 1, max: 1_000_000 }), fc.boolean(), (text, seed, flag) => {
      const document = parse(text);
      if (validate(schema, document).length > 0) return fc.pre(false);
      const { root: rootValue, given } = world(seed);
      const result = execute({ schema, document, rootValue, variableValues: { flag } });
      if (result instanceof Promise) throw new TypeError("nothing here is asynchronous");
      expect(result.errors).toBeUndefined();
      const cost = actualCost({ schema, document, variables: { flag }, data: result.data });
      expect(cost).toBe(given());
      expect(cost).toBeLessThanOrEqual(estimate(text, { variables: { flag } }).cost);
      return true;
    });
    fc.assert(property, { numRuns: 200 });
  });

  it("are equal when every list is full", () => {
    const text = "{ page(first: 2) { edges { node { rank friends(first: 1) { tags group { id } } } } } }";
    const friend = { tags: ["a", "b", "c", "d"], group: { id: 1 } };
    const edge = { node: { rank: 1, friends: [friend] } };
    expect(actual(text, { page: { edges: [edge, edge] } })).toBe(estimate(text).cost);
  });
});
