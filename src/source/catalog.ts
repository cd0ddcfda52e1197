import type { EntityName } from "../core/canonical.ts";
import { RequestError } from "../core/errors.ts";
import type { Collection } from "./collection.ts";
import type { Source } from "./define-source.ts";

/** One collection of one source. `id` is `<source>.<collection>`. */
export interface CatalogEntry {
  readonly id: string;
  readonly source: Source;
  readonly name: string;
  readonly collection: Collection;
}

/** Every declared collection, found by id or by the canonical entity it becomes. */
export interface Catalog {
  readonly sources: readonly Source[];
  readonly entries: readonly CatalogEntry[];
  /** Throws `SOURCE_UNKNOWN` naming those that exist. */
  readonly get: (id: string) => CatalogEntry;
  readonly of: (entity: EntityName) => readonly CatalogEntry[];
}

/** Puts sources into a catalog, in the order of their names whatever order they come in. */
export function createCatalog(sources: readonly Source[]): Catalog {
  const sorted = [...sources].sort((a, b) => (a.name < b.name ? -1 : 1));
  const entries = sorted.flatMap(source =>
    Object.entries(source.collections).map(([name, collection]) => ({ id: `${source.name}.${name}`, source, name, collection })),
  );
  const byId = new Map(entries.map(entry => [entry.id, entry]));
  const byEntity = Map.groupBy(entries, entry => entry.collection.canonical);
  return {
    sources: sorted,
    entries,
    get: id => byId.get(id) ?? unknownCollection(id, entries),
    of: entity => byEntity.get(entity) ?? [],
  };
}

function unknownCollection(id: string, entries: readonly CatalogEntry[]): never {
  throw new RequestError(
    "SOURCE_UNKNOWN",
    `there is no collection ${id}; there are ${entries.map(entry => entry.id).join(", ")}`,
  );
}
