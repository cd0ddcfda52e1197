import { type AnyEntity, type CanonicalValue, type EntityName, type FieldKind, fieldsOf } from "../core/canonical.ts";
import { exponentOf } from "../core/currency.ts";
import { RequestError, TributaryError } from "../core/errors.ts";
import type { Row } from "../mapping/bench.ts";
import { named, quoted } from "../mapping/sql-text.ts";
import { type DatasetBench, findDataset, type FoundDataset, openDataset } from "./dataset-reader.ts";
import { canonicalTextSql, fieldColumns, planOf } from "./tables.ts";

/** What one version may use of the machine. */
const LIMITS = { threads: 2, memoryMib: 512 };
/** How long after it was last read a version stays open, in ms. */
const IDLE_MS = 60_000;
/** Records of one entity that are read at once at most. */
const MAX_ROWS = 100_000;

interface Opened {
  readonly bench: Promise<DatasetBench>;
  reading: number;
  idle: NodeJS.Timeout | undefined;
}

/** The versions of a home that are being read: each is opened once, and closed when nobody has read it for a while. */
export class OpenDatasets {
  readonly #home: string;
  readonly #opened = new Map<string, Opened>();

  constructor(home: string) {
    this.#home = home;
  }

  /** The tables of a version, the current one unless given. Throws `DATASET_UNKNOWN`. */
  async open(version: string | null): Promise<VersionTables> {
    const found = await this.#find(version);
    return new VersionTables(found.manifest.version, sql => this.#rows(found, sql));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#opened].map(([version, opened]) => this.#close(version, opened)));
  }

  async #find(version: string | null): Promise<FoundDataset> {
    try {
      return await findDataset(this.#home, version ?? undefined);
    } catch (thrown) {
      if (!(thrown instanceof TributaryError && thrown.code === "REQUEST_INVALID")) throw thrown;
      const problem = version === null ? "no tables were built yet" : `there is no version ${version} of the tables`;
      throw new RequestError("DATASET_UNKNOWN", problem, { cause: thrown });
    }
  }

  async #rows(found: FoundDataset, sql: string): Promise<readonly Row[]> {
    const { version } = found.manifest;
    const opened = this.#opened.get(version) ?? { bench: openDataset(found, LIMITS), reading: 0, idle: undefined };
    this.#opened.set(version, opened);
    opened.reading++;
    clearTimeout(opened.idle);
    try {
      return await (await opened.bench).rows(sql);
    } finally {
      opened.reading--;
      if (opened.reading === 0) opened.idle = setTimeout(() => void this.#close(version, opened), IDLE_MS).unref();
    }
  }

  /** One that could not be opened is forgotten: whoever asked for it was told. */
  async #close(version: string, opened: Opened): Promise<void> {
    clearTimeout(opened.idle);
    this.#opened.delete(version);
    const bench = await opened.bench.catch(() => null);
    await bench?.close();
  }
}

/** What a listing of customers may ask for. */
interface Filter {
  readonly country?: string;
  readonly status?: string;
  readonly source?: string;
}

type Ids = readonly string[];

/** The tables of one version as canonical values. */
export class VersionTables {
  readonly version: string;
  readonly #rows: (sql: string) => Promise<readonly Row[]>;

  constructor(version: string, rows: (sql: string) => Promise<readonly Row[]>) {
    this.version = version;
    this.#rows = rows;
  }

  async page(filter: Filter, after: string | null, count: number): Promise<Ids> {
    const from = after === null ? "" : `AND id > ${quoted(after)}`;
    const rows = await this.#rows(`SELECT id FROM customers WHERE ${filterSql(filter)} ${from} ORDER BY id LIMIT ${count}`);
    return rows.map(({ id }) => id ?? "");
  }

  async count(filter: Filter): Promise<number> {
    const [row] = await this.#rows(`SELECT count(*) AS customers FROM customers WHERE ${filterSql(filter)}`);
    return Number(row?.["customers"]);
  }

