import type { Catalog } from "../../src/source/catalog.ts";
import type { Mirror } from "../../src/store/mirror.ts";
import { lookupRecords } from "../../src/upstream/lookup.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";

/** Collections whose sources call us when something changes. */
export const calledCollections = ["stripe.customers", "stripe.invoices", "hubspot.contacts", "zendesk.users", "zendesk.tickets"];

/** What the mirror has of a collection and what its source says now, by key: records that are equal are left out. `null`: the source has no such record. */
export async function differencesOf(
  { catalog, mirror, upstreamOf }: { catalog: Catalog; mirror: Mirror; upstreamOf: (source: string) => Upstream },
  collection: string,
): Promise<{ readonly records: number; readonly different: readonly { key: string; known: unknown; truth: unknown }[] }> {
  const entry = catalog.get(collection);
  const known = new Map((await mirror.all(collection)).map(({ entity }) => [entity.key, entity]));
  const signal = AbortSignal.timeout(120_000);
  const context = { priority: "bulk" as const, signal, deadlineAtMs: Date.now() + 120_000, requestId: "truth" };
  const found = await lookupRecords(upstreamOf(entry.source.name), entry, [...known.keys()], context);
  const different = [...known].flatMap(([key, entity]) => {
    const outcome = found.get(key);
    if (outcome instanceof Error) throw outcome;
    const truth = outcome?.entity ?? null;
    return truth !== null && inOrder(truth) === inOrder(entity) ? [] : [{ key, known: entity, truth }];
  });
  return { records: known.size, different };
}

/** The store does not keep the order of fields. */
const inOrder = (entity: object): string => JSON.stringify(Object.entries(entity).toSorted(([a], [b]) => (a < b ? -1 : 1)));
