import DataLoader from "dataloader";
import { type AnyEntity, type EntityName, timeField } from "../core/canonical.ts";
import { RequestError } from "../core/errors.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { DayWindow, RelatedBatch } from "../source/collection.ts";
import type { CallContext } from "../upstream/context.ts";
import type { Fetched } from "../upstream/reads.ts";
import type { CustomerNode } from "./customer-reader.ts";
import type { DatasetReader } from "./dataset-reader.ts";
import { type Freshness, isOutage, type StaleFact } from "./freshness.ts";
import type { Answered, Gateway } from "./gateway.ts";
import { MirroredList } from "./mirrored-list.ts";
import { type OwnedList, timeOrder } from "./owned-list.ts";

/** Is told of what had to be taken as it was before. */
type OnStale = (fact: StaleFact) => void;
interface Owned {
  readonly customer: CustomerNode;
  readonly entry: CatalogEntry;
  readonly ownerKey: string;
}

/** A record that belongs to a customer, as the graph hands it on. */
export interface RecordNode {
  readonly entry: CatalogEntry;
  readonly record: Fetched;
  /** Where it is read from instead of its source, if anywhere. */
  readonly dataset?: DatasetReader;
}

/** A page of a customer's records. */
export interface RecordPage {
  readonly nodes: readonly RecordNode[];
  readonly hasMore: boolean;
}

/** Reads the records that belong to customers for one request. */
export class RelatedReader {
  readonly #gateway: Gateway;
  readonly #call: CallContext;
  readonly #freshness: Freshness;
  readonly #loaders = new Map<string, DataLoader<string, readonly Fetched[]>>();
  readonly #mirrored = new Map<string, DataLoader<string, MirroredList | null>>();

  constructor(gateway: Gateway, call: CallContext, freshness: Freshness) {
    this.#gateway = gateway;
    this.#call = call;
    this.#freshness = freshness;
  }