  async holders(source: string | null, key: string): Promise<Ids> {
    const place = source === null ? "" : `AND source = ${quoted(source)}`;
    const rows = await this.#rows(`
      SELECT DISTINCT customer_id AS id FROM identities WHERE key = ${quoted(key)} ${place} ORDER BY id`);
    return rows.map(({ id }) => id ?? "");
  }

  async customers(ids: Ids) {
    if (ids.length === 0) return new Map<string, never>();
    const isOne = `customer_id IN (${list(ids)})`;
    const [rows, members, unread] = await Promise.all([
      this.#rows(`SELECT id, ${fieldsSql("Customer", "key")} FROM customers WHERE id IN (${list(ids)})`),
      this.#rows(`
        SELECT customer_id, source || '.' || collection AS collection, key FROM identities WHERE ${isOne} ORDER BY collection, key`),
      this.#rows(`
        SELECT customer_id, source || '.' || collection AS collection, field FROM issues JOIN identities USING (source, collection, key)
        WHERE ${isOne} AND code = 'INVALID_VALUE'`),
    ]);
    const membersOf = Map.groupBy(members, row => row["customer_id"]);
    const unreadOf = Map.groupBy(unread, row => row["customer_id"]);
    const text = (row: Row, name: string) => row[name] ?? "";
    return new Map(
      rows.map(row => {
        const id = text(row, "id");
        const customer = {
          id,
          members: (membersOf.get(id) ?? []).map(each => ({ collection: text(each, "collection"), key: text(each, "key") })),
          values: valuesOf("Customer", row),
          unread: (unreadOf.get(id) ?? []).map(each => ({ collection: text(each, "collection"), field: text(each, "field") })),
        };
        return [id, customer] as const;
      }),
    );
  }

  async records(entity: EntityName, ids: Ids) {
    if (ids.length === 0) return new Map<string, never>();
    const rows = await this.#records(entity, `customer_id IN (${list(ids)})`);
    return Map.groupBy(rows, ({ owner }) => owner);
  }

  rates(year: string) {
    return this.#records("ExchangeRate", `date_part('year', day) = ${Number.parseInt(year, 10)}`);
  }

  async #records(entity: EntityName, where: string) {
    const { name, columns } = planOf(entity);
    const owner = columns.some(column => column.name === "customer_id") ? "customer_id" : "NULL";
    const rows = await this.#rows(`
      WITH chosen AS (SELECT * FROM ${name} WHERE ${where} LIMIT ${MAX_ROWS + 1})
      SELECT ${owner} AS owner, source || '.' || collection AS place, epoch_ms(created_timestamp)::VARCHAR AS fetched, ${fieldsSql(entity)},
        (SELECT string_agg(field, ' ') FROM issues WHERE issues.source = chosen.source AND issues.collection = chosen.collection
          AND issues.key = chosen.key AND code = 'INVALID_VALUE') AS unread
      FROM chosen`);
    if (rows.length > MAX_ROWS)
      throw new RequestError("LIMIT_LIST_SIZE", `these customers have more than ${MAX_ROWS} rows in ${name}`);
    return rows.map(row => ({
      owner: row["owner"] ?? "",
      collection: row["place"] ?? "",
      entity: valuesOf(entity, row) as AnyEntity,
      fetchedAtMs: Number(row["fetched"]),
      unread: row["unread"]?.split(" ") ?? [],
    }));
  }
}

const list = (texts: readonly string[]): string => texts.map(quoted).join(", ");

function filterSql({ country, status, source }: Filter): string {
  const parts = ["true"];
  if (country !== undefined) parts.push(`country = ${quoted(country)}`);
  if (status !== undefined) parts.push(`status = ${quoted(status)}`);
  if (source !== undefined) parts.push(`id IN (SELECT customer_id FROM identities WHERE source = ${quoted(source)})`);
  return parts.join(" AND ");
}

/** The columns of an entity as canonical text, each named by its field. */
const fieldsSql = (entity: EntityName, except?: string): string =>
  fieldColumns(entity)
    .filter(({ field }) => field !== except)
    .map(column => `${canonicalTextSql(column)} AS ${named(column.field)}`)
    .join(", ");

/** A row's canonical values. Money is written with the digits of its currency, as its source gave it. */
function valuesOf(entity: EntityName, row: Row): Readonly<Record<string, CanonicalValue>> {
  const values = fieldsOf(entity).map(([field, { kind }]) => [field, valueOf(kind, row[field] ?? null)] as const);
  const read: Record<string, CanonicalValue> = Object.fromEntries(values);
  const { amount, currency } = read;
  if (typeof amount === "string" && typeof currency === "string") read["amount"] = withDigits(amount, exponentOf(currency));
  return read;
}

function valueOf(kind: FieldKind, text: string | null): CanonicalValue {
  if (text === null) return null;
  if (kind === "int") return Number(text);
  return kind === "boolean" ? text === "true" : text;
}

function withDigits(decimal: string, digits: number): string {
  const [whole = "", fraction = ""] = decimal.split(".");
  return digits === 0 && fraction === "" ? whole : `${whole}.${fraction.padEnd(digits, "0")}`;
}
