import type { Source } from "../source/define-source.ts";
import type { DriftCount } from "../upstream/drift/drift-log.ts";
import type { SourceStatus } from "../upstream/upstream.ts";
import type { Gateway } from "./gateway.ts";
import type { IssueCount } from "./issue-counts.ts";

/** A source with what is known of it at this moment. */
export interface SourceNode {
  readonly source: Source;
  readonly status: SourceStatus;
  readonly collections: readonly {
    readonly name: string;
    readonly entity: string;
    readonly indexedAtMs: number | null;
    /** From when on what its source has is in the mirror; null when that does not hold all of it. */
    readonly mirroredAtMs: number | null;
    /** Why the last reading for the index failed; null when it did not. */
    readonly indexProblem: string | null;
    readonly issues: readonly IssueCount[];
    readonly drift: readonly DriftCount[];
  }[];
}

/** Every source as it stands; asks none of them. */
export async function sourceNodes(gateway: Gateway): Promise<readonly SourceNode[]> {
  const fills = await gateway.mirror.fills();
  const asOf = await gateway.mirror.asOfAll();
  return Promise.all(
    gateway.catalog.sources.map(async source => ({
      source,
      status: await gateway.upstreamOf(source.name).status(),
      collections: gateway.catalog.entries
        .filter(entry => entry.source === source)
        .map(entry => ({
          name: entry.name,
          entity: entry.collection.canonical,
          indexedAtMs: (entry.collection.canonical === "Customer" && fills.get(entry.id)) || null,
          mirroredAtMs: asOf.get(entry.id) ?? null,
          indexProblem: gateway.fillProblem(entry.id),
          issues: gateway.issues.of(entry.id),
          drift: gateway.drift.of(entry.id),
        })),
    })),
  );
}
