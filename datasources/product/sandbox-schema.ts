import { buildSchema, GraphQLError, isObjectType, isScalarType, Kind } from "graphql";
import type { GraphQLFieldExtensions, GraphQLScalarType, GraphQLSchema, ValueNode } from "graphql";

const sdl = /* GraphQL */ `
  "A calendar day in UTC, YYYY-MM-DD."
  scalar Date
  "Milliseconds since 1970-01-01T00:00:00Z, a JSON number."
  scalar EpochMillis
  "A 64-bit integer, a JSON number with all its digits."
  scalar Long
  "A decimal number, as a JSON string or, from older agents, as a JSON number."
  scalar Decimal

  type Query {
    "All accounts, oldest first."
    accounts("At most 250." first: Int!, "An endCursor." after: String): AccountConnection
    "The accounts of these ids, at most 100, in no particular order. Unknown ids are left out."
    accountsByIds(ids: [ID!]!): [Account]!
    "One account; null when there is none."
    account(id: ID!): Account
    "Daily usage of all accounts, oldest day first. The last 30 days unless stated otherwise."
    usageDaily("At most 1000." first: Int!, "An endCursor." after: String, from: Date, to: Date): DailyUsageConnection
  }

  type Mutation {
    "Changes an account. Null when there is none."
    updateAccount(id: ID!, changes: AccountChanges!): Account
  }

  "What may be changed about an account. What is left out stays."
  input AccountChanges {
    displayName: String
    ownerEmail: String
    ownerPhone: String
    companyName: String
    countryCode: String
    plan: String
    state: String
    billingCustomerId: String
    timezone: String
  }

  type PageInfo {
    hasNextPage: Boolean!
    endCursor: String
  }

  type AccountConnection {
    nodes: [Account]!
    edges: [AccountEdge!]!
    pageInfo: PageInfo!
  }

  type AccountEdge {
    cursor: String!
    node: Account
  }

  "A workspace of the product."
  type Account {
    id: ID!
    displayName: String
    ownerEmail: String
    ownerPhone: String
    companyName: String
    "ISO 3166-1 alpha-2, as typed."
    countryCode: String
    plan: String
    "As the billing job of the time wrote it."
    state: String
    createdAt: EpochMillis!
    lastSeenAt: EpochMillis
    "The customer's id at the payments processor, where one is linked."
    billingCustomerId: String
    "A name of the IANA time zone database."
    timezone: String
    "Days with any usage, oldest first, both ends included. Ninety days are kept."
    usage(from: Date!, to: Date!): [DailyUsage!]!
  }

  type DailyUsageConnection {
    nodes: [DailyUsage!]!
    edges: [DailyUsageEdge!]!
    pageInfo: PageInfo!
  }

  type DailyUsageEdge {
    cursor: String!
    node: DailyUsage!
  }

  "What one account did on one day."
  type DailyUsage {
    accountId: ID!
    day: Date!
    sessions: Int
    activeMinutes: Decimal
    apiCalls: Long
    events: Int
  }
`;

/** The arguments of a field as the executor coerced them. */
type Arguments = Readonly<Record<string, unknown>>;

/** What a field costs: a function of its arguments and of what its own fields cost together. */
export type Points = (args: Arguments, children: number) => number;

/** Days of usage that cost one point. */
export const DAYS_PER_POINT = 10;

const DAY_MS = 86_400_000;

const count = (value: unknown): number => (typeof value === "number" ? Math.max(0, value) : 0);
const daysIn = ({ from, to }: Arguments): number =>
  Math.max(0, (Date.parse(String(to)) - Date.parse(String(from)) + DAY_MS) / DAY_MS);
const oneObject: Points = (_args, children) => 1 + children;
const firstOf: Points = ({ first }, children) => count(first) * children;

/** An object is a point, ten days of usage are one; fields that are not named here cost what is inside them. */
const points: Readonly<Record<string, Points>> = {
  "Query.accounts": firstOf,
  "Query.accountsByIds": ({ ids }, children) => (Array.isArray(ids) ? ids.length : 0) * (1 + children),
  "Query.account": oneObject,
  "Query.usageDaily": (args, children) => Math.ceil(firstOf(args, children) / DAYS_PER_POINT),
  "Mutation.updateAccount": (_args, children) => 10 + children,
  "AccountConnection.nodes": oneObject,
  "AccountEdge.node": oneObject,
  "Account.usage": args => Math.ceil(daysIn(args) / DAYS_PER_POINT),
  "DailyUsageConnection.nodes": oneObject,
  "DailyUsageEdge.node": oneObject,
};

function readDay(value: unknown): string {
  const isDay = typeof value === "string" && /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value));
  if (isDay) return value;
  throw new GraphQLError(`Date cannot represent ${JSON.stringify(value)}: write YYYY-MM-DD`, {
    extensions: { code: "BAD_USER_INPUT" },
  });
}

function asDay(scalar: GraphQLScalarType): void {
  scalar.parseValue = readDay;
  scalar.parseLiteral = (node: ValueNode) => readDay(node.kind === Kind.STRING ? node.value : null);
}

/** Builds the schema; each field that has a price carries it as the extension `points`. */
export function buildProductSchema(): GraphQLSchema {
  const schema = buildSchema(sdl);
  for (const type of Object.values(schema.getTypeMap())) {
    if (isScalarType(type) && type.name === "Date") asDay(type);
    if (!isObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const price = points[`${type.name}.${field.name}`];
      if (price !== undefined) field.extensions = { points: price } as GraphQLFieldExtensions<unknown, unknown>;
    }
  }
  return schema;
}
