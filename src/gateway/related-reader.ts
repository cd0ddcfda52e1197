import DataLoader from "dataloader";
import type { AnyEntity, EntityName } from "../core/canonical.ts";
import { RequestError } from "../core/errors.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { DayWindow, RelatedBatch } from "../source/collection.ts";
import type { CallContext } from "../upstream/context.ts";
import type { Fetched } from "../upstream/reads.ts";
import type { CustomerNode } from "./customer-reader.ts";
import type { Gateway } from "./gateway.ts";
import type { RelatedList } from "./related-list.ts";

/** A record that belongs to a customer, as the graph hands it on. */
export interface RecordNode {
  readonly entry: CatalogEntry;
  readonly record: Fetched;
}

/** A page of a customer's records. */
export interface RecordPage {
  readonly nodes: readonly RecordNode[];
  readonly hasMore: boolean;
}

/** The canonical field that says when a record came about. */
const timeField: Readonly<Partial<Record<EntityName, string>>> = {
  Invoice: "issuedAt",
  Ticket: "createdAt",
  UsageDay: "day",
  ClickEvent: "occurredAt",
};

/** Reads the records that belong to customers for one request. */
export class RelatedReader {
  readonly #gateway: Gateway;
  readonly #call: CallContext;
  readonly #loaders = new Map<string, DataLoader<string, readonly Fetched[]>>();

  constructor(gateway: Gateway, call: CallContext) {
    this.#gateway = gateway;
    this.#call = call;
  }

  /** The latest records that match (null: any do), oldest of them first, over all sources that have some of this customer. */
  async latest(
    customer: CustomerNode,
    entity: EntityName,
    count: number,
    matches: ((entity: AnyEntity) => boolean) | null,
  ): Promise<readonly RecordNode[]> {
    const lists = this.#listsOf(customer, entity);
    const parts = await Promise.all(
      lists.map(async list => {
        const records = await list.latest(count, matches && (record => matches(record.entity)), this.#call);
        return records.map(record => ({ entry: list.entry, record }));
      }),
    );
    return inTimeOrder(parts.flat(), entity).slice(-count);
  }

  /** The records after a cursor, source by source in the source's own order. Throws `CURSOR_INVALID`. */
  async after(customer: CustomerNode, entity: EntityName, cursor: string | null, count: number): Promise<RecordPage> {
    const lists = this.#listsOf(customer, entity);
    const [place, key] = cursor === null ? [0, null] : await this.#placeOf(lists, cursor);
    const nodes: RecordNode[] = [];
    for (const [index, list] of lists.slice(place).entries()) {
      const page = await list.after(index === 0 ? key : null, count - nodes.length, this.#call);
      nodes.push(...(page?.records ?? []).map(record => ({ entry: list.entry, record })));
      if (page?.hasMore === true) return { nodes, hasMore: true };
    }
    return { nodes, hasMore: false };
  }

  /** The dated records of a window of days, oldest first. */
  async days(customer: CustomerNode, entity: EntityName, window: DayWindow): Promise<readonly RecordNode[]> {
    const parts = this.#owned(customer, entity).map(async ({ entry, ownerKey }) => {
      const related = entry.collection.related;
      if (related?.mode !== "batch") return [];
      const records =
        this.#gateway.recordLists.peek(this.#gateway.relatedPlan(entry, related, window).scope, ownerKey) ??
        (await this.#loaderOf(entry, related, window).load(ownerKey));
      return records.map(record => ({ entry, record }));
    });
    return inTimeOrder((await Promise.all(parts)).flat(), entity);
  }

  /** One record by collection and key; null when its source does not have it. */
  async record(entry: CatalogEntry, key: string): Promise<RecordNode | null> {
    const plan = this.#gateway.lookupPlan(entry);
    const [outcome] = await this.#gateway.records.readMany(plan, [key], this.#call);
    if (outcome instanceof Error) throw outcome;
    return outcome ? { entry, record: outcome } : null;
  }

  /** The customer's keys in the collections that own records of an entity. */
  #owned(customer: CustomerNode, entity: EntityName): { entry: CatalogEntry; ownerKey: string }[] {
    return this.#gateway.catalog.of(entity).flatMap(entry => {
      const owner = `${entry.source.name}.${entry.collection.owner ?? ""}`;
      return customer.members.flatMap(({ collection, key }) => (collection === owner ? [{ entry, ownerKey: key }] : []));
    });
  }

  #listsOf(customer: CustomerNode, entity: EntityName): RelatedList[] {
    return this.#owned(customer, entity).flatMap(({ entry, ownerKey }) => this.#gateway.listOf(entry, ownerKey) ?? []);
  }

  #loaderOf(entry: CatalogEntry, related: RelatedBatch, window: DayWindow): DataLoader<string, readonly Fetched[]> {
    const plan = this.#gateway.relatedPlan(entry, related, window);
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
  async #placeOf(lists: readonly RelatedList[], cursor: string): Promise<[number, string]> {
    const [collection, key] = splitRecordId(decodeCursor(cursor)) ?? [];
    for (const [place, list] of lists.entries()) {
      if (list.entry.id === collection && key !== undefined && (await list.after(key, 0, this.#call))) return [place, key];
    }
    throw new RequestError("CURSOR_INVALID", "this cursor does not belong to this connection, or its record is gone");
  }
}

function inTimeOrder(nodes: readonly RecordNode[], entity: EntityName): RecordNode[] {
  const field = timeField[entity] ?? "key";
  const mark = ({ record }: RecordNode) => `${String(record.entity[field] ?? "")} ${record.entity.key}`;
  return [...nodes].sort((a, b) => (mark(a) < mark(b) ? -1 : 1));
}

/** The id of a record in the graph: `<source>.<collection>:<key>`. */
export const recordId = ({ entry, record }: RecordNode): string => `${entry.id}:${record.entity.key}`;

/** A record's id taken apart; undefined when it is not one. */
export function splitRecordId(id: string): [string, string] | undefined {
  const colon = id.indexOf(":");
  return colon > 0 && id.slice(0, colon).includes(".") ? [id.slice(0, colon), id.slice(colon + 1)] : undefined;
}

export const encodeCursor = (text: string): string => Buffer.from(text).toString("base64url");
export const decodeCursor = (cursor: string): string => Buffer.from(cursor, "base64url").toString("utf8");
