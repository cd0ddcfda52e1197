import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { makeExecutableSchema } from "@graphql-tools/schema";
import { execute, type ExecutionResult, GraphQLError, parse } from "graphql";
import { createExecutor } from "../../../src/gateway/executor.ts";

/** What a field does when it is asked for. */
type Behaviour = "value" | "null" | "throw" | "reject" | "later" | "later-null";
const behaviours: readonly Behaviour[] = ["value", "null", "throw", "reject", "later", "later-null"];

const typeDefs = `
  type Query { a: Thing  b: Thing!  list: [Thing]  strict: [Thing!]  strictest: [Thing!]! }
  type Thing { name: String  must: String!  child: Thing  list: [Thing!] }`;

/** The i-th field asked for behaves as the i-th behaviour says, in both executions alike. */
function schemaOf(plan: readonly Behaviour[]) {
  const of =
    (kind: "text" | "thing" | "list", offset: number) =>
    ({ depth = 0 }: { depth?: number } | undefined = {}) => {
      const behaviour = plan[(depth * 5 + offset) % plan.length];
      const thing = { depth: depth + 1 };
      const value = kind === "text" ? "text" : kind === "thing" ? thing : [plan[offset % plan.length] === "null" ? null : thing];
      if (behaviour === "throw") throw new Error(`${kind} ${offset} at ${depth}`);
      if (behaviour === "reject") return Promise.reject(new Error(`${kind} ${offset} at ${depth}`));
      if (behaviour === "null") return null;
      return behaviour === "later" ? Promise.resolve(value) : behaviour === "later-null" ? Promise.resolve(null) : value;
    };
  return makeExecutableSchema({
    typeDefs,
    resolvers: {
      Query: { a: of("thing", 0), b: of("thing", 1), list: of("list", 2), strict: of("list", 3), strictest: of("list", 4) },
      Thing: { name: of("text", 0), must: of("text", 1), child: of("thing", 2), list: of("list", 3) },
    },
  });
}

const selection = "{ name must child { name must } list { must } }";
/** One non-null field at most fails in a selection: graphql-js leaves the rejections of a second one unhandled, compiled execution none. */
const nullable = ["a", "list", "strict"];
const nonNull = ["b", "strictest"];

/** An answer as clients could tell it apart: data, and for each error its message and path. */
const told = ({ data, errors }: ExecutionResult) => ({
  data: JSON.parse(JSON.stringify(data ?? null)) as unknown,
  errors: (errors ?? []).map(({ message, path }) => `${path?.join(".")}: ${message}`).sort(),
});

describe("compiled execution", () => {
  it("gives the data of graphql-js, and an error wherever graphql-js has one that explains a null", async () => {
    const plans = fc.array(fc.constantFrom(...behaviours), { minLength: 1, maxLength: 12 });
    const asked = fc
      .tuple(fc.subarray(nullable, { minLength: 1 }), fc.subarray(nonNull, { maxLength: 1 }))
      .map(names => names.flat());
    await fc.assert(
      fc.asyncProperty(plans, asked, async (plan, names) => {
        const schema = schemaOf(plan);
        const document = parse(`{ ${names.map(name => `${name} ${selection}`).join(" ")} }`);
        const expected = told(await execute({ schema, document }));
        const executor = createExecutor(schema);
        const result = await executor({ document, operationName: null, request: {}, context: {} } as never);
        const got = told(result as ExecutionResult);
        expect(got.data).toEqual(expected.data);
        expect(got.errors.length > 0).toBe(expected.errors.length > 0);
        for (const error of result.errors ?? []) expect(error).toBeInstanceOf(GraphQLError);
      }),
      { numRuns: 1_500 },
    );
  });

  it("reports the same errors at the same paths when no non-null field is in between", async () => {
    const plans = fc.array(fc.constantFrom(...behaviours), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(plans, async plan => {
        const schema = schemaOf(plan);
        const document = parse("{ a { name child { name } } list { name } }");
        const executor = createExecutor(schema);
        const result = await executor({ document, operationName: null, request: {}, context: {} } as never);
        expect(told(result as ExecutionResult)).toEqual(told(await execute({ schema, document })));
      }),
      { numRuns: 1_500 },
    );
  });
});
