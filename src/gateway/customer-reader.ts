import DataLoader from "dataloader";
import type { CanonicalValue } from "../core/canonical.ts";
import { ContractError, RequestError, StoreError, type TributaryError } from "../core/errors.ts";
import { matchEmail } from "../identity/match-email.ts";
import { survivorshipOrder } from "../identity/survivorship.ts";
import { lineageOf } from "../mapping/lineage.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import type { CustomerFilter, Member } from "../store/customer-index.ts";
import type { CallContext } from "../upstream/context.ts";
import type { Fetched } from "../upstream/reads.ts";
import type { DatasetReader } from "./dataset-reader.ts";
import { type Freshness, keptAgeMs, type Place, type StaleFact, type StaleFields } from "./freshness.ts";
import type { Answered, Gateway } from "./gateway.ts";

/** A customer as the graph hands it on: who it is; what it is, is read when asked for. */
export interface CustomerNode {
  readonly id: string;
  readonly members: readonly Member[];
  /** Where it is read from instead of its sources, if anywhere. */
  readonly dataset?: DatasetReader;
}

/** Where a field's value was taken from. */
export interface Origin {
  readonly field: string;
  readonly source: string | null;
  readonly key: string | null;
  readonly sourceField: string | null;
  readonly rule: string | null;
  readonly fetchedAtMs: number | null;
  /** When the event happened that told of the record last; null where none did, or it was read since. */
  readonly eventAtMs: number | null;
  /** The update that keeps the answer which it was read from; null where none does. */
  readonly raw: string | null;
}

type Read = Answered | null;
type Candidate = { readonly entry: CatalogEntry; readonly key: string };
type Found = { readonly candidate: Candidate; readonly record: Answered };

const INDEX_RETRY_MS = 2_000;
/** Nothing has a longer key or address; asking for one is not worth a place in any cache. */
export const MAX_KEY_LENGTH = 512;

/** Finds customers and reads their fields for one request. What several fields or customers need is read once, in batches. */
export class CustomerReader {
  readonly #gateway: Gateway;
  readonly #call: CallContext;
  readonly #warn: (warning: TributaryError) => void;
  readonly #freshness: Freshness;
  readonly #loaders = new Map<string, DataLoader<string, Read>>();
  readonly #byId: DataLoader<string, CustomerNode | null>;

  /** @param warn takes a failure that leaves the answer usable but not whole */
  constructor(gateway: Gateway, call: CallContext, freshness: Freshness, warn: (warning: TributaryError) => void) {
    this.#gateway = gateway;
    this.#call = call;
    this.#freshness = freshness;
    this.#warn = warn;
    this.#byId = new DataLoader(ids => this.#loadNodes(ids), { name: "customer" });
  }

  /** By canonical id, retired id or unambiguous key; null when nobody is found. In a version of the tables where one is given. */
  async find(text: string, dataset: DatasetReader | null = null): Promise<CustomerNode | null> {
    if (text.length > MAX_KEY_LENGTH) return null;
    return this.#only(await (dataset ?? this.#gateway.index).find(text), `the id ${text}`, dataset);
  }

  /** By a key in a named source. */
  async findByKey(source: string, key: string, dataset: DatasetReader | null = null): Promise<CustomerNode | null> {
    this.#requireSource(source);
    if (key.length > MAX_KEY_LENGTH) return null;
    return this.#only(await (dataset ?? this.#gateway.index).findByKey(source, key), `the key ${key} in ${source}`, dataset);
  }

  /** By the mailbox behind an e-mail address. */
  async findByEmail(email: string): Promise<CustomerNode | null> {
    const address = email.trim().toLowerCase();
    if (address.length > MAX_KEY_LENGTH) return null;
    return this.#only(await this.#gateway.index.findByMailbox(matchEmail(address) ?? address), "this e-mail address", null);
  }

