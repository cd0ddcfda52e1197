import type { AnyEntity } from "../core/canonical.ts";
import { ContractError } from "../core/errors.ts";
import { type Json, keyText, valueAt } from "../core/json.ts";
import { type CompiledMapping, compileMapping, type FieldIssue } from "../mapping/compile-js.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { DriftWatch } from "./drift/drift-log.ts";
import { type Examined, examinerOf } from "./drift/examine.ts";
import { contractDifferences } from "./drift/contract-differences.ts";
import { type DriftFinding, pathOf, personalIn } from "./drift/finding.ts";

/** A record as the canonical entity it becomes. */
export interface Decoded {
  readonly entity: AnyEntity;
  /** Fields whose value could not be read; empty for a sound record. */
  readonly issues: readonly FieldIssue[];
  /** The explicit keys that it carries. */
  readonly clues: readonly { readonly space: string; readonly value: string }[];
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

/** What a record breaks of its contract, whatever comes of it: the places and how, without the values found there; empty when it keeps it. */
export const contractBreaks = ({ collection }: CatalogEntry, record: unknown): readonly string[] =>
  contractDifferences(collection.contract, record).map(({ place, kind }) => `${pathOf(place)}: ${kind}`);

/** What keeps a record from being taken, place by place. */
export const breaksIn = ({ findings }: Examined): readonly string[] =>
  findings.flatMap(({ field, kind, policy }) => (keepsOut(policy) ? [`${field}: ${kind}`] : []));

/** Whether a policy keeps a record from being mapped. */
export const keepsOut = (policy: DriftFinding["policy"]): boolean => policy !== "evolve" && policy !== "discard_value";

/**
 * Holds a record against what was agreed and maps it; null when the collection's drift policy leaves it out. Throws `UPSTREAM_CONTRACT` for a record
 * that is refused or has no key, and `UPSTREAM_FROZEN` for one that ends the reading, naming the places.
 */
export const readRecord = (entry: CatalogEntry, record: Json, watch?: DriftWatch): Decoded | null => {
  const taken = takenRecord(entry, record, watch);
  return taken === null ? null : mapped(entry, taken, record, watch);
};

/** What of a record is mapped; null when it is left out. */
function takenRecord(entry: CatalogEntry, record: Json, watch: DriftWatch | undefined): Json | null {
  const { collection } = entry;
  const examined = examinerOf(collection)(record, { known: watch?.known(entry) ?? null });
  if (examined !== null) watch?.note(entry, examined.findings, shownKey(entry, record));
  if (examined !== null && keepsOut(examined.policy)) {
    if (examined.policy === "discard_row") return null;
    throw contractError(entry, breaksIn(examined), examined.policy === "freeze");
  }
  return examined?.record ?? record;
}

function mapped(entry: CatalogEntry, taken: Json, record: Json, watch: DriftWatch | undefined): Decoded {
  const mapping = mappingOf(entry);
  const decoded = { ...mapping.read(taken), clues: mapping.clues(taken) };
  if (decoded.issues.length === 0) return decoded;
  if (decoded.issues.some(issue => issue.field === "key")) throw contractError(entry, ["the record has no key"]);
  if (watch && decoded.issues.some(({ code }) => code === "UNKNOWN_ENUM_VALUE")) noteWords(entry, record, watch);
  return decoded;
}

/** Words that are let through are looked for only where the mapping found some. */
function noteWords(entry: CatalogEntry, record: Json, watch: DriftWatch): void {
  const findings = examinerOf(entry.collection)(record, { withWords: true })?.findings ?? [];
  const words = findings.filter(({ kind, policy }) => kind === "newEnumValue" && policy === "evolve");
  if (words.length > 0) watch.note(entry, words, shownKey(entry, record));
}

/** Holds a record against its contract and maps it; throws `UPSTREAM_CONTRACT` naming the places that broke, also where it would be left out. */
export function decode(entry: CatalogEntry, record: unknown): Decoded {
  const decoded = readRecord(entry, record as Json);
  if (decoded === null) throw contractError(entry, contractBreaks(entry, record));
  return decoded;
}

const MAX_SHOWN_KEY = 80;

/** A record's key for reports: null where there is none, or where it is personal. */
export function shownKey({ collection }: CatalogEntry, record: Json): string | null {
  const { rule, inputs = [], separator } = collection.map["key"] ?? {};
  if (inputs.some(personalIn(collection))) return null;
  const parts = (rule === "joined" ? inputs : inputs.slice(0, 1)).map(path => keyText(valueAt(record, path)));
  const key = parts.length === 0 || parts.includes(undefined) ? null : parts.join(separator ?? "");
  return key === null || key.length <= MAX_SHOWN_KEY ? key : `${key.slice(0, MAX_SHOWN_KEY)}…`;
}

/** Why a record, or with it the whole reading, is refused: the places without the values found there. */
export function contractError(entry: CatalogEntry, breaks: readonly string[], isFrozen = false): ContractError {
  const shown = breaks.slice(0, 5).join("; ");
  const what = isFrozen ? `${entry.name} is frozen, and a record differs` : `a record of ${entry.name} breaks its contract`;
  return new ContractError(isFrozen ? "UPSTREAM_FROZEN" : "UPSTREAM_CONTRACT", `${entry.source.title}: ${what} at ${shown}`, {
    details: { source: entry.source.name, collection: entry.name, breaks },
  });
}
