import { canonical, type EntityName } from "../src/core/canonical.ts";
import { fieldOf } from "../src/gateway/customer-reader.ts";
import { type RecordNode, recordId } from "../src/gateway/related-reader.ts";

const resolverOf =
  (field: string) =>
  ({ entry, record }: RecordNode) =>
    fieldOf(entry, record, field);

/** Resolvers of an entity whose fields are read from one record: every canonical field except its key and its owner. */
export function recordResolvers(entity: EntityName): Record<string, (node: RecordNode) => unknown> {
  const fields = Object.keys(canonical[entity]).filter(field => field !== "key" && field !== "customer");
  return Object.fromEntries(fields.map(field => [field, resolverOf(field)]));
}

/** A moment in ms since the epoch as the graph writes it. */
export const instant = (atMs: number | null | undefined): string | null =>
  atMs === null || atMs === undefined ? null : new Date(atMs).toISOString();

/** The `id` of a record that is a `Node`. */
export const id = (node: RecordNode): string => recordId(node);