  /** One page of customers, in the order of their ids. Throws `SOURCE_UNKNOWN`. */
  async page(
    filter: CustomerFilter,
    { after, first, dataset = null }: { after: string | null; first: number; dataset?: DatasetReader | null },
  ): Promise<{ nodes: readonly CustomerNode[]; hasMore: boolean }> {
    if (filter.source !== undefined) this.#requireSource(filter.source);
    if ((filter.country?.length ?? 0) > MAX_KEY_LENGTH) return { nodes: [], hasMore: false };
    if (dataset === null) await this.#warnUnlessIndexed();
    const ids = await (dataset ?? this.#gateway.index).page(filter, after, first + 1);
    const nodes = await Promise.all(ids.slice(0, first).map(id => this.#node(id, dataset)));
    return { nodes: nodes.filter(node => node !== null), hasMore: ids.length > first };
  }

  /**
   * A canonical field by declared survivorship. A source that cannot be read makes the field an error, not the next source's value; what is known of its
   * records from before is taken instead where that is allowed, and noted at the field's place.
   */
  field(
    customer: CustomerNode,
    field: string,
    { stale, place }: { readonly stale: StaleFields; readonly place: Place },
  ): CanonicalValue | Promise<CanonicalValue> {
    if (customer.dataset) return datasetField(customer.dataset, customer.id, field);
    const onStale = (fact: StaleFact) => stale.note(place, fact);
    const found = this.#survivor(candidatesOf(this.#gateway.catalog, customer, field), { field, onStale }, 0);
    return found instanceof Promise ? found.then(later => valueIn(later, field)) : valueIn(found, field);
  }

  /** Where a field's value comes from. Throws `REQUEST_INVALID` for a row of a table. */
  async origin(customer: CustomerNode, field: string, onStale: (fact: StaleFact) => void): Promise<Origin> {
    if (customer.dataset)
      throw new RequestError(
        "REQUEST_INVALID",
        `provenance is that of live customers; of a row of the tables ask: tributary explain customers.${field} --id ${customer.id}`,
      );
    const found = await this.#survivor(candidatesOf(this.#gateway.catalog, customer, field), { field, onStale }, 0);
    if (found === null)
      return { field, source: null, key: null, sourceField: null, rule: null, fetchedAtMs: null, eventAtMs: null, raw: null };
    const { entry, key } = found.candidate;
    const lineage = lineageOf(entry.collection).find(column => column.field === field);
    return {
      field,
      source: entry.source.name,
      key,
      sourceField: lineage?.sourceFields.join(", ") ?? null,
      rule: lineage?.rule ?? null,
      fetchedAtMs: found.record.fetchedAtMs,
      eventAtMs: found.record.eventAtMs ?? null,
      raw: found.record.raw ?? null,
    };
  }

  /** One record by key, as `field` reads it: kept, in flight, or from the source together with others. */
  record(entry: CatalogEntry, key: string): Read | Promise<Read> {
    const kept = this.#gateway.records.peek(entry.id, key, keptAgeMs(entry, this.#freshness));
    if (kept !== undefined) return kept;
    return this.#loaderOf(entry).load(key);
  }

  /** The first candidate with a value, without waiting where everything is at hand. */
  #survivor(candidates: readonly Candidate[], wanted: Wanted, start: number): Found | null | Promise<Found | null> {
    for (let at = start; at < candidates.length; at++) {
      const candidate = candidates[at]!;
      const read = this.record(candidate.entry, candidate.key);
      if (read instanceof Promise) {
        return read.then(later => accept(candidate, later, wanted) ?? this.#survivor(candidates, wanted, at + 1));
      }
      const found = accept(candidate, read, wanted);
      if (found) return found;
    }
    return null;
  }

  #loaderOf(entry: CatalogEntry): DataLoader<string, Read> {
    const known = this.#loaders.get(entry.id);
    if (known) return known;
    const plan = this.#gateway.lookupPlan(entry, this.#freshness);
    const loader = new DataLoader<string, Read>(
      async keys => {
        const outcomes = await this.#gateway.records.readMany(plan, keys, this.#call);
        return this.#freshness.isStaleAllowed ? this.#gateway.orStale(entry, keys, outcomes) : outcomes;
      },
      { name: entry.id },
    );
    this.#loaders.set(entry.id, loader);
    return loader;
  }

  async #loadNodes(ids: readonly string[]): Promise<(CustomerNode | null)[]> {
    const members = await this.#gateway.index.membersOf(ids);
    return ids.map(id => {
      const found = members.get(id);
      return found ? { id, members: found } : null;
    });
  }

  #requireSource(source: string): void {
    const names = this.#gateway.catalog.sources.map(({ name }) => name);
    if (names.includes(source)) return;
    throw new RequestError("SOURCE_UNKNOWN", `there is no source ${source}; there are ${names.join(", ")}`);
  }

