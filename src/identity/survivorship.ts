import type { Catalog, CatalogEntry } from "../source/catalog.ts";

/**
 * The collections that may give a customer's field, best first: lowest declared rank, then name. Both paths take their order
 * from here; among records of one collection the smallest key (compared as text, by code point) comes first.
 */
export function survivorshipOrder(catalog: Catalog, field: string): readonly CatalogEntry[] {
  const ranked = catalog.of("Customer").filter(entry => entry.collection.map[field]?.rule !== "literal");
  return [...ranked].sort((a, b) => survivorshipRank(a, field) - survivorshipRank(b, field) || (a.id < b.id ? -1 : 1));
}

/** A collection's declared rank for a field: the lowest wins. */
export function survivorshipRank(entry: CatalogEntry, field: string): number {
  const survivorship = entry.collection.survivorship;
  return survivorship?.fields?.[field] ?? survivorship?.rank ?? Number.MAX_SAFE_INTEGER;
}
