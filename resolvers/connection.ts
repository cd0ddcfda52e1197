import { type RecordNode, recordId, type RecordPage, encodeCursor } from "../src/gateway/related-reader.ts";

/** A page of records as a Relay connection. @see https://relay.dev/graphql/connections.htm */
export function recordConnection({ nodes, hasMore }: RecordPage) {
  return connection(nodes, hasMore, (node: RecordNode) => recordId(node));
}

/** A page of anything as a Relay connection; `placeOf` names a node's place for its cursor. */
export function connection<Node>(nodes: readonly Node[], hasMore: boolean, placeOf: (node: Node) => string) {
  const edges = nodes.map(node => ({ node, cursor: encodeCursor(placeOf(node)) }));
  return { nodes, edges, pageInfo: { hasNextPage: hasMore, endCursor: edges.at(-1)?.cursor ?? null } };
}