  async #node(id: string, dataset: DatasetReader | null): Promise<CustomerNode | null> {
    if (dataset === null) return this.#byId.load(id);
    const found = await dataset.customer(id);
    return found && { id, members: found.members, dataset };
  }

  async #only(ids: readonly string[], what: string, dataset: DatasetReader | null): Promise<CustomerNode | null> {
    if (ids.length > 1) {
      const message = `${what} belongs to ${ids.length} customers: ${ids.slice(0, 10).join(", ")}`;
      throw new RequestError("CUSTOMER_KEY_AMBIGUOUS", message, { details: { candidates: ids.slice(0, 10) } });
    }
    if (dataset === null) await this.#warnUnlessIndexed();
    return ids[0] === undefined ? null : this.#node(ids[0], dataset);
  }

  /** Who is who, and that somebody is nobody, is certain only once every source has been read into the index. */
  async #warnUnlessIndexed(): Promise<void> {
    const missing = await this.#gateway.unindexed();
    if (missing.length === 0) return;
    const message = `the customer index lacks ${missing.join(", ")}: not read to the end yet; customers may be missing or incomplete`;
    this.#warn(new StoreError("INDEX_NOT_READY", message, { details: { retryAfterMs: INDEX_RETRY_MS } }));
  }
}

/** Throws `UPSTREAM_CONTRACT` when the source's value could not be read, as the live path does. */
async function datasetField(dataset: DatasetReader, id: string, field: string): Promise<CanonicalValue> {
  const found = await dataset.field(id, field);
  return found !== null && typeof found === "object" ? fieldOf(found.entry, found.record, field) : found;
}

const orders = new WeakMap<Catalog, Map<string, readonly CatalogEntry[]>>();

function orderOf(catalog: Catalog, field: string): readonly CatalogEntry[] {
  const known = orders.get(catalog) ?? new Map<string, readonly CatalogEntry[]>();
  orders.set(catalog, known);
  const order = known.get(field) ?? survivorshipOrder(catalog, field);
  known.set(field, order);
  return order;
}

/** By the list of members, which the index gives out unchanged until it is rebuilt. */
const candidates = new WeakMap<readonly Member[], Map<string, readonly Candidate[]>>();

function candidatesOf(catalog: Catalog, { members }: CustomerNode, field: string): readonly Candidate[] {
  const byField = candidates.get(members) ?? new Map<string, readonly Candidate[]>();
  candidates.set(members, byField);
  const known = byField.get(field);
  if (known) return known;
  const found = orderOf(catalog, field).flatMap(entry =>
    members.flatMap(({ collection, key }) => (collection === entry.id ? [{ entry, key }] : [])),
  );
  byField.set(field, found);
  return found;
}

/** The field that is looked for, and who is told that a record which was looked at is stale. */
interface Wanted {
  readonly field: string;
  readonly onStale: (fact: StaleFact) => void;
}

function accept(candidate: Candidate, read: Read, { field, onStale }: Wanted): Found | null {
  if (read === null) return null;
  // Also that a record has no value, so that the next one's is taken, is only known from before.
  if (read.failure) onStale({ entry: candidate.entry, asOfMs: read.fetchedAtMs, failure: read.failure });
  if (read.entity[field] === null && !hasInvalid(read, field)) return null;
  return { candidate, record: read };
}

const hasInvalid = (record: Fetched, field: string): boolean =>
  record.issues.some(issue => issue.field === field && issue.code === "INVALID_VALUE");

function valueIn(found: Found | null, field: string): CanonicalValue {
  return found === null ? null : fieldOf(found.candidate.entry, found.record, field);
}

/** A field of a record; throws `UPSTREAM_CONTRACT` when the source's value could not be read. */
export function fieldOf(entry: CatalogEntry, record: Fetched, field: string): CanonicalValue {
  if (record.issues.length > 0 && hasInvalid(record, field)) throw invalidValue(entry, record, field);
  return record.entity[field] ?? null;
}

function invalidValue(entry: CatalogEntry, record: Fetched, field: string): TributaryError {
  const issue = record.issues.find(each => each.field === field);
  const message = `${entry.source.title}: ${issue?.inputs.join(", ") ?? field} of ${entry.name} cannot be read as ${issue?.rule ?? "declared"}`;
  return new ContractError("UPSTREAM_CONTRACT", message, { details: { source: entry.source.name, collection: entry.name } });
}
