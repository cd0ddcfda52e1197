import { entityNames, type EntityName, fieldsOf } from "../core/canonical.ts";
import { isOwned } from "./tables.ts";

/** A list of a customer's records in the graph, and the table that should say the same. */
export interface RecordList {
  /** The list's name in the graph. */
  readonly name: string;
  readonly entity: EntityName;
  readonly call: string;
  /** What tells one record of a customer from another in the graph, and in the table. */
  readonly identifier: string;
  /** The canonical fields that both have. */
  readonly fields: readonly string[];
  /** The most records that the graph gives. */
  readonly most: number;
}

const MOST_RECORDS = 200;

/** An entity's fields as the graph has them: its key is part of the id there, and its owner is the customer that it hangs on. */
export const graphFields = (entity: EntityName): string[] =>
  fieldsOf(entity)
    .map(([field]) => field)
    .filter(field => field !== "key" && field !== "customer");

const latest = (name: string, entity: EntityName): RecordList => ({
  name,
  entity,
  call: `${name}(last: ${MOST_RECORDS})`,
  identifier: "id",
  fields: graphFields(entity),
  most: MOST_RECORDS,
});

/** The lists of a customer that are compared. */
export const recordLists: readonly RecordList[] = [
  latest("invoices", "Invoice"),
  latest("tickets", "Ticket"),
  latest("events", "ClickEvent"),
  {
    name: "usage",
    entity: "UsageDay",
    call: "usage(from: $from, to: $to)",
    identifier: "day",
    fields: graphFields("UsageDay"),
    most: Number.POSITIVE_INFINITY,
  },
];

export const customerFields: readonly string[] = graphFields("Customer");

const selectionOf = ({ call, identifier, fields }: RecordList): string =>
  `${call} { ${[...new Set([identifier, ...fields])].join(" ")} }`;

/** Everything of a page of customers; variables `first`, `after`, `from` and `to`. */
export const parityQuery = `query Parity($first: Int!, $after: String, $from: Date, $to: Date) {
  customers(first: $first, after: $after) {
    nodes { id ${customerFields.join(" ")} ${recordLists.map(selectionOf).join(" ")} }
    pageInfo { hasNextPage endCursor }
  }
}`;

/** Entities whose records belong to nobody: the graph is asked for each by its id, so their type there is a `Node`. */
export const unowned: readonly EntityName[] = entityNames.filter(entity => entity !== "Customer" && !isOwned(entity));

/** Some records by id, as `r0`, `r1` and so on; variables of the same names. */
export function recordsQuery(entity: EntityName, count: number): string {
  const names = Array.from({ length: count }, (_empty, index) => `r${index}`);
  const selection = `id ... on ${entity} { ${graphFields(entity).join(" ")} }`;
  const parameters = names.map(name => `$${name}: ID!`).join(", ");
  return `query Records(${parameters}) { ${names.map(name => `${name}: node(id: $${name}) { ${selection} }`).join(" ")} }`;
}
