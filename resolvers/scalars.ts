import { GraphQLError, GraphQLScalarType, Kind } from "graphql";

/** Scalars that travel as text and are checked when they come in. */
function textScalar(name: string, form: RegExp, example: string): GraphQLScalarType {
  const check = (value: unknown): string => {
    if (typeof value === "string" && form.test(value)) return value;
    throw new GraphQLError(`${name} must be text like ${example}`, { extensions: { code: "REQUEST_INVALID" } });
  };
  return new GraphQLScalarType({
    name,
    serialize: value => String(value),
    parseValue: check,
    parseLiteral: node => check(node.kind === Kind.STRING ? node.value : undefined),
  });
}

export const scalars = {
  Decimal: textScalar("Decimal", /^-?\d+(\.\d+)?$/, '"10.50"'),
  Long: textScalar("Long", /^-?\d+$/, '"42"'),
  DateTime: textScalar("DateTime", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, '"2026-01-31T09:00:00.000Z"'),
  Date: textScalar("Date", /^\d{4}-\d\d-\d\d$/, '"2026-01-31"'),
};
