import { RequestError } from "../src/core/errors.ts";
import type { DatasetNode } from "../src/gateway/datasets.ts";
import { decodeCursor, encodeCursor } from "../src/gateway/related-reader.ts";
import type { RequestContext } from "../src/gateway/request-context.ts";

interface Page {
  readonly first: number;
  readonly after?: string | null;
}

/** Rows of quarantine that come before a page. */
function placeAfter(cursor: string | null | undefined): number {
  if (cursor === null || cursor === undefined) return 0;
  const [, place] = /^quarantine (\d{1,9})$/.exec(decodeCursor(cursor)) ?? [];
  if (place !== undefined) return Number(place);
  throw new RequestError("CURSOR_INVALID", "this cursor does not belong to this connection");
}

export const Dataset = {
  verdicts: ({ verdicts }: DatasetNode) => verdicts.map(({ verdict, ...more }) => ({ ...more, verdict: verdict.toUpperCase() })),
  lineage: ({ lineage }: DatasetNode, { table, column }: { table: string; column: string }) => lineage(table, column),
  quarantine: async ({ quarantine }: DatasetNode, { first, after }: Page) => {
    const from = placeAfter(after);
    const rows = await quarantine(from, first + 1);
    const nodes = rows.slice(0, first);
    const endCursor = nodes.length === 0 ? null : encodeCursor(`quarantine ${from + nodes.length}`);
    return { nodes, pageInfo: { hasNextPage: rows.length > first, endCursor } };
  },
};

export const dataset = (_parent: unknown, { version }: { version?: string | null }, { gateway }: RequestContext) =>
  gateway.datasets?.find(version ?? null) ?? null;

export const datasets = (_parent: unknown, _arguments: object, { gateway }: RequestContext) => gateway.datasets?.all() ?? [];