  /** The latest records that match (null: any do), oldest of them first, over all sources that have some of this customer. */
  async latest(
    customer: CustomerNode,
    entity: EntityName,
    { count, matches }: { readonly count: number; readonly matches: ((entity: AnyEntity) => boolean) | null },
    onStale: OnStale,
  ): Promise<readonly RecordNode[]> {
    const match = matches && ((record: Fetched) => matches(record.entity));
    const parts = await Promise.all(
      this.#listed(customer, entity).map(async owned => {
        const records = await this.#read(owned, list => list.latest(count, match, this.#call), onStale);
        return records.map(record => nodeOf(owned, record));
      }),
    );
    return inTimeOrder(parts.flat(), entity).slice(-count);
  }

  /** The records after a cursor, source by source in the source's own order. Throws `CURSOR_INVALID`. */
  async after(
    customer: CustomerNode,
    entity: EntityName,
    { cursor, count }: { readonly cursor: string | null; readonly count: number },
    onStale: OnStale,
  ): Promise<RecordPage> {
    const lists = this.#listed(customer, entity);
    const [place, key] = cursor === null ? [0, null] : await this.#placeOf(lists, cursor, onStale);
    const nodes: RecordNode[] = [];
    for (const [index, owned] of lists.slice(place).entries()) {
      const read = (list: OwnedList) => list.after(index === 0 ? key : null, count - nodes.length, this.#call);
      const page = await this.#read(owned, read, onStale);
      nodes.push(...(page?.records ?? []).map(record => nodeOf(owned, record)));
      if (page?.hasMore === true) return { nodes, hasMore: true };
    }
    return { nodes, hasMore: false };
  }

  /** The dated records of a window of days, oldest first. */
  async days(customer: CustomerNode, entity: EntityName, window: DayWindow): Promise<readonly RecordNode[]> {
    const parts = this.#owned(customer, entity).map(async owned => {
      const { entry, ownerKey } = owned;
      const related = entry.collection.related;
      if (related?.mode !== "batch") return [];
      if (customer.dataset) return (await daysOf(customer.dataset, owned, window)).map(record => nodeOf(owned, record));
      const { scope, maxAgeMs } = this.#gateway.relatedPlan(entry, related, window, this.#freshness);
      const records =
        this.#gateway.recordLists.peek(scope, ownerKey, maxAgeMs.kept) ??
        (await this.#loaderOf(entry, related, window).load(ownerKey));
      return records.map(record => nodeOf(owned, record));
    });
    return inTimeOrder((await Promise.all(parts)).flat(), entity);
  }

  /** One record by collection and key; null when its source does not have it. */
  async record(entry: CatalogEntry, key: string, onStale: OnStale): Promise<RecordNode | null> {
    const plan = this.#gateway.lookupPlan(entry, this.#freshness);
    const outcomes = await this.#gateway.records.readMany(plan, [key], this.#call);
    const [outcome]: readonly (Answered | Error | null)[] = this.#freshness.isStaleAllowed
      ? await this.#gateway.orStale(entry, [key], outcomes)
      : outcomes;
    if (outcome instanceof Error) throw outcome;
    if (outcome?.failure) onStale({ entry, asOfMs: outcome.fetchedAtMs, failure: outcome.failure });
    return outcome ? { entry, record: outcome } : null;
  }

  /** The customer's keys in the collections that own records of an entity. */
  #owned(customer: CustomerNode, entity: EntityName): Owned[] {
    return this.#gateway.catalog.of(entity).flatMap(entry => {
      const owner = `${entry.source.name}.${entry.collection.owner ?? ""}`;
      return customer.members.flatMap(({ collection, key }) =>
        collection === owner ? [{ customer, entry, ownerKey: key }] : [],
      );
    });
  }

  #listed(customer: CustomerNode, entity: EntityName): Owned[] {
    return this.#owned(customer, entity).filter(({ entry }) => entry.collection.related?.mode === "each");
  }

  /** Reads an owner's list: from the mirror while that is fresh enough, else from the source; when that cannot be asked, as the mirror has it from before. */
  async #read<T>({ customer, entry, ownerKey }: Owned, read: (list: OwnedList) => Promise<T>, onStale: OnStale): Promise<T> {
    if (customer.dataset) return read(await customer.dataset.list(customer.id, entry, ownerKey));
    const known = () => this.#gateway.knownList(entry, ownerKey, this.#freshness);
    const list = known() ?? (await this.#mirroredOf(entry, "fresh").load(ownerKey)) ?? known();
    try {
      const found = list && (await read(list));
      if (list && !(found === undefined && list instanceof MirroredList)) return found as T;
      // Nothing is at hand, or what a cursor points to is newer than the mirror.
      return await read(this.#gateway.sourceList(entry, ownerKey)!);
    } catch (thrown) {
      if (!this.#freshness.isStaleAllowed || !isOutage(thrown)) throw thrown;
      const old = await this.#mirroredOf(entry, "stale").load(ownerKey);
      if (old === null) throw thrown;
      onStale({ entry, asOfMs: old.asOfMs, failure: thrown });
      return read(old);
    }
  }

  /** One question to the mirror for all owners that are asked for together. */
  #mirroredOf(entry: CatalogEntry, which: "fresh" | "stale"): DataLoader<string, MirroredList | null> {
    const name = `${entry.id} ${which}`;
    const known = this.#mirrored.get(name);
    if (known) return known;
    const batch = (keys: readonly string[]) =>
      which === "fresh" ? this.#gateway.mirroredLists(entry, keys, this.#freshness) : this.#gateway.staleLists(entry, keys);
    const loader = new DataLoader<string, MirroredList | null>(batch, { name });
    this.#mirrored.set(name, loader);
    return loader;
  }

  #loaderOf(entry: CatalogEntry, related: RelatedBatch, window: DayWindow): DataLoader<string, readonly Fetched[]> {
    const plan = this.#gateway.relatedPlan(entry, related, window, this.#freshness);
    const known = this.#loaders.get(plan.scope);
    if (known) return known;
    const batch = async (keys: readonly string[]) => {
      const outcomes = await this.#gateway.recordLists.readMany(plan, keys, this.#call);
      return outcomes.map(outcome => outcome ?? []);
    };
    const loader = new DataLoader<string, readonly Fetched[]>(batch, { name: plan.scope });
    this.#loaders.set(plan.scope, loader);
    return loader;
  }

  /** Which list a cursor points into, and the key there. */
  async #placeOf(lists: readonly Owned[], cursor: string, onStale: OnStale): Promise<[number, string]> {
    const [collection, key] = splitRecordId(decodeCursor(cursor)) ?? [];
    for (const [place, owned] of lists.entries()) {
      if (owned.entry.id !== collection || key === undefined) continue;
      if (await this.#read(owned, list => list.after(key, 0, this.#call), onStale)) return [place, key];
    }
    throw new RequestError("CURSOR_INVALID", "this cursor does not belong to this connection, or its record is gone");
  }
}

const nodeOf = ({ customer: { dataset }, entry }: Owned, record: Fetched): RecordNode => ({
  entry,
  record,
  ...(dataset && { dataset }),
});

/** A table's dated records of a window of days. */
async function daysOf(dataset: DatasetReader, { customer, entry, ownerKey }: Owned, { from, to }: DayWindow) {
  const records = await dataset.records(customer.id, entry, ownerKey);
  const field = timeField[entry.collection.canonical] ?? "key";
  return records.filter(({ entity }) => String(entity[field]) >= from && String(entity[field]) <= to);
}

const inTimeOrder = (nodes: readonly RecordNode[], entity: EntityName): readonly RecordNode[] =>
  timeOrder(nodes, entity, ({ record }) => record);

/** The id of a record in the graph: `<source>.<collection>:<key>`. */
export const recordId = ({ entry, record }: RecordNode): string => `${entry.id}:${record.entity.key}`;

/** A record's id taken apart; undefined when it is not one. */
export function splitRecordId(id: string): [string, string] | undefined {
  const colon = id.indexOf(":");
  return colon > 0 && id.slice(0, colon).includes(".") ? [id.slice(0, colon), id.slice(colon + 1)] : undefined;
}

export const encodeCursor = (text: string): string => Buffer.from(text).toString("base64url");
export const decodeCursor = (cursor: string): string => Buffer.from(cursor, "base64url").toString("utf8");
