import type { AnyEntity } from "../core/canonical.ts";
import { ContractError } from "../core/errors.ts";
import { type CompiledMapping, compileMapping, type FieldIssue } from "../mapping/compile-js.ts";
import type { CatalogEntry } from "../source/catalog.ts";

/** A record as the canonical entity it becomes. */
export interface Decoded {
  readonly entity: AnyEntity;
  /** Fields whose value could not be read; empty for a sound record. */
  readonly issues: readonly FieldIssue[];
}

const mappings = new WeakMap<object, CompiledMapping>();

/** A collection's mapping, compiled once. */
export function mappingOf(entry: CatalogEntry): CompiledMapping {
  const known = mappings.get(entry.collection);
  if (known) return known;
  const compiled = compileMapping(entry.collection);
  mappings.set(entry.collection, compiled);
  return compiled;
}

/** What a record breaks of its contract: the places, without the values found there; empty when it keeps it. */
export function contractBreaks(entry: CatalogEntry, record: unknown): readonly string[] {
  const result = entry.collection.contract.safeParse(record);
  return result.success ? [] : result.error.issues.map(issue => `${issue.path.join(".") || "(record)"}: ${issue.code}`);
}

/** Holds a record against its contract and maps it; throws `UPSTREAM_CONTRACT` naming the places that broke. */
export function decode(entry: CatalogEntry, record: unknown): Decoded {
  const breaks = contractBreaks(entry, record);
  if (breaks.length > 0) throw contractError(entry, breaks);
  const decoded = mappingOf(entry).read(record);
  if (decoded.issues.some(issue => issue.field === "key")) throw contractError(entry, ["the record has no key"]);
  return decoded;
}

function contractError(entry: CatalogEntry, breaks: readonly string[]): ContractError {
  const shown = breaks.slice(0, 5).join("; ");
  return new ContractError(
    "UPSTREAM_CONTRACT",
    `${entry.source.title}: a record of ${entry.name} breaks its contract at ${shown}`,
    {
      details: { source: entry.source.name, collection: entry.name, breaks },
    },
  );
}
