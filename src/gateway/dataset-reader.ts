import DataLoader from "dataloader";
import type { AnyEntity, CanonicalValue, EntityName } from "../core/canonical.ts";
import { isCustomerId } from "../core/ids.ts";
import { survivorshipOrder } from "../identity/survivorship.ts";
import { lineageOf } from "../mapping/lineage.ts";
import type { Catalog, CatalogEntry } from "../source/catalog.ts";
import type { CustomerFilter, CustomerIndex } from "../store/customer-index.ts";
import type { Fetched } from "../upstream/reads.ts";
import type { DatasetCustomer, DatasetRecord, DatasetTables } from "./datasets.ts";
import { MirroredList } from "./mirrored-list.ts";
import type { OwnedList } from "./owned-list.ts";
import type { RateYear } from "./rate-year.ts";

/** Reads customers and what belongs to them from a version of the tables, for one request. Asks no source. */
export class DatasetReader {
  readonly version: string;
  readonly #tables: DatasetTables;
  readonly #catalog: Catalog;
  readonly #index: CustomerIndex;
  readonly #customers: DataLoader<string, DatasetCustomer | null>;
  readonly #records = new Map<EntityName, DataLoader<string, readonly DatasetRecord[]>>();
  readonly #years = new Map<string, Promise<RateYear>>();

  constructor(tables: DatasetTables, { catalog, index }: { readonly catalog: Catalog; readonly index: CustomerIndex }) {
    this.version = tables.version;
    this.#tables = tables;
    this.#catalog = catalog;
    this.#index = index;
    this.#customers = new DataLoader(
      async ids => {
        const found = await tables.customers(ids);
        return ids.map(id => found.get(id) ?? null);
      },
      { name: `customers of ${tables.version}` },
    );
  }

  page(filter: CustomerFilter, after: string | null, count: number): Promise<readonly string[]> {
    return this.#tables.page(filter, after, count);
  }

  count(filter: CustomerFilter): Promise<number> {
    return this.#tables.count(filter);
  }

  customer(id: string): Promise<DatasetCustomer | null> {
    return this.#customers.load(id);
  }

  /** Ids of the customers that a canonical id, one that was retired, or a key stands for. */
  async find(text: string): Promise<readonly string[]> {
    if (isCustomerId(text) && (await this.customer(text)) !== null) return [text];
    const holders = await this.#tables.holders(null, text);
    return holders.length > 0 ? holders : this.#known(await this.#index.find(text));
  }

  findByKey(source: string, key: string): Promise<readonly string[]> {
    return this.#tables.holders(source, key);
  }

  /** A field's value and, where the value that survives could not be read, the record that says so. */
  async field(id: string, field: string): Promise<CanonicalValue | { readonly entry: CatalogEntry; readonly record: Fetched }> {
    const customer = await this.customer(id);
    const value = customer?.values[field] ?? null;
    if (value !== null || customer === null) return value;
    const unread = new Set(customer.unread.flatMap(each => (each.field === field ? [each.collection] : [])));
    const entry = survivorshipOrder(this.#catalog, field).find(each => unread.has(each.id));
    return entry === undefined ? null : { entry, record: fetchedOf(entry, nameless, 0, [field]) };
  }

  /** The records of one owner, as the table of their entity has them. */
  async list(customerId: string, entry: CatalogEntry, ownerKey: string): Promise<OwnedList> {
    const records = await this.records(customerId, entry, ownerKey);
    const { related } = entry.collection;
    return new MirroredList(entry, related?.mode === "each" ? related : { order: "oldest-first" }, records, 0);
  }

  async records(customerId: string, entry: CatalogEntry, ownerKey: string): Promise<readonly Fetched[]> {
    const all = await this.#recordsOf(entry.collection.canonical).load(customerId);
    const own = all.filter(({ collection, entity }) => collection === entry.id && entity["customer"] === ownerKey);
    return own.map(({ entity, fetchedAtMs, unread }) => fetchedOf(entry, entity, fetchedAtMs, unread));
  }

  /** The exchange rates of a calendar year. */
  rateYear(entry: CatalogEntry, year: string): Promise<RateYear> {
    const known = this.#years.get(year) ?? this.#readRates(entry, year);
    this.#years.set(year, known);
    return known;
  }

  async #readRates(entry: CatalogEntry, year: string): Promise<RateYear> {
    const rows = (await this.#tables.rates(year)).filter(({ collection }) => collection === entry.id);
    const byKey = new Map(rows.map(row => [row.entity.key as string, row]));
    return {
      find(key) {
        const row = byKey.get(key);
        return row && fetchedOf(entry, row.entity, row.fetchedAtMs, row.unread);
      },
    };
  }

  #recordsOf(entity: EntityName): DataLoader<string, readonly DatasetRecord[]> {
    const known = this.#records.get(entity);
    if (known) return known;
    const load = async (ids: readonly string[]) => {
      const found = await this.#tables.records(entity, ids);
      return ids.map(id => found.get(id) ?? []);
    };
    const loader = new DataLoader<string, readonly DatasetRecord[]>(load, { name: `${entity} of ${this.version}` });
    this.#records.set(entity, loader);
    return loader;
  }

  async #known(ids: readonly string[]): Promise<readonly string[]> {
    const customers = await Promise.all(ids.map(id => this.customer(id)));
    return customers.flatMap(customer => customer?.id ?? []);
  }
}

const nameless = { key: "" } as AnyEntity;

/** A row as if its source had given it. */
function fetchedOf(entry: CatalogEntry, entity: AnyEntity, fetchedAtMs: number, unread: readonly string[]): Fetched {
  const issues = unread.map(field => {
    const { sourceFields = [], rule = "declared" } = lineageOf(entry.collection).find(each => each.field === field) ?? {};
    return { field, code: "INVALID_VALUE" as const, rule, inputs: sourceFields };
  });
  return { entity, issues, clues: [], fetchedAtMs };
}
