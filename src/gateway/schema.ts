import { readdir, readFile } from "node:fs/promises";
import { makeExecutableSchema } from "@graphql-tools/schema";
import type { GraphQLSchema } from "graphql";
import type { RequestContext } from "./request-context.ts";

/** Resolvers by type and field; a scalar or an abstract type's resolver stands in its own form. */
export type Resolvers = Parameters<typeof makeExecutableSchema<RequestContext>>[0]["resolvers"];

/** Builds the executable schema from every `.graphql` file in a directory, in the order of their names. */
export async function loadSchema(directory: string, resolvers: NonNullable<Resolvers>): Promise<GraphQLSchema> {
  const names = (await readdir(directory)).filter(name => name.endsWith(".graphql")).sort();
  const typeDefs = await Promise.all(names.map(name => readFile(`${directory}/${name}`, "utf8")));
  return makeExecutableSchema<RequestContext>({
    typeDefs,
    resolvers,
    resolverValidationOptions: { requireResolversToMatchSchema: "error" },
  });
}
