import { asError, ContractError, TributaryError } from "../core/errors.ts";
import { type Json, keyText, valueAt } from "../core/json.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { CallContext } from "./context.ts";
import { type Decoded, readRecord } from "./decode.ts";
import { instantIn } from "./listing/scale.ts";
import { itemsAt } from "./records.ts";
import type { UpstreamResponse } from "./upstream.ts";

/** A decoded record and the moment, in ms since the epoch, at which its source answered. */
export interface Fetched extends Decoded {
  readonly fetchedAtMs: number;
  /** The source's own mark of when the record was last changed, in ms since the epoch, where it has one. */
  readonly versionMs?: number;
  /** Of a record from the mirror: when the event happened that told of it last, in ms since the epoch. */
  readonly eventAtMs?: number | null;
  /** Of a record from the mirror: the update that keeps the answer which it was read from. */
  readonly raw?: string | null;
}

/** The source's own mark of when a record was last changed, for a record that is kept; nothing where it has none. */
export function versionOf({ collection: { list } }: CatalogEntry, record: Json): { readonly versionMs?: number } {
  const { watermark } = list;
  if (watermark?.sees !== "updates") return {};
  const versionMs = Math.floor(instantIn(valueAt(record, watermark.field), watermark.fieldFormat ?? watermark.format) ?? NaN);
  return Number.isSafeInteger(versionMs) ? { versionMs } : {};
}

/** Per key: the record, null when the source does not have it, or why it could not be read. Every key asked for is there. */
export type Outcomes<T> = ReadonlyMap<string, T | Error>;

/** The records in an answer; with errors beside data, a list that is missing altogether is the errors' doing. */
export function usableItems(response: UpstreamResponse, items: string, entry: CatalogEntry): readonly Json[] {
  try {
    return itemsAt(response.body, items, entry.id).filter(record => record !== null);
  } catch (thrown) {
    throw response.problems[0] ?? thrown;
  }
}

/** What a record's absence from an answer means: that it does not exist (null), or that the source failed for it. */
export const absentIn = (response: UpstreamResponse, entry: CatalogEntry): Error | null =>
  response.problems[0] === undefined ? null : placed(response.problems[0], entry, response);

/** The text at the place that a rule reads first, or at all of those that it joins, without mapping the record; undefined when there is none. */
export function plainText(entry: CatalogEntry, field: string, record: Json): string | undefined {
  const rule = entry.collection.map[field];
  if (rule?.rule !== "joined") return keyText(valueAt(record, rule?.inputs[0] ?? ""));
  const parts = rule.inputs.map(path => keyText(valueAt(record, path)));
  return parts.includes(undefined) ? undefined : parts.join(rule.separator);
}

/** Whether a record says that it was deleted. */
export function isDeleted({ collection: { tombstone } }: CatalogEntry, record: unknown): boolean {
  return tombstone !== undefined && valueAt(record, tombstone.path) === tombstone.equals;
}

/** An answer and who asked for it. */
export interface Reading {
  readonly response: UpstreamResponse;
  readonly context: CallContext;
}

/**
 * A record of an answer, decoded; null when the collection's drift policy leaves it out. Throws `UPSTREAM_CONTRACT` or `UPSTREAM_FROZEN` with the place
 * and what is known of the answer.
 */
export function fetched(entry: CatalogEntry, record: Json, { response, context }: Reading): Fetched | null {
  try {
    const decoded = readRecord(entry, record, context.drift);
    return decoded && { ...decoded, fetchedAtMs: response.receivedAtMs, ...versionOf(entry, record) };
  } catch (thrown) {
    throw placed(thrown, entry, response);
  }
}

/** Whether a failure is that of everything that was asked for together, though one record caused it. */
export const endsReading = (thrown: unknown): boolean => thrown instanceof TributaryError && thrown.code === "UPSTREAM_FROZEN";

/** A break of what the source promises, apart from single records. */
export const breach = (entry: CatalogEntry, problem: string, response: UpstreamResponse): Error =>
  placed(new ContractError("UPSTREAM_CONTRACT", `${entry.source.title}: ${problem}`), entry, response);

/** An error together with the collection it happened in, and what is known of the answer that it is about. */
export function placed(thrown: unknown, entry: CatalogEntry, response?: UpstreamResponse): Error {
  if (!(thrown instanceof TributaryError)) return asError(thrown);
  const facts = response === undefined ? {} : { attempts: response.attempts, httpStatus: response.status };
  const details = { ...facts, ...thrown.details, source: entry.source.name, collection: entry.name };
  const Class = thrown.constructor as new (code: string, message: string, options: object) => TributaryError;
  return new Class(thrown.code, thrown.message, { details, cause: thrown.cause, retryable: thrown.retryable });
}

export function chunksOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));
}
